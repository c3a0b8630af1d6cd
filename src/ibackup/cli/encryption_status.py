"""``ibackup encryption status``."""

from typing import TYPE_CHECKING

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.encryption_answers import patience as usual_patience
from ibackup.cli.encryption_answers import phone_options
from ibackup.cli.output import printable, time_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.errors import ExitCode

if TYPE_CHECKING:
    from ibackup.encryption.state import State


@ibackup_command("status")
@password_options
@phone_options
def status(
    app: App, password_file: str | None, password_command: str | None, wait: float, patience: float | None
) -> int:
    """Show whether the phone encrypts its backups, and whether the password at hand opens the newest one.

    The phone is not changed, and need not be connected for the second. Exit code 20: the password does not open it.
    """
    from ibackup.cli.encryption_command import store_if_any
    from ibackup.encryption.state import look
    from ibackup.keychain import Keychain, KeychainTrouble

    sources = PasswordSources(app, password_file, password_command, ask=False)
    state = look(
        store_if_any(app), app.udid, sources.find, app.reporter, wait=wait, patience=usual_patience(patience)
    )
    keychain = Keychain.open()
    try:
        held = keychain is not None and keychain.password(state.udid) is not None
    except KeychainTrouble:
        held = False  # told before
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


def _name(state: "State") -> str:
    named = state.phone.name if state.phone else None
    return named or (state.newest.meta.device_name if state.newest else "") or "The phone"


def _text(state: "State", keychain: str, *, held: bool) -> str:
    from ibackup.encryption.types import forgotten

    noun = state.phone.noun if state.phone else "iPhone"
    lines = [f"{printable(_name(state))} ({state.udid})", _row("phone", _setting(state))]
    if state.phone is not None and state.phone.requires_encryption:
        lines.append(_row("profile", "a profile demands encrypted backups"))
    lines.append(_row("newest", _newest(state)))
    if state.newest is not None and state.newest.meta.encrypted:
        lines.append(_row("password", _password(state)))
    lines.append(_row("keychain", _keychain(keychain, held=held)))
    advice = ""
    encrypts = state.phone is not None and bool(state.phone.will_encrypt)
    if state.phone is not None and state.phone.will_encrypt is False:
        advice = "`ibackup encryption on` has them encrypted, with a password of your choice."
    elif state.opens is False or (encrypts and not state.had_password):
        advice = forgotten(noun)
    return "\n".join([*lines, *([wrap(advice)] if advice else [])])


def _setting(state: "State") -> str:
    if state.phone is None:
        return "not asked, so its setting is not known"
    if state.phone.will_encrypt is None:
        return "does not say whether it encrypts its backups"
    return "its backups are encrypted" if state.phone.will_encrypt else "its backups are not encrypted"


def _newest(state: "State") -> str:
    if state.newest is None:
        return "no snapshot yet"
    meta = state.newest.meta
    kind = "encrypted" if meta.encrypted else "not encrypted"
    return f"{state.newest.id}, {kind}, data of {time_text(meta.data_from)}"


def _password(state: "State") -> str:
    if state.opens:
        return "the one at hand opens it"
    if state.opens is False:
        return "THE ONE AT HAND DOES NOT OPEN IT"
    return "none at hand, so nothing was tried (--password-file, --password-command)"


def _keychain(name: str, *, held: bool) -> str:
    if not name:
        return "none here (the `keyring` extra, or a system with a keychain, is needed)"
    return (
        f"holds its password ({name})" if held else "holds no password of it (`ibackup encryption keychain`)"
    )


def _row(name: str, text: str) -> str:
    return wrap(text, f"  {name:<10}", " " * 12)
