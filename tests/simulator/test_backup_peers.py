"""Backups and restores of the virtual iPhone by idevicebackup2 and pymobiledevice3, read by others still."""

import os
import plistlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, NoRoom, Phase, UnreadableFile
from ibackup.simulator.server import Server
from ibackup.simulator.spec import AppSpec, DomainSpec, Passcode, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.readers import by_iphone_backup_decrypt, by_pyiosbackup

pytestmark = [pytest.mark.peer, pytest.mark.slow]

Serving = Callable[..., Server]
Tool = Callable[[str], str]

SPEC = PhoneSpec(
    domains=(
        DomainSpec(name="CameraRollDomain", count=20, max_size=150_000),
        DomainSpec(name="HomeDomain", count=150),
        DomainSpec(name="HealthDomain", count=3),
    ),
    apps=(AppSpec(bundle_id="org.example.a", name="A", groups=("group.org.example.a",)),),
    keybag_rounds=1000,
)


class Client:
    """A real client: its command lines for what backups need."""

    def __init__(self, name: str, folder: Path, program: list[str]) -> None:
        self.name = name
        self.folder = folder
        self._program = program
        self.debian = name == "idevicebackup2"

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run it; what it says, after a look at its exit status."""
        done = subprocess.run(
            [*self._program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "200"},
        )
        text = done.stdout + done.stderr
        assert done.returncode == code, text[-3000:]
        return text

    def backup(self, *more: str, code: int = 0) -> str:
        return self.run("backup", *more, str(self.folder), code=code)

    def restore(self, password: str | None = None) -> str:
        secret = ["--password", password] if password else []
        return self.run("restore", *secret, str(self.folder))

    def encryption_on(self, password: str) -> str:
        if self.debian:
            return self.run("encryption", "on", password, str(self.folder))
        return self.run("encryption", "on", password, "-b", str(self.folder))

    def encryption_off(self, password: str, code: int = 0) -> str:
        if self.debian:
            return self.run("encryption", "off", password, str(self.folder), code=code)
        return self.run("encryption", "off", password, "-b", str(self.folder), code=code)

    def change_password(self, old: str, new: str, code: int = 0) -> str:
        if self.debian:
            return self.run("changepw", old, new, str(self.folder), code=code)
        return self.run("change-password", "-b", str(self.folder), old, new, code=code)


@pytest.fixture(params=["idevicebackup2", "pymobiledevice3"])
def client(request: pytest.FixtureRequest, require_tool: Tool, tmp_path: Path) -> Iterator[Client]:
    """One after the other."""
    folder = tmp_path / "backups"
    folder.mkdir()
    if request.param == "idevicebackup2":
        yield Client(request.param, folder, [require_tool("idevicebackup2")])
    else:
        yield Client(request.param, folder, [sys.executable, "-m", "pymobiledevice3", "backup2"])


def assert_equal_to_phone(client: Client, phone: VirtualPhone, password: str | None) -> None:
    """Readers that we did not write find every file of the phone, and no other, with the right bytes."""
    folder = client.folder / phone.udid
    content = phone.files
    wanted = {
        (entry.domain, entry.path): content.read(entry) for entry in content.files(encrypted=bool(password))
    }
    with by_pyiosbackup(folder, password) as backup:
        assert {
            (each.domain, each.relative_path): each.read_bytes() for each in backup.iter_files()
        } == wanted
    if password:
        with by_iphone_backup_decrypt(folder, password) as other:
            for (domain, path), data in wanted.items():
                assert other.extract_file_as_bytes(path, domain_like=domain) == data
    stored = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    assert len(stored) == len(wanted)
    status = plistlib.loads((folder / "Status.plist").read_bytes())
    assert (status["SnapshotState"], status["BackupState"]) == ("finished", "new")


def assert_restored(phone: VirtualPhone, password: str | None) -> None:
    restored = phone.restored
    assert restored is not None
    assert len(restored.files) == sum(1 for _ in phone.files.files(encrypted=bool(password)))
    assert restored.compared == len(restored.files)
    assert restored.digests > 100
    assert restored.options.get("Password") == password


def test_plain(serving: Serving, client: Client) -> None:
    phone = VirtualPhone(SPEC)
    serving(phone)
    client.backup()
    assert_equal_to_phone(client, phone, None)
    phone.change(added=3, changed=4, removed=2)
    text = client.backup()
    assert_equal_to_phone(client, phone, None)
    if client.debian:
        assert "Incremental backup mode" in text
        assert "Backup Successful" in text
    client.restore()
    assert_restored(phone, None)
    assert phone.restored is not None
    assert phone.restored.options["RestoreSystemFiles"] is False


def test_encrypted(serving: Serving, client: Client) -> None:
    phone = VirtualPhone(replace(SPEC, passcode=Passcode(kind="answered", delay_s=0.1)))
    serving(phone)
    client.encryption_on("erstens")
    assert phone.backup_password == "erstens"
    client.backup()
    assert_equal_to_phone(client, phone, "erstens")
    phone.change(changed=4)
    client.change_password("erstens", "zweitens")
    assert phone.backup_password == "zweitens"
    client.backup()
    assert_equal_to_phone(client, phone, "zweitens")
    # pymobiledevice3 shows the phone its backup, whose keybag it encrypts again; idevicebackup2 shows an empty folder.
    full = [text for text in phone.journal.details("backup") if text.startswith("full")]
    assert bool(full) is client.debian
    client.restore("zweitens")
    assert_restored(phone, "zweitens")


def test_the_password_refused_and_taken_away(serving: Serving, client: Client) -> None:
    """Exit codes of the clients: idevicebackup2 says 207 and 208 as (256 - code) % 256."""
    phone = VirtualPhone(replace(SPEC, backup_password="erstens"))
    serving(phone)
    said = client.change_password("falsch", "zweitens", code=49 if client.debian else 1)
    assert ("207" in said) or ("Invalid password" in said)
    phone.passcode = Passcode(kind="cancelled", delay_s=0.1)
    assert "208" in client.encryption_off("erstens", code=48 if client.debian else 1)
    assert phone.backup_password == "erstens"
    phone.passcode = Passcode(kind="answered", delay_s=0.1)
    client.encryption_off("erstens")
    assert phone.backup_password is None
    assert not phone.will_encrypt


def test_icloud_backup(serving: Serving, require_tool: Tool, tmp_path: Path) -> None:
    """Of both clients idevicebackup2 alone has it."""
    phone = VirtualPhone(SPEC)
    serving(phone)
    client = Client("idevicebackup2", tmp_path, [require_tool("idevicebackup2")])
    client.run("cloud", "on", str(tmp_path))
    assert phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is True
    client.run("cloud", "off", str(tmp_path))
    assert phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is False


@pytest.mark.parametrize(
    ("phase", "remembers"), [("uploading", True), ("uploading", False), ("moving", False), ("removing", True)]
)
def test_interrupted(serving: Serving, client: Client, phase: Phase, remembers: bool) -> None:
    phone = VirtualPhone(replace(SPEC, backup_password="x", batch_size=16))
    serving(phone)
    phone.set_faults(DropInPhase(phase=phase, after=3 if phase != "removing" else 1, times=1))
    client.backup(code=255 if client.debian else 1)
    status = plistlib.loads((client.folder / phone.udid / "Status.plist").read_bytes())
    assert status["SnapshotState"] == phase
    if not remembers:
        phone.forget_upload()
    client.backup()
    assert_equal_to_phone(client, phone, "x")
    resumed = [text for text in phone.journal.details("backup") if text.startswith("resume")]
    # pymobiledevice3 replaces the Status.plist of a first backup that broke off: nothing to resume from.
    assert bool(resumed) is (phase == "uploading" and remembers and client.debian)


def test_refusals(serving: Serving, client: Client) -> None:
    phone = VirtualPhone(replace(SPEC, passcode=Passcode(kind="cancelled")))
    serving(phone)
    text = client.backup(code=48 if client.debian else 1)
    assert "208" in text
    phone.passcode = Passcode()
    phone.set_faults(ErrorCodeAt(where="end", code=104, times=1))
    assert "104" in client.backup(code=152 if client.debian else 1)
    client.backup()
    assert_equal_to_phone(client, phone, None)


def test_an_unreadable_file(serving: Serving, client: Client) -> None:
    phone = VirtualPhone(SPEC)
    serving(phone)
    entry = next(each for each in phone.files.files() if each.domain == "HomeDomain" and each.size > 100)
    phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path, times=1))
    text = client.backup()
    assert "Input/output error" in text
    (stored,) = client.folder.rglob(entry.file_id)
    assert stored.read_bytes() == b"", "every client keeps what came, and so can move it"
    assert stored.parent.parent.name == phone.udid
    phone.files.write(entry.domain, entry.path, b"readable again")
    client.backup()
    assert_equal_to_phone(client, phone, None)


def test_an_older_link(serving: Serving, client: Client) -> None:
    phone = VirtualPhone(replace(SPEC, device_link_version=300))
    serving(phone)
    client.backup()
    assert_equal_to_phone(client, phone, None)


def test_a_newer_link(serving: Serving, client: Client) -> None:
    phone = VirtualPhone(replace(SPEC, device_link_version=500))
    serving(phone)
    client.backup(code=255 if client.debian else 0)


def test_no_room(serving: Serving, client: Client) -> None:
    # idevicebackup2 does not know the purge request that goes with newer links, and never answers it.
    phone = VirtualPhone(replace(SPEC, device_link_version=300 if client.debian else 400))
    serving(phone)
    phone.set_faults(NoRoom(times=1))
    text = client.backup(code=151 if client.debian else 1)
    assert "105" in text
    client.backup()
