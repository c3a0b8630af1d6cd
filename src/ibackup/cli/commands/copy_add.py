"""``ibackup copy add``: make a second copy's repository, and keep its password safe."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ibackup.base.errors import UsageError
from ibackup.base.events import Caution
from ibackup.base.programs import installing
from ibackup.cli.commands.copy_text import config_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files, folders
from ibackup.cli.shell.output import printable, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources
from ibackup.config import value_kinds
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.engine_kinds import kind_of

if TYPE_CHECKING:
    from ibackup.copies.copy_address import CopyAddress
    from ibackup.jobs.copying.copy_adding import AddedCopy


@ibackup_command("add")
@click.argument("name")
@click.option(
    "--to",
    required=True,
    metavar="ADDRESS",
    help="Folder on another disk, or an address such as sftp:, rest:, s3: or rclone:",
    shell_complete=folders,
)
@click.option(
    "--engine",
    type=click.Choice(value_kinds.ENGINES),
    default=value_kinds.ENGINES[0],
    help="Program that keeps the copy [restic]",
)
@click.option(
    "--copy-password-file",
    metavar="FILE",
    help="File with the copy's own password; ibackup makes a password if FILE does not exist",
    shell_complete=files,
)
@click.option(
    "--copy-password-command", metavar="COMMAND", help="Command that prints the copy's own password"
)
@click.option(
    "--key-file",
    metavar="FILE",
    help="File with NAME=value lines, such as the keys of a cloud",
    shell_complete=files,
)
@click.option("--adopt", is_flag=True, help="Use the repository that is there already")
def add(
    app: App,
    name: str,
    to: str,
    engine: str,
    copy_password_file: str | None,
    copy_password_command: str | None,
    key_file: str | None,
    adopt: bool,
) -> int:
    """Make a second copy called NAME at ADDRESS, and write it into the config file.

    The copy is a restic repository with a password of its own, which everyone needs who reads it: keep the password on
    paper as well. Without an option it goes into the system's keychain. With --phone, only that phone's snapshots go
    there. `ibackup copy run` then copies them.

    With --engine rclone, the copy has the newest snapshot of each phone as plain files, and no password.
    """
    from ibackup.config.config_file import default_path
    from ibackup.copies.copy_address import CopyAddress

    if value_kinds.COPY_NAME.from_text(name) is None:
        raise UsageError(
            f"{name!r} cannot be the name of a copy.", hint=f"Give {value_kinds.COPY_NAME.noun}."
        )
    if any(each.name == name for each in app.config.copies):
        raise UsageError(f"There is a copy named {name!r} already.", hint="`ibackup copy list` shows them.")
    if copy_password_file and copy_password_command:
        raise UsageError(
            "--copy-password-file and --copy-password-command exclude each other.", hint="Give one of them."
        )
    address = CopyAddress.parse(to)
    point_out_same_disk(app, address)
    file = _full(copy_password_file)
    planned = CopyConfig(
        name,
        address.text,
        engine=engine,
        repository_id="",
        password_file=file,
        password_command=copy_password_command,
        key_file=_full(key_file),
        phones=(app.udid,) if app.udid else (),
    )
    path = _config_path(app, default_path())
    done, made_password = add_planned(app, planned, path, adopt=adopt)
    payload = config_members(done.config) | {"made": done.made, "made_password": made_password}
    return app.result(payload, _text(done.config, done.made, made_password, address))


def add_planned(
    app: App, planned: CopyConfig, path: Path, *, adopt: bool = False
) -> "tuple[AddedCopy, bool]":
    """Keep the password, make the repository, write the config file at ``path``; also whether the password is new."""
    from ibackup.copies.copy_address import CopyAddress
    from ibackup.jobs.copying import copy_adding

    _refuse_inside_store(app, CopyAddress.parse(planned.to))
    password, made_password = _password(app, planned)
    return copy_adding.add(planned, password, path, app.reporter, adopt=adopt), made_password


def _text(config: CopyConfig, made: bool, made_password: bool, address: "CopyAddress") -> str:
    what = "Made" if made else "Adopted"
    lines = [wrap(f"{what} the copy {config.name}: {printable(address.shown)}.")]
    if made_password:
        lines.append(wrap(kept_text(config)))
    if not kind_of(config).has_password:
        lines.append(
            wrap(
                "It has no password: anyone who can read that place can read every backup there that the phone itself "
                "does not encrypt."
            )
        )
    lines.append(wrap(f"To copy the snapshots there: `ibackup copy run {config.name}`"))
    return "\n".join(lines)


def kept_text(config: CopyConfig) -> str:
    """Where a new password is, and what to do about it."""
    kept = f"in '{whole(config.password_file)}'" if config.password_file else "in the keychain"
    return (
        f"Its password is new and is {kept}. Without it nobody can read the copy, not even you: write it down "
        "and keep the paper away from this computer."
    )


def _config_path(app: App, default: Path) -> Path:
    return app.config.path or (Path(app.settings.config).expanduser() if app.settings.config else default)


def _full(path: str | None) -> str | None:
    return os.path.abspath(os.path.expanduser(path)) if path else None


def _password(app: App, planned: CopyConfig) -> tuple[str, bool]:
    """The password, kept where it will be found again, and whether it is new; empty for a copy that has none."""
    from ibackup.copies.copy_passwords import new_password
    from ibackup.jobs.copying.copy_adding import keep_in_new_file

    if not kind_of(planned).has_password:
        if planned.password_file or planned.password_command:
            raise UsageError(
                f"A copy that {planned.engine} keeps has no password of its own.",
                hint="Leave the option out. To hide the files there, use a remote of rclone's type crypt.",
            )
        return "", False
    if planned.password_command or (planned.password_file and os.path.lexists(planned.password_file)):
        sources = PasswordSources(app, planned.password_file, planned.password_command, ask=False)
        return sources.given() or "", False
    if planned.password_file:
        password = new_password()
        keep_in_new_file(planned.password_file, password)
        return password, True
    from ibackup.vault.keychain import Keychain

    keychain = Keychain.open()
    if keychain is None:
        raise UsageError(
            "The copy needs a password, and there is no keychain here to keep it in.",
            hint="Give --copy-password-file FILE: if FILE does not exist, ibackup writes a new password into it. "
            f"For the keychain: {installing('keyring>=25')}",
        )
    kept = keychain.copy_password(planned.name)
    if kept is not None:
        return kept, False
    password = new_password()
    keychain.keep_copy_password(planned.name, password)
    return password, True


def _refuse_inside_store(app: App, address: "CopyAddress") -> None:
    store = app.store_if_there()
    if store is None or address.kind != "folder":
        return
    if Path(address.path).resolve().is_relative_to(Path(store.path).resolve()):
        raise UsageError(
            f"'{address.path}' is inside the store.",
            hint="Choose a folder on another disk: the store's own folders belong to ibackup.",
        )


def point_out_same_disk(app: App, address: "CopyAddress") -> None:
    """Warn about a copy that would fail together with the store."""
    store = app.store_if_there()
    if store is None or address.kind != "folder":
        return
    folder = address.path
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    if os.stat(folder).st_dev == os.stat(store.path).st_dev:
        app.reporter(
            Caution(
                f"The copy is on the same disk as the store: {address.path}.",
                "If that disk fails, both are lost. If the copy's disk should be mounted there, mount it first, then "
                "remove the copy and add it again.",
            )
        )
