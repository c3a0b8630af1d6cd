"""The list of calls: by phone, FaceTime and apps such as WhatsApp."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from ibackup.apple.app_places import CALLS, WAITING_CALLS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues
from ibackup.contents.only_encrypted import note_if_not_encrypted

PART: Final = "calls"
CALL_STORES: Final = (CALLS, WAITING_CALLS)
KINDS: Final = {0: "app", 1: "phone", 8: "facetime-video", 16: "facetime-audio"}
_MOST_REMEMBERED: Final = 1_000_000
_JOIN: Final = r"Z_\d+REMOTEPARTICIPANTHANDLES"
_COLUMNS: Final = (
    "ZUNIQUE_ID",
    "ZDATE",
    "ZDURATION",
    "ZORIGINATED",
    "ZANSWERED",
    "ZREAD",
    "ZCALLTYPE",
    "ZSERVICE_PROVIDER",
    "ZADDRESS",
    "ZNAME",
    "ZISO_COUNTRY_CODE",
    "ZLOCATION",
    "ZNUMBER_AVAILABILITY",
    "ZDISCONNECTED_CAUSE",
    "ZJUNKCONFIDENCE",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call.

    Attributes:
        id: the same in every snapshot.
        time: when it began, or rang; None if the phone's value is no time.
        seconds: how long it lasted; None if the phone did not note it.
        incoming, answered, read: None if the phone did not note it.
        kind: "phone", "facetime-video", "facetime-audio", "app", or "unknown".
        service: the app's identifier, such as net.whatsapp.WhatsApp.
        addresses: the other side's number or e-mail address, of a group call everyone's; none if it was withheld.
        name_then: the name that the phone or the app noted with the call; mostly empty.
        country: two letters, as noted with the number.
        place: where the number is from, in the phone's words.
        number_availability: the phone's code for withheld and unknown numbers.
        cause: the phone's code for how the call ended.
        junk: how sure the phone is that it was unwanted; 0: not at all.
    """

    id: str
    time: datetime | None
    seconds: float | None
    incoming: bool | None
    answered: bool | None
    read: bool | None
    kind: str
    service: str
    addresses: tuple[str, ...]
    name_then: str
    country: str
    place: str
    number_availability: int | None
    cause: int | None
    junk: int | None

    @property
    def missed(self) -> bool:
        """Whether it came in and nobody answered."""
        return self.incoming is True and self.answered is False


class CallLog:
    """A backup's calls; iterate over it. Close it when done."""

    def __init__(self, stores: list[AppDatabase], gaps: Gaps, stack: ExitStack) -> None:
        self._stores = stores
        self._odd = OddValues(PART, gaps)
        self._stack = stack

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open it; None if the backup has none, with a gap if that is because it is not encrypted.

        Raises NoRoom, FormatError.
        """
        with ExitStack() as stack:
            stores = []
            for place in CALL_STORES:
                store = AppDatabase.of(backup, [place], PART, gaps)
                if store is not None:
                    stores.append(stack.enter_context(store))
            if not stores:
                note_if_not_encrypted(backup, PART, gaps)
                return None
            return cls(stores, gaps, stack.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its databases."""
        self._stack.close()

    def __iter__(self) -> Iterator[Call]:
        """Every call once, in the order in which the phone noted them."""
        seen: set[str] = set()
        for store in self._stores:
            table = store.table("ZCALLRECORD")
            if table is None:
                continue
            others = _participants(store)
            for row, *cells in table.select(*_COLUMNS):
                call = self._call(store.part, number(row), cells, others.get(number(row), ()))
                if call.id in seen:
                    continue
                if len(seen) < _MOST_REMEMBERED:
                    seen.add(call.id)
                yield call

    def _call(self, store: str, row: int, cells: list[Cell], others: tuple[str, ...]) -> Call:
        unique, date, length, originated, answered, read, kind, *rest = cells
        service, address, name, country, place, availability, cause, junk = rest
        outgoing = self._odd.flag(originated)
        address_text = text(address).strip()
        one = (address_text,) if address_text and address_text not in others else ()
        return Call(
            id=text(unique) or f"{store} {row}",
            time=self._odd.time(date),
            seconds=self._odd.seconds(length),
            incoming=None if outgoing is None else not outgoing,
            answered=self._odd.flag(answered),
            read=self._odd.flag(read),
            kind=KINDS.get(number(kind), "unknown") if kind is not None else "unknown",
            service=text(service),
            addresses=(*one, *others),
            name_then=text(name),
            country=text(country),
            place=text(place),
            number_availability=self._odd.whole(availability),
            cause=self._odd.whole(cause),
            junk=self._odd.whole(junk),
        )


def _participants(store: AppDatabase) -> dict[int, tuple[str, ...]]:
    """The numbers of everyone in each group call, by the call's row; the numbers in the names vary."""
    handles = store.table("ZHANDLE")
    if handles is None:
        return {}
    values = {
        number(row): text(given) or text(plain)
        for row, given, plain in handles.select("ZVALUE", "ZNORMALIZEDVALUE")
    }
    found: dict[int, dict[str, None]] = {}
    for join in store.tables(_JOIN):
        calls = next((each for each in join.columns if each.upper().endswith("REMOTEPARTICIPANTCALLS")), None)
        named = next(
            (each for each in join.columns if each.upper().endswith("REMOTEPARTICIPANTHANDLES")), None
        )
        if calls is None or named is None:
            continue
        for _, call, handle in join.select(calls, named):
            if value := values.get(number(handle)):
                found.setdefault(number(call), {})[value] = None
    return {call: tuple(others) for call, others in found.items()}
