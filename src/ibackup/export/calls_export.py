"""Calls: a table, with names from the contacts."""

from collections.abc import Iterator, Sequence

from ibackup.apple.backup import Backup
from ibackup.contents.calls import PART, Call, CallLog
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import why_none
from ibackup.contents.people.name_book import NameBook, WhoItIs
from ibackup.contents.people.names_of_backup import names_of
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.tables import Record, write_tables

CALL_HEADS = {
    "time": "Time",
    "direction": "Direction",
    "result": "Result",
    "seconds": "Seconds",
    "kind": "Kind",
    "names": "Name",
    "numbers": "Number",
    "international": "International number",
    "place": "Place",
    "country": "Country",
    "service": "Service",
}
"""The columns of the table, by the members of a record."""


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every call."""
    log = CallLog.of(backup, gaps)
    if log is not None:
        with log:
            for call in log:
                yield call.id


def export(run: Export) -> None:
    """Write the list of calls."""
    names = names_of(run.backup)

    def records(gaps: Gaps) -> Iterator[Record]:
        log = CallLog.of(run.backup, gaps)
        if log is not None:
            with log:
                for call in log:
                    if run.wants(call.id, call.time):
                        yield call_record(call, people_of(call, names))

    above = run.folder.place((), "Calls", "folder calls")
    shown, count = write_tables(run, above, "Calls", CALL_HEADS, records)
    if not count:
        run.nothing(why_none(run.gaps, PART))
        return
    run.count("calls", count)
    run.index.append(IndexLine("Calls", shown, counted(count, "calls")))


def people_of(call: Call, names: NameBook) -> tuple[WhoItIs, ...]:
    """Who is behind each of a call's addresses."""
    return tuple(names.who(address, call.country or None) for address in call.addresses)


def call_record(call: Call, people: Sequence[WhoItIs]) -> Record:
    """A call as a row of the table, with the people behind its addresses."""
    named = [who.shown if who.people else "" for who in people]
    if call.name_then and not any(named):
        named = [call.name_then]
    return {
        "id": call.id,
        "time": call.time,
        "direction": None if call.incoming is None else "incoming" if call.incoming else "outgoing",
        "result": _result(call),
        "seconds": call.seconds,
        "kind": call.kind,
        "service": call.service,
        "names": named,
        "numbers": list(call.addresses),
        "international": [
            who.address.key if who.address is not None and who.address.international else "" for who in people
        ],
        "place": call.place,
        "country": call.country,
        "read": call.read,
        "junk": call.junk,
    }


def _result(call: Call) -> str | None:
    if call.answered is None:
        return None
    return "answered" if call.answered else "missed" if call.missed else "not answered"
