"""Problems with single files and changed names, as `extract` and `export` report them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.file_text import clean, name_text
from ibackup.cli.shell.output import printable, wrap

if TYPE_CHECKING:
    from ibackup.explore.extraction import Notice
    from ibackup.explore.file_writer import Trouble
    from ibackup.explore.target_names import Renamed

_SHOWN = 20  # of each kind of trouble; --json names all
_SAID = {
    "record": "the entry in the backup's list cannot be read",
    "missing": "not in the backup",
    "unreadable": "cannot be read",
    "key": "the key does not open",
    "locked": "encrypted, and the key is not here; nothing was written",
    "short": "the backup has only part of it; that part was written",
    "long": "the file is far longer than the phone's list says; the listed length was written",
    "padding": "the end did not decrypt correctly; it was written, but may be damaged in part",
    "changed": "damaged, as `ibackup verify` found; written anyway",
    "refused": "cannot be written there",
    "exists": "something else has that name (--overwrite replaces files)",
}


class FileNotices:
    """What the run reports on the way: everything with --json, else the first few of each kind, at the end."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.troubles: dict[str, list[Trouble]] = defaultdict(list)
        self.renamed: list[Renamed] = []

    def __call__(self, notice: "Notice") -> None:
        """Take one."""
        from ibackup.explore.target_names import Renamed

        if isinstance(notice, Renamed):
            if len(self.renamed) < _SHOWN:
                self.renamed.append(notice)
            event: dict[str, object] = {
                "event": "renamed",
                "domain": clean(notice.domain),
                "path": clean(notice.path),
                "became": clean(notice.became),
                "reason": notice.reason,
            }
        else:
            if len(self.troubles[notice.kind]) < _SHOWN:
                self.troubles[notice.kind].append(notice)
            event = {
                "event": "finding",
                "kind": notice.kind,
                "file_id": clean(notice.file_id),
                "domain": clean(notice.domain),
                "path": clean(notice.path),
                "message": notice.text,
                "written": notice.written,
            }
        self._app.reporter.emit(event)

    def trouble_lines(self, troubles: "Counter[str]") -> Iterator[str]:
        """The problems for people, the most frequent first."""
        for kind, count in troubles.most_common():
            named = self.troubles[kind]
            yield wrap(f"{count_text(count, 'file')}: {_SAID[kind]}:")
            for each in named:
                name = name_text(each.domain, each.path) if each.domain else printable(each.path)
                yield f"  {name}: {printable(each.text)}"
            if count > len(named):
                yield f"  and {count - len(named):,} more; --json names all"
