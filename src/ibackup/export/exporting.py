"""One export: the chosen kinds, one after the other, and a page that links them."""

from contextlib import suppress
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base.confined import Parts
from ibackup.base.events import Observer, PhaseStarted, ignore
from ibackup.contents.gaps import Gap
from ibackup.export.export_context import Export
from ibackup.export.export_folder import ExportFolder
from ibackup.export.export_request import Exported, ExportRequest, Tell
from ibackup.export.export_target import ExportTarget
from ibackup.export.kinds import kind
from ibackup.export.pages import page

_INDEX: Parts = ("index.html",)
MISSING: Final = "What is missing.txt"
"""Where an export that is no folder on a disk says what it lacks."""


def export(
    backup: Backup,
    request: ExportRequest,
    tell: Tell = lambda _notice: None,
    observer: Observer = ignore,
) -> Exported:
    """Export what is in an unlocked backup.

    Args:
        backup: the backup; it is only read.
        request: what to export, and where to.
        tell: called with each problem and each changed name.
        observer: gets the phases and the progress.

    Raises:
        UsageError: the target is in the backup or is a file, or another run writes there.
        NoRoom: a disk is full.
        FormatError: the manifest is damaged.
        PasswordNeeded: the backup is locked.
        NotABackup: the snapshot was removed meanwhile.
        IbackupError: the target cannot be written.
    """
    result = Exported(compared=request.later is not None)
    observer(PhaseStarted("export", f"Exporting to {request.to}."))
    with ExportFolder(backup, request, tell, result) as folder:
        export_into(folder, backup, request, result, observer)
    return result


def export_into(
    target: ExportTarget,
    backup: Backup,
    request: ExportRequest,
    result: Exported,
    observer: Observer = ignore,
) -> None:
    """The same into an open target, which need not be a folder; `result` takes what came of it."""
    run = Export(backup, request, target, result, observer)
    target.tick = run.copied
    for name in request.kinds:
        chosen = kind(name)
        module = chosen.load()
        run.begin(name, chosen.in_a_sentence, module.ids)
        module.export(run)
    target.flush()
    if backup.list_lost is not None:
        run.gaps.add(
            "the list of files", "it is lost or damaged, so nobody can tell what is missing", damage=True
        )
    result.gaps = tuple(run.gaps)
    result.unfound = run.unfound
    if result.damaged and request.snapshot is not None:
        request.snapshot.refuse_if_removed()
    if len(request.kinds) > 1:
        _write_index(run, result)


def gap_text(gap: Gap) -> str:
    """What was left out, for people: one line."""
    examples = f" ({'; '.join(gap.examples)})" if gap.examples else ""
    times = f", {gap.count:,} times" if gap.count > 1 else ""
    return f"{gap.part}: {gap.reason}{times}{examples}"


def _write_index(run: Export, result: Exported) -> None:
    """The page that links everything. It names no time of today: the same backup gives the same page."""
    name = ""
    with suppress(FormatError):  # the page needs no name
        name = run.backup.info.device_name
    lines = [
        {
            "title": line.title,
            "about": line.about,
            "href": run.folder.link(_INDEX, line.page) if line.page is not None else "",
        }
        for line in run.index
    ]
    about = "What ibackup exported from a backup of this phone."
    gaps = [gap_text(gap) for gap in result.gaps]
    run.folder.write(_INDEX, page("index.html", title=name or "iPhone", about=about, lines=lines, gaps=gaps))
