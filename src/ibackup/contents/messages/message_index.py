"""Which messages belong to which conversation, found in one pass over each table.

Two million messages take about 50 MB here: per message its row and its time. No index of the database is used.
"""

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Final

from ibackup.base.how_far import HowFar, untold
from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.balloons import POLLS, bundle_of
from ibackup.contents.messages.handles import Handles, sender_row
from ibackup.contents.messages.numbered_pairs import MOST_NUMBER
from ibackup.contents.messages.reactions import is_folded, target_of

PART: Final = "messages"
_PLACES: Final = 20  # bits for the number of a conversation
_NANOSECONDS_FROM: Final = 100_000_000_000
MOST_TIME: Final = (1 << 62) - 1
"""Nanoseconds since 2001; later times count as this one."""
_MOST_SERVICES: Final = 20
_MOST_SENDERS: Final = 10_000
_NOWHERE: Final[frozenset[int]] = frozenset()
SOMEONE: Final = "?"
"""Who sent messages whose row of ``handle`` is gone."""


@dataclass(slots=True)
class Filed:
    """The messages of one conversation, in the order in which to show them.

    Attributes:
        rows: their numbers.
        times: nanoseconds since 2001; of one without a time that of the one before it.
        services: of all of them.
        senders: rows of ``handle``.
    """

    rows: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    services: set[str] = field(default_factory=set)
    senders: set[int] = field(default_factory=set)

    def add(self, row: int, time: int | None) -> None:
        """A further message, in the order of the rows."""
        if time is None:
            time = self.times[-1] if self.times else 0
        self.rows.append(row)
        self.times.append(time)

    def arrange(self) -> None:
        """Sort by time, and those of one time by row."""
        times = self.times
        if all(times[place] <= times[place + 1] for place in range(len(times) - 1)):
            return
        order = sorted((time + MOST_TIME) << 32 | place for place, time in enumerate(times))
        places = [each & 0xFFFFFFFF for each in order]
        self.rows, self.times = (
            array("q", [self.rows[place] for place in places]),
            array("q", [times[place] for place in places]),
        )

    def between(self, since: int | None, until: int | None) -> "array[int]":
        """The rows from a time on and before another."""
        start = 0 if since is None else bisect_left(self.times, since)
        stop = len(self.times) if until is None or until >= MOST_TIME else bisect_right(self.times, until - 1)
        return self.rows[start:stop]


def order_time(cell: Cell) -> int | None:
    """A time of Messages in nanoseconds since 2001, only to sort by; None if it is none."""
    if type(cell) is int and _NANOSECONDS_FROM < cell < MOST_TIME:  # nearly all
        return cell
    if not isinstance(cell, int | float) or cell != cell or not cell:  # itself: not a number
        return None
    whole = max(-MOST_TIME, min(MOST_TIME, cell))
    nanoseconds = int(whole) if abs(whole) > _NANOSECONDS_FROM else int(whole * 1_000_000_000)
    return max(-MOST_TIME, min(MOST_TIME, nanoseconds))


class _Pairs:
    """Pairs of a message and a conversation, read one by one in the order of the messages."""

    def __init__(self, packed: "array[int]") -> None:
        ordered = packed.tolist()
        ordered.sort()
        self._packed = array("Q", ordered)
        self._at = 0

    def of(self, message: int) -> "set[int] | frozenset[int]":
        """The conversations of a message; ask for each message once, in ascending order."""
        packed, at = self._packed, self._at
        if at == len(packed) or packed[at] >> _PLACES > message:
            return _NOWHERE
        found: set[int] = set()
        while at < len(packed) and packed[at] >> _PLACES <= message:
            if packed[at] >> _PLACES == message:
                found.add(packed[at] & (1 << _PLACES) - 1)
            at += 1
        self._at = at
        return found


def _numbers() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class _Folding:
    """Rows that are shown at another message, column by column; ``places`` has -1 for no conversation."""

    targets: "array[int]" = field(default_factory=_numbers)
    rows: "array[int]" = field(default_factory=_numbers)
    times: "array[int]" = field(default_factory=_numbers)
    places: "array[int]" = field(default_factory=_numbers)
    senders: "array[int]" = field(default_factory=_numbers)
    mine: bytearray = field(default_factory=bytearray)


class _Hashes:
    """Ids of which only a stand-in is kept."""

    def __init__(self) -> None:
        self._kept: set[int] = set()

    def add(self, guid: str) -> None:
        """Remember one."""
        self._kept.add(hash(guid))

    def __contains__(self, guid: object) -> bool:
        return hash(guid) in self._kept


