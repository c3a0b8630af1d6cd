"""``ibackup encryption keychain`` and ``recovery-sheet``: where the password is when it is needed."""

import shlex
from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.programs import installing
from ibackup.cli.commands.sheet_of_copies import copy_lines, sheet_copies
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import phone_text, printable, rfc3339, time_text, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options

if TYPE_CHECKING:
    from ibackup.jobs.encryption.recovery_sheet import Sheet
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.store import Store

_SHOWN = 12  # snapshots on the page; it is one page


@ibackup_command("keychain")
@click.option(
    "--key", is_flag=True, help="Also keep the key derived from it: the newest backup then opens at once"
)
@click.option("--remove", is_flag=True, help="Remove everything the keychain has for this phone")
@password_options
def keychain_command(
    app: App, key: bool, remove: bool, password_file: str | None, password_command: str | None
) -> int:
    """Keep a phone's backup password in the system's keychain.

    ibackup first tries it on the newest encrypted snapshot and keeps it only if it opens that. After every backup it
    checks that it still does. Needs the `keyring` extra.
    """
    from ibackup.jobs.encryption.keep_in_keychain import keep
    from ibackup.vault.keychain import Keychain

    keychain = Keychain.open()
    if keychain is None:
        raise UsageError(
            "There is no keychain here.",
            why="The `keyring` extra is not installed, or this system has no keychain.",
            hint=f"Install it with {installing('keyring>=25')}, or use --password-file with the other commands.",
        )
    folder = _phone(app, app.open_store())
    if remove:
        there = keychain.forget(folder.udid)
        text = (
            "The keychain no longer has anything for this phone."
            if there
            else "The keychain had nothing for it."
        )
        return app.result({"udid": folder.udid, "keychain": keychain.name, "removed": there}, text)
    question = "Password of the encrypted backups"
    sources = PasswordSources(app, password_file, password_command, question=question)
    kept = keep(folder, sources.unlocker, keychain, key=key)
    payload = {
        "udid": folder.udid,
        "keychain": keychain.name,
        "snapshot": kept.snapshot,
        "key": kept.key,
    }
    also = " So is the key derived from it for this keybag." if kept.key else ""
    return app.result(
        payload, wrap(f"It opens {kept.snapshot} and is in the keychain ({keychain.name}).{also}")
    )


@ibackup_command("recovery-sheet")
@click.option("--with-password", is_flag=True, help="Print the password itself, once it is proven correct")
@click.option("--hint", metavar="TEXT", default="", help="Print this hint beside the password")
@password_options
def recovery_sheet(
    app: App, with_password: bool, hint: str, password_file: str | None, password_command: str | None
) -> int:
    """Print a page to keep on paper: which phone, which backups, which password, how to restore.

    It shows the password only with --with-password; otherwise it has a line to write it on.
    """
    from ibackup.jobs.encryption.recovery_sheet import draw_up

    store = app.open_store()
    sources = PasswordSources(app, password_file, password_command, ask=with_password)
    sheet = draw_up(_phone(app, store), store.path, sources.unlocker, app.reporter)
    if with_password and sheet.password is None and any(row.opens != "needs none" for row in sheet.rows):
        raise UsageError(
            "There is no password to print.",
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
    copies = sheet_copies(app, store, sheet.udid, with_password=with_password)
    payload["copies"] = [each.members(with_password=with_password) for each in copies]
    page = _page(sheet, hint, with_password=with_password)
    return app.result(payload, "\n".join([page, *copy_lines(copies, sheet.udid)]))


def _phone(app: App, store: "Store") -> "PhoneFolder":
    """The phone to use: the given one, the only one in the store, or the one that the user chooses."""
    udid = app.udid or app.phones.with_snapshots(store, "latest")
    if udid is None:
        raise UsageError("There is no snapshot in this store yet.", hint="Make one with `ibackup now`.")
    return store.phone(udid)


def _page(sheet: "Sheet", hint: str, *, with_password: bool) -> str:
    newest = sheet.rows[0].snapshot
    folder = f"{sheet.store}/{sheet.udid}/snapshots"
    store = shlex.quote(sheet.store)
    encrypted = any(row.opens != "needs none" for row in sheet.rows)
    parts = [
        "RECOVERY SHEET FOR THE BACKUPS OF AN IPHONE OR IPAD",
        "",
        "Keep it on paper, away from the computer, where you can find it if phone and",
        "computer are gone. Print it again if you change the password.",
        "",
        "THE PHONE",
        f"  {phone_text(sheet.device_name, sheet.product_type, sheet.ios_version)}",
        f"  its number (UDID): {sheet.udid}",
        "",
        "THE BACKUPS",
        wrap(whole(f"in the folder {folder}"), "  "),
        "  on the computer or disk named: ______________________________________",
        "  another copy at:               ______________________________________",
        *_rows(sheet),
        "",
        *_password_lines(sheet, hint, encrypted=encrypted, with_password=with_password),
        "TO RESTORE, WITH IBACKUP",
        "  1. On a computer without it, install ibackup: Python 3.11 or newer, then as",
        "     the README of ibackup says. On Linux usbmuxd, too; on Windows the app",
        "     Apple Devices, opened once.",
        "  2. Connect the disk with the backups. If its folder has another path there,",
        "     write that one instead of the one after --store. Prove the backup before",
        "     you trust it:",
        f"      ibackup verify {newest} --store {store}",
        "  3. Connect the new phone by cable, set it up far enough that it shows its",
        "     Home Screen, switch off Find My on it, and run:",
        f"      ibackup restore {newest} --from {sheet.udid} --store {store}",
        "     On iOS 27 and newer a restore may erase what is on the phone. When there",
        "     is nothing on it that anybody needs, add --may-erase.",
        "",
        "TO RESTORE, WITHOUT IBACKUP",
        "  Each folder there is a backup in Apple's own format. Copy the folder",
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
        "another password": "needs an EARLIER password",
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
    earlier = sum(row.opens == "another password" for row in sheet.rows)
    if earlier:
        lines += [
            f"  Not for {count_text(earlier, 'snapshot')}: above it says which need an EARLIER one.",
            "  write it here: ______________________________________________________",
        ]
    if any(row.opens == "not tried" for row in sheet.rows):
        lines += [
            "  This page was made without the password. If it was ever changed, older",
            "  snapshots need the one of their time: print the page with --password-file,",
            "  and it says which.",
        ]
    if hint:
        lines.append(wrap(f"hint: {printable(hint)}", "  "))
    return [
        *lines,
        "  It is neither the phone's passcode nor the Apple Account's password. Nobody",
        "  can recover it, not Apple either.",
        "",
    ]
