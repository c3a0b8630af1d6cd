"""The second copies that a command means, and their passwords."""

from typing import TYPE_CHECKING

import click

from ibackup.base.errors import UsageError
from ibackup.cli.shell.application import App
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.engine_kinds import kind_of

if TYPE_CHECKING:
    from ibackup.copies.held_snapshot import HeldSnapshot
    from ibackup.copies.opened_copy import OpenedCopy
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.store import Store


def copy_named(app: App, name: str) -> CopyConfig:
    """A copy of the config file. Raises UsageError."""
    found = next((each for each in app.config.copies if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in app.config.copies)
        raise UsageError(
            f"There is no copy named {name!r}.",
            hint=f"Known copies: {known}." if known else "Add one: `ibackup copy add`.",
        )
    return found


def copies_named(app: App, name: str | None) -> tuple[CopyConfig, ...]:
    """One copy, or all of them. Raises UsageError, also if there is none."""
    if name is not None:
        return (copy_named(app, name),)
    if not app.config.copies:
        raise UsageError("There is no second copy yet.", hint="Add one: `ibackup copy add NAME --to FOLDER`.")
    return app.config.copies


def one_copy(app: App, name: str | None) -> CopyConfig:
    """The copy of that name, or the only one. Raises UsageError."""
    configs = copies_named(app, name)
    if len(configs) > 1:
        raise UsageError(
            "There are several copies.",
            hint=f"Choose one with --from: {', '.join(each.name for each in configs)}.",
        )
    return configs[0]


def password_of(app: App, config: CopyConfig, *, ask: bool = True) -> str:
    """The password of a copy's repository: from the config's file or command, from the keychain, or as it is typed.

    Empty for a copy that has none.

    Raises:
        PasswordNeeded: none of them has it, and there is no terminal to ask on.
    """
    if not kind_of(config).has_password:
        return ""
    given = kept_password(app, config)
    if given is None and ask and app.asks:
        app.stop_progress()
        question = f"Password of the copy {config.name}"
        given = str(click.prompt(question, hide_input=True, err=True))
    if given is None:
        from ibackup.jobs.copying.kept_copies import needs_password

        raise needs_password(config)
    return given


def kept_password(app: App, config: CopyConfig) -> str | None:
    """The password as the config's file or command, or the keychain, has it. Raises PasswordNeeded, KeychainTrouble."""
    from ibackup.jobs.copying import kept_copies

    return kept_copies.kept_password(config, app.reporter)


def opened(app: App, config: CopyConfig, *, ask: bool = True) -> "OpenedCopy":
    """The copy, ready for use. Raises IbackupError."""
    from ibackup.copies.opened_copy import OpenedCopy

    return OpenedCopy.open(config, password_of(app, config, ask=ask))


def phones_of(app: App, config: CopyConfig, store: "Store") -> "list[PhoneFolder]":
    """The phones in the store whose snapshots go to a copy; with ``--phone`` that one alone. Raises UsageError."""
    udids = {each.udid for each in store.phones()}
    if config.phones:
        udids &= {app.udid_of(each) for each in config.phones}
    if app.udid is not None:
        if app.udid not in udids:
            raise UsageError(
                f"The snapshots of this phone do not go to the copy {config.name}.",
                hint="`phones` in its [[copies]] table names those that do.",
            )
        udids = {app.udid}
    return [each for each in store.phones() if each.udid in udids]


def held_by(copy: "OpenedCopy") -> "list[HeldSnapshot]":
    """The snapshots of a copy, after it was found to be there. Raises CopyMissing and the like."""
    copy.require()
    return copy.engine.held()