class MessageIndex:
    """Where each message is.

    Args:
        database: of Messages.
        handles: its people.
        conversations: for each row of ``chat`` the number of its conversation, from 0.
        count: how many conversations these are.
        gaps: takes what cannot be read.
        how_far: is told how many of the messages are filed.

    Attributes:
        filed: the messages of each of these conversations.
        unfiled: those in none, by who sent or got them: a key of ``Handles.person``, SOMEONE, or "" if the owner
            sent them to nobody who is known.
        deleted: the time cell of each message in Recently Deleted.
        alone: rows of reactions whose target is not there; they are filed as messages.
        answered: contains the ids of messages that others answer.
    """

    def __init__(
        self,
        database: AppDatabase,
        handles: Handles,
        conversations: dict[int, int],
        count: int,
        gaps: Gaps,
        how_far: HowFar = untold,
    ) -> None:
        self.filed = [Filed() for _ in range(count)]
        self.unfiled: dict[str, Filed] = {}
        self.deleted: dict[int, Cell] = {}
        self.alone: set[int] = set()
        self.answered = _Hashes()
        self._handles = handles
        self._gaps = gaps
        self._folding = _Folding()
        places = array("Q")
        self._read_joins(database, conversations, places)
        self._read_messages(database, _Pairs(places), how_far)
        for each in (*self.filed, *self.unfiled.values()):
            each.arrange()

    def folded(self, guid: str) -> "list[int]":
        """The rows that point at a message, and perhaps a few that do not: compare what they point at."""
        targets = self._folding.targets
        wanted = hash(guid)
        place = bisect_left(targets, wanted)
        found = []
        while place < len(targets) and targets[place] == wanted:
            found.append(self._folding.rows[place])
            place += 1
        return found

    def _read_joins(self, database: AppDatabase, conversations: dict[int, int], places: "array[int]") -> None:
        table = database.table("chat_message_join")
        for _, chat, message in table.select("chat_id", "message_id") if table is not None else ():
            if type(chat) is int and type(message) is int and 0 < message < MOST_NUMBER:
                place = conversations.get(chat)
                if place is not None and place < 1 << _PLACES:
                    places.append(message << _PLACES | place)
        table = database.table("chat_recoverable_message_join")
        for _, chat, message, when in (
            table.select("chat_id", "message_id", "delete_date") if table is not None else ()
        ):
            if type(message) is int and 0 < message < MOST_NUMBER:
                self.deleted[message] = when
                place = conversations.get(chat) if type(chat) is int else None
                if place is not None and place < 1 << _PLACES:
                    places.append(message << _PLACES | place)

    def _read_messages(self, database: AppDatabase, pairs: _Pairs, how_far: HowFar) -> None:
        table = database.table("message")
        if table is None:
            self._gaps.add(PART, "the database has no table of messages", damage=True)
            return
        columns = (
            *("guid", "date", "handle_id", "is_from_me", "service"),
            *("associated_message_type", "associated_message_guid", "balloon_bundle_id"),
            "thread_originator_guid",
        )
        guids = array("q")
        rows = table.select(*columns)
        for row, guid, date, handle, mine, service, kind, associated, balloon, thread in rows.telling(
            how_far
        ):
            if type(row) is not int:
                continue
            own = text(guid)
            guids.append(hash(own))
            if thread:
                self.answered.add(text(thread))
            time = order_time(date)
            if time is None and date not in (None, 0):
                self._gaps.add(PART, "a message with a time that cannot be read", own)
            found = pairs.of(row) if 0 < row < MOST_NUMBER else _NOWHERE
            sender = sender_row(handle)
            if associated and (is_folded(number(kind)) or _changes_poll(balloon, associated, own)):
                folding = self._folding
                folding.targets.append(hash(target_of(text(associated))[0]))
                folding.rows.append(row)
                folding.times.append(0 if time is None else time)
                folding.places.append(min(found, default=-1))
                folding.senders.append(sender)
                folding.mine.append(bool(number(mine)))
            else:
                self._file(row, time, found, sender, mine=bool(mine) and bool(number(mine)))
                if service:
                    self._note_service(found, text(service))
        self._file_those_alone(guids)
        self._sort_folded()

    def _person(self, sender: int, *, mine: bool) -> str:
        if sender in self._handles:  # of a message from the owner, whom it went to
            return self._handles.person(sender)
        return "" if mine else SOMEONE

    def _note_service(self, found: "set[int] | frozenset[int]", service: str) -> None:
        for place in found:
            services = self.filed[place].services
            if service not in services and len(services) < _MOST_SERVICES:
                services.add(service)

    def _file(
        self, row: int, time: int | None, found: "set[int] | frozenset[int]", sender: int, *, mine: bool
    ) -> None:
        places = [self.filed[place] for place in found]
        if not places:
            places = [self.unfiled.setdefault(self._person(sender, mine=mine), Filed())]
        for place in places:
            place.add(row, time)
            if sender not in place.senders and len(place.senders) < _MOST_SENDERS:
                place.senders.add(sender)

    def _sort_folded(self) -> None:
        folding = self._folding
        order = sorted(
            range(len(folding.rows)),
            key=lambda place: (folding.targets[place], folding.times[place]),
        )
        self._folding = _Folding(
            array("q", [folding.targets[place] for place in order]),
            array("q", [folding.rows[place] for place in order]),
        )

    def _file_those_alone(self, guids: "array[int]") -> None:
        """File the reactions to messages that are not there."""
        folding = self._folding
        missing = set(folding.targets)
        missing.difference_update(guids)
        for at, target in enumerate(folding.targets) if missing else ():
            if target in missing:
                row, place, sender = folding.rows[at], folding.places[at], folding.senders[at]
                self.alone.add(row)
                whose = {place} if place >= 0 else _NOWHERE
                self._file(row, folding.times[at] or None, whose, sender, mine=bool(folding.mine[at]))


def _changes_poll(balloon: Cell, associated: Cell, own: str) -> bool:
    """Whether a row changes a poll that another row began."""
    return bool(balloon) and bundle_of(text(balloon)) == POLLS and target_of(text(associated))[0] != own
