"""``ibackup encryption status``."""

from typing import TYPE_CHECKING

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.encryption_options import store_if_any
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import printable, time_text, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import phone_options
from ibackup.cli.shell.vouching import vouching

if TYPE_CHECKING:
    from ibackup.jobs.encryption.encryption_state import EncryptionState


@ibackup_command("status")
@password_options
@phone_options
def status(
    app: App, password_file: str | None, password_command: str | None, wait: float, patience: float
) -> int:
    """Show whether the phone encrypts its backups, and whether your password opens the newest one.

    This does not change the phone. To check the password, the phone need not be connected. Exit code 20: the
    password does not open the newest backup.
    """
    from ibackup.jobs.encryption.encryption_state import look
    from ibackup.jobs.phone_to_open import PhoneToOpen
    from ibackup.vault.keychain import Keychain, KeychainTrouble

    sources = PasswordSources(app, password_file, password_command)
    wanted = PhoneToOpen(
        udid=app.udid_to_open,
        wait=wait,
        patience=patience,
        limits=app.config.limits,
        store=store_if_any(app),
        vouches=vouching(app),
    )
    state = look(wanted, sources.unlocker, app.reporter)
    keychain = None
    try:
        keychain = Keychain.open()
        held = keychain is not None and keychain.password(state.udid) is not None
    except KeychainTrouble:
        held = False  # reported before
    payload = {
        "udid": state.udid,
        "device_name": _name(state),
        "connected": state.phone is not None,
        "encrypted": state.phone.will_encrypt if state.phone else None,
        "required_by_profile": state.phone.requires_encryption if state.phone else None,
        "snapshot": state.newest.id if state.newest else None,
        "snapshot_encrypted": state.newest.meta.encrypted if state.newest else None,
        "password_known": state.had_password,
        "password_opens": state.opens,
        "keychain": keychain.name if keychain else None,
        "in_keychain": held,
    }
    text = _text(state, keychain.name if keychain else "", held=held)
    if state.opens is not False:
        return app.result(payload, text)
    return app.result(
        payload,
        text,
        ExitCode.PASSWORD,
        message="The password does not open the newest backup.",
        hint="Find out which one does before you need it.",
    )


def _name(state: "EncryptionState") -> str:
    named = state.phone.name if state.phone else None
    return named or (state.newest.meta.device_name if state.newest else "") or "The phone"


def _text(state: "EncryptionState", keychain: str, *, held: bool) -> str:
    from ibackup.jobs.encryption.encryption_request import forgotten

    phone = state.phone
    lines = [f"{printable(_name(state))} ({state.udid})", _row("phone", _setting(state))]
    if state.phone is not None and state.phone.requires_encryption:
        lines.append(_row("profile", "a profile requires encrypted backups"))
    lines.append(_row("newest", _newest(state)))
    if state.newest is not None and state.newest.meta.encrypted:
        lines.append(_row("password", _password(state)))
    lines.append(_row("keychain", _keychain(keychain, held=held)))
    advice = ""
    encrypts = state.phone is not None and bool(state.phone.will_encrypt)
    if state.phone is not None and state.phone.will_encrypt is False:
        advice = "To encrypt them with a password of your choice: `ibackup encryption on`."
    elif state.opens is False or (encrypts and not state.had_password):
        advice = forgotten(phone.noun if phone else "iPhone", phone.ios_version if phone else None)
    return "\n".join([*lines, *([wrap(advice)] if advice else [])])


def _setting(state: "EncryptionState") -> str:
    if state.phone is None:
        return "not read, so its setting is unknown"
    if state.phone.will_encrypt is None:
        return "does not say whether it encrypts its backups"
    return "its backups are encrypted" if state.phone.will_encrypt else "its backups are not encrypted"


def _newest(state: "EncryptionState") -> str:
    if state.newest is None:
        return "no snapshot yet"
    meta = state.newest.meta
    kind = "encrypted" if meta.encrypted else "not encrypted"
    return f"{state.newest.id}, {kind}, data of {time_text(meta.data_from)}"


def _password(state: "EncryptionState") -> str:
    if state.opens:
        return "the password you gave opens it"
    if state.opens is False:
        return "THE PASSWORD YOU GAVE DOES NOT OPEN IT"
    return "none given, so nothing was tried (--password-file, --password-command)"


def _keychain(name: str, *, held: bool) -> str:
    if not name:
        return "none here (the `keyring` extra, or a system with a keychain, is needed)"
    return (
        f"has its password ({name})" if held else "does not have its password (`ibackup encryption keychain`)"
    )


def _row(name: str, text: str) -> str:
    return wrap(text, f"  {name:<10}", " " * 12)
