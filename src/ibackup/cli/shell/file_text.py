"""How files of a backup are shown: names come from a phone and must not control the terminal."""

import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ibackup.apple.entry import Entry
from ibackup.apple.mbfile import MBFile
from ibackup.apple.rows import BadRow, Kind
from ibackup.base.counts import count_text
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import printable, time_text, wrap
from ibackup.explore.opening import SnapshotTarget

_BATCH = 500  # lines written at a time
_SHOWN = 20


def name_text(domain: str, path: str) -> str:
    """A file's name for people."""
    name = f"{domain}/{path}"
    return name if name.isprintable() else printable(name)


def clean(text: str) -> str:
    """A text for JSON: bytes that are not UTF-8 are escaped."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def moment(seconds: int) -> datetime | None:
    """A time of the phone's; None if it cannot be meant."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _stamp(seconds: int) -> str | None:
    when = moment(seconds)
    # what rfc3339() gives, in a tenth of its time: a large phone has a million files
    return f"{when.isoformat()[:19]}Z" if when else None


def _mode(record: MBFile) -> int:
    """A record's mode, without extra bits that a damaged record may have."""
    return record.mode & 0xFFFF


def file_event(entry: Entry) -> dict[str, object]:
    """The ``file`` event."""
    record = entry.record
    event: dict[str, object] = {
        "event": "file",
        "file_id": entry.file_id,
        "domain": clean(entry.domain),
        "path": clean(entry.relative_path),
        "kind": entry.kind.name.lower(),
        "size": record.size,
        "mode": f"{stat.S_IMODE(_mode(record)):04o}",
        "modified": _stamp(record.modified),
        "born": _stamp(record.born) if record.born else None,
    }
    if entry.kind is Kind.LINK:
        event["target"] = clean(record.target or "")
    return event


def long_line(entry: Entry) -> str:
    """Mode, size, time, fileID and name."""
    record = entry.record
    when = moment(record.modified)
    name = name_text(entry.domain, entry.relative_path)
    if entry.kind is Kind.LINK:
        name += f" -> {printable(record.target or '')}"
    shown = time_text(when) if when else "?"
    return f"{stat.filemode(_mode(record))} {record.size:>15,} {shown:>16} {entry.file_id} {name}"


class Lines:
    """Lines of an answer, written as they come, many at a time."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add one."""
        self._lines.append(line)
        if len(self._lines) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the waiting lines."""
        if self._lines:
            self._app.reporter.answer("\n".join(self._lines))
            self._lines.clear()


class BadRows:
    """Unusable rows: counted, listed with --json, the first few named."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.count = 0
        self._first: list[BadRow] = []

    def __call__(self, row: BadRow) -> None:
        """Take note of one."""
        self.count += 1
        if len(self._first) < _SHOWN:
            self._first.append(row)
        self._app.reporter.emit(
            {
                "event": "finding",
                "kind": "record",
                "file_id": clean(row.file_id),
                "domain": clean(row.domain),
                "path": clean(row.relative_path),
                "message": row.flaw,
            }
        )

    @property
    def message(self) -> str:
        """The damage in a sentence; empty if there is none."""
        entries = count_text(self.count, "entry", "entries")
        return f"{entries} of the backup's list cannot be read." if self.count else ""

    @property
    def hint(self) -> str:
        """What to do about it."""
        return "`ibackup verify` says more." if self.count else ""

    def text(self) -> str:
        """What to say about them; nothing if there are none."""
        if not self.count:
            return ""
        said = [f"  {name_text(row.domain, row.relative_path)}: {printable(row.flaw)}" for row in self._first]
        if self.count > len(said):
            said.append(f"  and {self.count - len(said):,} more")
        return "\n".join(
            [
                wrap(f"Damage: {self.message} {self.hint}"),
                *said,
            ]
        )


def target_members(target: SnapshotTarget) -> dict[str, object]:
    """The backup that was read, for a result."""
    where: dict[str, object] = {"path": None, "copy": target.copy} if target.copy else {"path": target.path}
    return {"snapshot": target.snapshot.id if target.snapshot else None} | where


def totals(counts: Mapping[Kind, int], size: int) -> str:
    """``1,234 files, 5.6 GB``, and links where there are any."""
    said = [count_text(counts[Kind.FILE], "file"), size_text(size)]
    if counts[Kind.LINK]:
        said.append(count_text(counts[Kind.LINK], "link"))
    return ", ".join(said)


def table(rows: Iterable[tuple[str, ...]], right: int) -> list[str]:
    """Rows in columns, the first ``right`` of them flush right."""
    cells = list(rows)
    if not cells:
        return []
    widths = [max(len(row[column]) for row in cells) for column in range(right)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), *row[right:]])
        for row in cells
    ]
