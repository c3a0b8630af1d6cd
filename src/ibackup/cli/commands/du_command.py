"""``ibackup du``: the disk space that each phone and each snapshot really takes."""

import os
from typing import TYPE_CHECKING

from ibackup.base.identities import plain_name, told_apart
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import printable, wrap

if TYPE_CHECKING:
    from ibackup.jobs.keeping.disk_use import FolderSize, PhoneUse


@ibackup_command("du")
def command(app: App) -> int:
    """Show the disk space that each phone and each snapshot really takes.

    Snapshots share files that did not change. A phone's total counts these once; a snapshot's second figure is what
    only it has. `ibackup prune --dry-run` shows how much space removing several snapshots gives back.
    """
    from ibackup.jobs.keeping.disk_use import DiskUse

    store = app.open_store()
    folders = [store.phone(app.udid)] if app.udid else store.phones()
    folders.sort(key=lambda folder: plain_name(app.phones.of(folder.udid).name))
    names = told_apart({folder.udid: app.phones.of(folder.udid).name for folder in folders})
    rows: list[dict[str, object]] = []
    blocks: list[str] = []
    use, total = DiskUse(store, app.reporter), 0
    about = "" if use.exact else "about "
    for phone in use.phones(folders, names):
        row = _row(phone, app.phones.of(phone.udid).name)
        rows.append(row)
        blocks.append(_text(phone, names[phone.udid], about))
        app.reporter.emit({"event": "phone", **row})
        total += phone.total
    blocks.append(
        wrap(f"All together: {about}{size_text(total)}; {size_text(use.free_bytes)} are free on that disk.")
    )
    payload = {
        "store": store.path,
        "bytes": total,
        "free_bytes": use.free_bytes,
        "exact": use.exact,
        "phones": rows,
    }
    return app.result(payload, "\n\n".join(blocks))


def _row(phone: "PhoneUse", name: str) -> dict[str, object]:
    return {
        "udid": phone.udid,
        "name": name,
        "bytes": phone.total,
        "snapshots": [{"snapshot": each.id, **_members(size)} for each, size in phone.snapshots],
        "left_overs": [
            {"path": each.path, "state": each.kind, **_members(size)} for each, size in phone.left_overs
        ],
    }


def _members(size: "FolderSize") -> dict[str, int]:
    return {"bytes": size.whole, "own_bytes": size.own}


def _text(phone: "PhoneUse", shown: str, about: str) -> str:
    named = [(each.id, size) for each, size in phone.snapshots]
    named += [(f"{os.path.basename(each.path)} (left over)", size) for each, size in phone.left_overs]
    lines = [wrap(f"{printable(shown)}: {about}{size_text(phone.total)}")]
    lines += [
        wrap(f"{each}  {size_text(size.whole):>8}, of which its own {size_text(size.own)}", "  ", "    ")
        for each, size in named
    ]
    return "\n".join(lines)
