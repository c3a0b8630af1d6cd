"""``ibackup import``: adopt a backup that another program made."""

import os

import click

from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import folders
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import level_option, new_store_option, wait_option


@ibackup_command("import")
@click.argument("folder", shell_complete=folders)
@level_option(
    "quick",
    "quick: names, sizes, checksums from the phone, and that each file decrypts; full: read every byte; deep: "
    "also decrypt everything",
)
@wait_option("How long to wait for another program to finish with it")
@click.option(
    "--settled",
    is_flag=True,
    help="Import even if it was changed recently: no program is still writing to it",
)
@new_store_option
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

    It becomes a snapshot, checked and sealed, and the next `ibackup now` receives only newer data. FOLDER is the
    backup folder with Info.plist in it; nothing in it is changed. A backup older than the newest snapshot is refused.
    """
    from ibackup.apple.verify.findings import Level
    from ibackup.jobs.keeping.importing import ImportRequest, adopt
    from ibackup.store import flawed_summary

    sources = PasswordSources(app, password_file, password_command, ask=False)
    request = ImportRequest(
        store=app.open_store(create=True, new_store=new_store),
        source=os.path.expanduser(folder),
        unlocker=sources.unlocker,
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
        "status": "flawed" if meta.flawed else "good" if meta.checked == "manifest" else "unchecked",
        "not_restorable": done.changed or None,
        "flawed": [file.to_members() for file in meta.flawed],
    }
    room = "sharing its blocks with the original" if done.cloned else "as a separate copy"
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
                "Its list of files is encrypted and no password was given. So ibackup checked only its "
                "plists, and that nothing changed during the copy. Until it is checked against the list, `ibackup "
                "now` does not build on it and asks the phone for everything. To check it: `ibackup verify "
                "--level deep` with --password-file."
            )
        )
    elif level == "quick":
        lines.append(wrap(_unchecked(encrypted=meta.encrypted)))
    if done.changed:
        lines.append(
            wrap(
                f"No phone can be restored from it. {printable(done.changed)}. `ibackup extract` takes its files out; "
                "for a restore make a new backup with `ibackup now`, which then asks the phone for everything."
            )
        )
    if not meta.flawed:
        if not done.changed:
            lines.append(wrap("Next: `ibackup now` receives only newer data."))
        return app.result(payload, "\n".join(lines), skippable=True)
    odd = f"{flawed_summary.summary(meta.flawed)} They are kept unchanged."
    hint = f"`ibackup show {done.snapshot.id}` names them; `ibackup now` receives what has changed since."
    lines += [wrap(odd), wrap(hint)]
    return app.result(payload, "\n".join(lines), ExitCode.FLAWED, message=odd, hint=hint)


def _unchecked(*, encrypted: bool) -> str:
    """What a quick import does not check."""
    ends = ", and each file decrypts at its end" if encrypted else ""
    return (
        "Checked: every file on the list is there with the right size, those with a checksum of the phone match it"
        f"{ends}. Not checked: the content of all other files, mostly photos and app data. "
        + (
            "To decrypt all of it once: `ibackup verify --level deep`."
            if encrypted
            else "For them the list of an unencrypted backup has nothing to compare with."
        )
    )
