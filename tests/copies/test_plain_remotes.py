"""Plain files over WebDAV and SFTP by the real rclone: away, refused, busy and full are told apart."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError, NoRoom, UsageError
from ibackup.base.events import ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.base.long_programs import LongEnd
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.copy_errors import CopyLocked, CopyMissing, CopyPasswordWrong, error_of_rclone
from ibackup.copies.expectation import Expectation
from ibackup.copies.rclone_engine import RcloneEngine
from ibackup.copies.rclone_program import RcloneProgram
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import JsonRecord
from ibackup.store.phone_folder import PhoneFolder
from support.copy_servers import CopyServer, serving

pytestmark = pytest.mark.peer
_ANNOUNCES = {"webdav": r"http://(127\.0\.0\.1:\d+)/", "sftp": r"listening on (127\.0\.0\.1:\d+)"}


@contextmanager
def nas(kind: str, path: Path) -> Iterator[CopyServer]:
    """A server of rclone's with a user and a password."""
    path.mkdir()
    command = [
        "rclone",
        "serve",
        kind,
        "--addr",
        "127.0.0.1:0",
        "--user",
        "ann",
        "--pass",
        "Geheim-7",
        str(path),
    ]
    with serving(command, _ANNOUNCES[kind]) as server:
        yield server


def obscured(password: str) -> str:
    return subprocess.run(
        ["rclone", "obscure", "-"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()


def engine(kind: str, server: CopyServer, password: str) -> RcloneEngine:
    where = {"URL": server.address} if kind == "webdav" else {"HOST": "127.0.0.1", "PORT": str(server.port)}
    given = {"TYPE": kind, "USER": "ann", "PASS": obscured(password)} | where
    variables = {f"RCLONE_CONFIG_NAS_{name}": value for name, value in given.items()}
    return RcloneEngine(RcloneProgram("nas", CopyAddress.parse("rclone:NAS:backups/ann"), variables))


@pytest.mark.parametrize("kind", ["webdav", pytest.param("sftp", marks=pytest.mark.long)])
def test_a_remote_is_copied_to_and_proven_and_what_is_wrong_with_it_is_told_apart(
    kind: str, backed_up: PhoneFolder, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("rclone")
    one, two = backed_up.snapshots()
    with nas(kind, tmp_path / "served") as server:
        good = engine(kind, server, "Geheim-7")
        with pytest.raises(CopyMissing) as caught:
            good.identity()
        assert caught.value.reason == "missing"
        good.require(good.create())
        for snapshot in (one, two):
            held = good.put(snapshot, None, (), ignore).held
            assert good.match(held, Expectation.of(snapshot), None, ignore).good
            good.retire(held)
        assert [each.id for each in good.held()] == [two.id]
        assert [each.answer for each in good.try_rights().acts] == ["done", "done", "untried"]
        phone = tmp_path / "served" / "backups" / "ann" / two.udid
        assert sorted(os.listdir(phone)) == ["newest", "newest.json"]
        with pytest.raises(CopyPasswordWrong) as refused:
            engine(kind, server, "wrong").identity()
        assert refused.value.exit_code is ExitCode.PASSWORD
        assert "key_file" in refused.value.hint
        _mark_busy(good, two.udid)
        with pytest.raises(CopyLocked, match="bobs-laptop") as locked:
            good.put(two, None, (), ignore)
        assert locked.value.exit_code is ExitCode.BUSY
    with pytest.raises(CopyMissing) as caught:
        good.identity()
    assert caught.value.reason == "away"


def _mark_busy(there: RcloneEngine, udid: str) -> None:
    """As another computer does."""
    record = {
        "computer": "bobs-laptop",
        "machine": "another",
        "when": record_times.written(record_times.now()),
    }
    there.program.write(f"{udid}/busy.json", JsonRecord(record).render(), doing="work there")


def test_a_crypt_remote_with_another_password_is_not_called_gone(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("rclone")

    def crypt(password: str) -> RcloneEngine:
        given = {"TYPE": "crypt", "REMOTE": str(tmp_path / "hidden"), "PASSWORD": obscured(password)}
        variables = {f"RCLONE_CONFIG_HIDDEN_{name}": value for name, value in given.items()}
        return RcloneEngine(RcloneProgram("nas", CopyAddress.parse("rclone:HIDDEN:"), variables))

    own = crypt("one").create()
    crypt("one").require(own)
    with pytest.raises(CopyPasswordWrong):
        crypt("two").identity()
    with pytest.raises(UsageError, match="no such remote"):
        RcloneEngine(RcloneProgram("nas", CopyAddress.parse("rclone:NOSUCH:x"))).identity()


@pytest.mark.skipif(sys.platform == "win32", reason="the words are those of Unix")
@pytest.mark.parametrize(
    "said",
    [
        "2026/12/01 11:11:21 Failed to copy: preallocate: file too big for remaining disk space",
        json.dumps({"level": "error", "msg": "Failed to copy: write /x: no space left on device"}),
    ],
)
def test_a_full_disk_is_full(said: str) -> None:
    address = CopyAddress.parse("/mnt/usb/plain")
    error: IbackupError = error_of_rclone("usb", address, LongEnd(1, (said,)), "copy the snapshot")
    assert type(error) is NoRoom
    odd = error_of_rclone("usb", address, LongEnd(1, ("2026/12/01 11:11:21 Failed: something odd",)), "copy")
    assert odd.why == 'rclone said: "Failed: something odd".'
