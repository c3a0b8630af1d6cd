"""A table in a note: a "mergeable" document, in which objects name each other by their place in a list.

The table's object leads to an ordered set of rows, one of columns, and a dictionary from column to row to text. Rows
and columns are UUIDs; the visible order is that of other UUIDs, from which a dictionary leads to the real ones.
Nothing here follows an object into another without end: every path has a fixed length.
"""

from typing import Final

from ibackup.contents.decoding.gunzip import gunzip
from ibackup.contents.decoding.protobuf import ProtoMessage
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.notes.note_text import read_text

_TABLE: Final = "com.apple.notes.ICTable"
_MOST_CELLS: Final = 1_000_000
_DICTIONARY, _TEXT, _MAP, _ORDERED_SET = 6, 10, 13, 16  # fields of an object


def read_table(data: bytes) -> tuple[tuple[str, ...], ...]:
    """The rows of a table, each with the plain text of its cells. Raises Undecodable."""
    return table_of(gunzip(data))


def table_of(document: bytes) -> tuple[tuple[str, ...], ...]:
    """The same of a document that is not compressed. Raises Undecodable."""
    return _Objects(document).table()


class _Objects:
    def __init__(self, data: bytes) -> None:
        document = ProtoMessage(data).message(2)
        contents = document.message(3) if document is not None else None
        if contents is None:
            raise Undecodable("it has no objects")
        self._objects = list(contents.messages(3))
        self._keys = contents.texts(4)
        self._kinds = contents.texts(5)
        self._uuids = {uuid: place for place, uuid in enumerate(contents.datas(6))}

    def table(self) -> tuple[tuple[str, ...], ...]:
        parts = self._parts()
        rows, columns = self._order(parts.get("crRows")), self._order(parts.get("crColumns"))
        if len(rows) * len(columns) > _MOST_CELLS:
            raise Undecodable("it has too many cells")
        width = max(columns.values(), default=-1) + 1
        height = max(rows.values(), default=-1) + 1
        found = [[""] * width for _ in range(height)]
        for column, texts in self._dictionary(parts.get("cellColumns")):
            across = columns.get(self._uuid(column))
            if across is None:
                continue
            for row, text in self._dictionary(self._object(texts)):
                down = rows.get(self._uuid(row))
                if down is not None:
                    found[down][across] = self._text(text)
        return tuple(tuple(row) for row in found)

    def _parts(self) -> dict[str, ProtoMessage | None]:
        """The parts of the first object that is a table, by their names."""
        for each in self._objects:
            described = each.message(_MAP)
            if described is None or self._name(self._kinds, described.integer(1)) != _TABLE:
                continue
            found: dict[str, ProtoMessage | None] = {}
            for entry in described.messages(3):
                value = entry.message(2)
                place = value.integer(6) if value is not None else None
                found[self._name(self._keys, entry.integer(1))] = self._object(place)
            return found
        raise Undecodable("it has no table")

    def _order(self, holder: ProtoMessage | None) -> dict[int, int]:
        """The visible place of each row or column, by the place of its UUID."""
        ordered = holder.message(_ORDERED_SET) if holder is not None else None
        ordering = ordered.message(1) if ordered is not None else None
        array = ordering.message(1) if ordering is not None else None
        if ordering is None or array is None:
            return {}
        shown: dict[int, int] = {}
        for each in array.messages(2):
            uuid = self._uuids.get(each.data(2) or b"")
            if uuid is not None and uuid not in shown:
                shown[uuid] = len(shown)
        found = dict(shown)
        for key, value in self._pairs(ordering.message(2)):
            place = shown.get(self._uuid(key))
            if place is not None:
                found[self._uuid(value)] = place
        return found

    def _dictionary(self, holder: ProtoMessage | None) -> list[tuple[int | None, int | None]]:
        return self._pairs(holder.message(_DICTIONARY) if holder is not None else None)

    @staticmethod
    def _pairs(dictionary: ProtoMessage | None) -> list[tuple[int | None, int | None]]:
        """The places of the keys and values of a dictionary."""
        found = []
        for element in dictionary.messages(1) if dictionary is not None else ():
            key, value = element.message(1), element.message(2)
            if key is not None and value is not None:
                found.append((key.integer(6), value.integer(6)))
        return found

    def _uuid(self, place: int | None) -> int:
        """The place of the UUID that an object stands for; -1 if it stands for none."""
        described = self._object(place)
        described = described.message(_MAP) if described is not None else None
        for entry in described.messages(3) if described is not None else ():
            value = entry.message(2)
            number = value.integer(2) if value is not None else None
            if number is not None:
                return number
        return -1

    def _text(self, place: int | None) -> str:
        found = self._object(place)
        text = found.message(_TEXT) if found is not None else None
        return "\n".join(paragraph.text for paragraph in read_text(text)) if text is not None else ""

    def _object(self, place: int | None) -> ProtoMessage | None:
        return self._objects[place] if place is not None and place < len(self._objects) else None

    @staticmethod
    def _name(names: list[str], place: int | None) -> str:
        return names[place] if place is not None and place < len(names) else ""
