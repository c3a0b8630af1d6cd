"""``ibackup encryption keychain`` and ``recovery-sheet``: where the password is when it is needed."""

from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import phone_text, printable, rfc3339, time_text, whole, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.errors import UsageError

if TYPE_CHECKING:
    from ibackup.encryption.sheet import Sheet
    from ibackup.store import PhoneFolder, Store

_SHOWN = 12  # snapshots on the page; it is one page


@ibackup_command("keychain")
@click.option(
    "--key", is_flag=True, help="Keep the key that it gives, too: the newest backup then opens at once"
)
@click.option("--remove", is_flag=True, help="Remove all that the keychain has of this phone")
@password_options
def keychain_command(
    app: App, key: bool, remove: bool, password_file: str | None, password_command: str | None
) -> int:
    """Keep the password of a phone's backups in the system's keychain.

    It is tried on the newest encrypted snapshot first, and kept only if it opens that. After every backup ibackup
    looks whether it still does. Needs the `keyring` extra.
    """
    from ibackup.encryption.keeping import keep
    from ibackup.keychain import Keychain

    keychain = Keychain.open()
    if keychain is None:
        raise UsageError(
            "There is no keychain here.",
            why="The `keyring` extra is not installed, or this system has no keychain.",
            hint='Install it with pipx inject ibackup "keyring>=25", or use --password-file with the other commands.',
        )
    folder = _phone(app, app.open_store())
    if remove:
        there = keychain.forget(folder.udid)
        text = (
            "The keychain has nothing of this phone any more." if there else "The keychain had nothing of it."
        )
        return app.result({"udid": folder.udid, "keychain": keychain.name, "removed": there}, text)
    question = "Password of the encrypted backups"
    sources = PasswordSources(app, password_file, password_command, question=question)
    kept = keep(folder, sources.find, keychain, app.reporter, key=key)
    payload = {
        "udid": folder.udid,
        "keychain": keychain.name,
        "snapshot": kept.snapshot,
        "key": kept.key,
    }
    also = " So is the key that it gives for this keybag." if kept.key else ""
    return app.result(
        payload, wrap(f"It opens {kept.snapshot} and is in the keychain ({keychain.name}).{also}")
    )


@ibackup_command("recovery-sheet")
@click.option("--with-password", is_flag=True, help="Print the password itself, once it is proven right")
@click.option("--hint", metavar="TEXT", default="", help="Print this hint at the password")
@password_options
def recovery_sheet(
    app: App, with_password: bool, hint: str, password_file: str | None, password_command: str | None
) -> int:
    """Print a page to keep on paper: which phone, which backups, which password, how to restore.

    The password stands on it only with --with-password; else there is a line to write it on.
    """
    from ibackup.encryption.sheet import draw_up

    store = app.open_store()
    sources = PasswordSources(app, password_file, password_command, ask=with_password)
    sheet = draw_up(_phone(app, store), store.path, sources.find, app.reporter)
    if with_password and sheet.password is None and any(row.opens != "needs none" for row in sheet.rows):
        raise UsageError(
            "There is no password that could be printed.",
            hint="Give it with --password-file or --password-command.",
        )
    payload: dict[str, object] = {
        "udid": sheet.udid,
        "device_name": sheet.device_name,
        "product_type": sheet.product_type,
        "ios_version": sheet.ios_version,
        "store": sheet.store,
        "password_hint": hint,
        "snapshots": [
            {"snapshot": row.snapshot, "data_from": rfc3339(row.data_from), "opens": row.opens}
            for row in sheet.rows
        ],
    }
    if with_password:
        payload["password"] = sheet.password
    return app.result(payload, _page(sheet, hint, with_password=with_password))


def _phone(app: App, store: "Store") -> "PhoneFolder":
    """The phone that is meant: the one given, or the only one in the store."""
    if app.udid is not None:
        return store.phone(app.udid)
    phones = [phone for phone in store.phones() if phone.snapshots()]
    if len(phones) == 1:
        return phones[0]
    if not phones:
        raise UsageError("There is no snapshot in this store yet.", hint="Make one with `ibackup now`.")
    raise UsageError(
        "Which phone is meant?",
        hint=f"Give --phone with one of: {', '.join(phone.udid for phone in phones)}.",
    )


def _page(sheet: "Sheet", hint: str, *, with_password: bool) -> str:
    newest = sheet.rows[0].snapshot
    folder = f"{sheet.store}/{sheet.udid}/snapshots"
    encrypted = any(row.opens != "needs none" for row in sheet.rows)
    parts = [
        "RECOVERY SHEET FOR THE BACKUPS OF AN IPHONE OR IPAD",
        "",
        "Keep it on paper, away from the computer, where it is found when phone and",
        "computer are gone. Print it anew after the password was changed.",
        "",
        "THE PHONE",
        f"  {phone_text(sheet.device_name, sheet.product_type, sheet.ios_version)}",
        f"  its number (UDID): {sheet.udid}",
        "",
        "THE BACKUPS",
        wrap(whole(f"in the folder {folder}"), "  "),
        "  on the computer or disk named: ______________________________________",
        "  second copy at:                ______________________________________",
        *_rows(sheet),
        "",
        *_password_lines(sheet, hint, encrypted=encrypted, with_password=with_password),
        "TO RESTORE, WITH IBACKUP",
        "  Connect the new phone by cable, set it up far enough that it shows its Home",
        "  Screen, switch off Find My on it, and run:",
        f"      ibackup restore {newest} --from {sheet.udid}",
        "  Before you trust the backup, prove it:",
        f"      ibackup verify {newest}",
        "",
        "TO RESTORE, WITHOUT IBACKUP",
        "  Each folder there holds a backup in Apple's own format. Copy the folder",
        f"      {newest}/{sheet.udid}",
        "  (the whole of it; no other program may write into the original) to where",
        "  Finder, iTunes or Apple Devices looks:",
        "      macOS    ~/Library/Application Support/MobileSync/Backup",
        "      Windows  %USERPROFILE%\\Apple\\MobileSync\\Backup",
        "  and choose Restore Backup there. Or, with libimobiledevice, from a folder",
        "  that holds the copy:",
        f"      idevicebackup2 --interactive --source {sheet.udid}",
        "          restore --system --settings THAT-FOLDER",
    ]
    return "\n".join(parts)


def _rows(sheet: "Sheet") -> list[str]:
    words = {
        "needs none": "not encrypted",
        "this password": "the password below opens it",
        "another password": "an EARLIER password opens it",
        "not tried": "encrypted",
    }
    rows = [
        f"  {row.snapshot}  data of {time_text(row.data_from)}  {words[row.opens]}"
        for row in sheet.rows[:_SHOWN]
    ]
    if len(sheet.rows) > _SHOWN:
        rows.append(f"  and {len(sheet.rows) - _SHOWN} older ones")
    return rows


def _password_lines(sheet: "Sheet", hint: str, *, encrypted: bool, with_password: bool) -> list[str]:
    if not encrypted:
        return []
    lines = ["THE PASSWORD OF THE BACKUPS"]
    if with_password and sheet.password is not None:
        lines += [f"  {printable(sheet.password)}", "  (proven right when this page was made)"]
    else:
        lines.append("  write it here: ______________________________________________________")
    if hint:
        lines.append(wrap(f"hint: {printable(hint)}", "  "))
    return [
        *lines,
        "  It is neither the phone's passcode nor the Apple Account's password. Nobody",
        "  can recover it, not Apple either.",
        "",
    ]
