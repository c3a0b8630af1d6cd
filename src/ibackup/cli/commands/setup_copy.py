"""Lets ``setup`` propose a second copy, and make it as ``ibackup copy add`` does."""

import os
from pathlib import Path

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.events import Caution, Note
from ibackup.cli.commands.copy_add import add_planned, kept_text, point_out_same_disk
from ibackup.cli.shell.application import App
from ibackup.cli.shell.option_questions import Asker
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.engine_kinds import RCLONE, RESTIC, installed_kind

NONE = "none"
_NAME = "second"
_QUESTION = (
    "Where should a second copy of the backups go, in case this disk fails? Give a folder on another disk, or an "
    "address such as {}; {} for no copy. Folder or address"
)
_EXAMPLES = {RESTIC: "sftp:user@nas:/backups", RCLONE: "rclone:REMOTE:backups"}
_RCLONE_ALONE = (
    "Only rclone is here to keep a second copy. It keeps the newest backup of each phone, as plain files and without a "
    "password of its own. With restic, a copy has every backup, and nobody can read it without its password."
)


def wanted_copy(app: App, ask: Asker, given: str | None) -> CopyAddress | None:
    """Where the user wants a second copy; None for nowhere, and where there is one or nobody to ask.

    Raises:
        UsageError: what they gave is no address, or there is such a copy already.
    """
    if given is None and (app.config.copies or ask.yes or not app.asks):
        return None
    kind = installed_kind()
    if kind is RCLONE:
        app.reporter(Note(_RCLONE_ALONE))
    said = ask.text(_QUESTION.format(_EXAMPLES[kind], NONE), given, "--copy-to ADDRESS", NONE)
    if said == NONE:
        return None
    if any(each.name == _NAME for each in app.config.copies):
        raise UsageError(
            f"There is a copy named {_NAME!r} already.", hint="Add another one with `ibackup copy add`."
        )
    address = CopyAddress.parse(said)
    return address.for_rclone() if kind is RCLONE else address


def make_copy(app: App, address: CopyAddress, config: Path) -> str | None:
    """Make it. If it has a password, that is in the keychain or in a file beside the config file.

    Returns:
        Its name; None if it could not be made, after a warning.
    """
    from ibackup.vault.keychain import Keychain

    kind = installed_kind()
    try:
        file = None
        if kind.has_password and Keychain.open() is None:
            file = os.path.join(os.path.dirname(os.path.abspath(config)), f"{_NAME}-copy.password")
        point_out_same_disk(app, address)
        done, made_password = add_planned(
            app,
            CopyConfig(_NAME, address.text, engine=kind.name, repository_id="", password_file=file),
            config,
        )
    except IbackupError as error:
        app.reporter(
            Caution(
                f"No second copy was made; setup continues without it. {error.message}",
                f"{error.hint} You can run `ibackup copy add` at any time.".strip(),
            )
        )
        return None
    app.reporter(Note(f"A second copy goes to {address.shown}."))
    if made_password:
        app.reporter(Caution(kept_text(done.config)))
    return _NAME
