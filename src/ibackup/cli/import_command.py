"""``ibackup import``: adopt a backup that another program made."""

import os

import click

from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.completing import folders
from ibackup.cli.output import count_text, rfc3339, size_text, time_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.errors import ExitCode


@ibackup_command("import")
@click.argument("folder", shell_complete=folders)
@click.option(
    "--level",
    type=click.Choice(["quick", "full", "deep"]),
    default="quick",
    show_default=True,
    help="How far to check it: quick: names and sizes; full: every checksum that the phone gave; deep: decrypt it all, "
    "too",
)
@click.option(
    "--wait", type=DURATION, default=0, metavar="TIME", help="Wait until another program is done with it [0]"
)
@click.option(
    "--settled", is_flag=True, help="No program is writing it any more, however lately it was changed"
)
@click.option("--new-store", is_flag=True, help="Make the store anew where one was before")
@password_options
def command(
    app: App,
    folder: str,
    level: str,
    wait: float,
    settled: bool,
    new_store: bool,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Copy a backup that Finder, iTunes or another program made into the store.

    It becomes a snapshot, checked and sealed, and the next `ibackup now` receives only what is new since. FOLDER is
    the backup's, with Info.plist in it; nothing in it is changed. One that is older than the newest snapshot is
    refused.
    """
    from ibackup.keeping.adopting import Request, adopt
    from ibackup.manifest.findings import Level

    sources = PasswordSources(app, password_file, password_command, ask=False)
    request = Request(
        store=app.open_store(create=True, new_store=new_store),
        source=os.path.expanduser(folder),
        password=sources.find,
        udid=app.udid,
        level=Level(level),
        wait=wait,
        settled=settled,
    )
    done = adopt(request, app.reporter)
    meta = done.snapshot.meta
    payload = {
        "snapshot": done.snapshot.id,
        "path": done.snapshot.path,
        "source": done.source,
        "udid": meta.udid,
        "device_name": meta.device_name,
        "data_from": rfc3339(meta.data_from),
        "files": meta.files,
        "bytes": meta.bytes,
        "encrypted": meta.encrypted,
        "checked": meta.checked,
        "cloned": done.cloned,
        "left_out": list(done.left_out),
        "unreadable": [file.to_members() for file in meta.unreadable],
    }
    room = "sharing its blocks with the original" if done.cloned else "as a copy of its own"
    lines = [
        wrap(
            f"Imported as snapshot {done.snapshot.id}: {size_text(meta.bytes)}, {meta.files:,} files, of "
            f"{time_text(meta.data_from)}, {room}."
        ),
        f"It is in {done.snapshot.path}",
    ]
    if meta.checked == "phone":
        lines.append(
            wrap(
                "Its list of files is encrypted and no password was given. So only its plists were checked, and that "
                "nothing changed while it was copied; it is sealed as it was found. `ibackup verify --level deep` with "
                "--password-file checks it against the list."
            )
        )
    if not meta.unreadable:
        lines.append(wrap("Next: `ibackup now` receives only what is new since."))
        return app.result(payload, "\n".join(lines), skippable=True)
    odd = (
        f"{count_text(len(meta.unreadable), 'file')} had another size than the phone's list says, and no checksum to "
        "tell why. They probably changed while the phone read them, and are kept as they are."
    )
    hint = f"`ibackup show {done.snapshot.id}` names them; `ibackup now` receives what has changed since."
    lines += [wrap(odd), wrap(hint)]
    return app.result(payload, "\n".join(lines), ExitCode.UNREADABLE_FILES, message=odd, hint=hint)
