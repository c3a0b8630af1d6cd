"""Away is not gone: what restic says, told apart."""

import os
import socket
from pathlib import Path

import pytest

from copies.conftest import PASSWORD, Kept
from ibackup.base.errors import IbackupError, Interrupted, NoRoom, UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.base.long_programs import LongEnd
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.copy_errors import CopyLocked, CopyMissing, CopyPasswordWrong, error_of
from ibackup.copies.rclone_remotes import remote_variables
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_program import ResticProgram
from ibackup.copies.surroundings import read_variables

REST = CopyAddress.parse("rest:http://ann:Geheim-7@nas.example:8000/ann")
# What restic 0.14, 0.18 and 0.19 print (section 5 of the measurements behind this).
SAID: dict[str, tuple[int, str, type[IbackupError], ExitCode]] = {
    "wrong password 0.14": (
        1, "Fatal: wrong password or no key found", CopyPasswordWrong, ExitCode.PASSWORD
    ),
    "wrong password 0.18": (
        12, '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}',
        CopyPasswordWrong, ExitCode.PASSWORD,
    ),
    "locked 0.14": (
        1, "unable to create lock in backend: repository is already locked exclusively by PID 7 on nas",
        CopyLocked, ExitCode.BUSY,
    ),
    "locked 0.18": (11, "Fatal: failed to lock", CopyLocked, ExitCode.BUSY),
    "no repository 0.14": (
        1, "Fatal: unable to open config file: <config/> does not exist", CopyMissing, ExitCode.STORE_MISSING
    ),
    "no repository 0.18": (10, "Fatal: repository does not exist", CopyMissing, ExitCode.STORE_MISSING),
    "host away": (
        1, 'Fatal: unable to open config file: Head "http://nas": dial tcp 10.0.0.1:8000: connect: connection refused',
        CopyMissing, ExitCode.STORE_MISSING,
    ),
    "name unknown": (1, "dial tcp: lookup nas.example: no such host", CopyMissing, ExitCode.STORE_MISSING),
    "disk full": (1, "Fatal: write /x: no space left on device", NoRoom, ExitCode.NO_ROOM),
    "server full": (
        1, "server response unexpected: 507 Insufficient Storage (507)", NoRoom, ExitCode.NO_ROOM
    ),
    "interrupted": (130, "signal interrupt received, cleaning up", Interrupted, ExitCode.INTERRUPTED),
    "no permission": (1, "Fatal: client.PutObject: Access Denied", IbackupError, ExitCode.FAILED),
    "anything else": (1, "Fatal: something odd", IbackupError, ExitCode.FAILED),
}  # fmt: skip


@pytest.mark.parametrize(("code", "said", "kind", "exit_code"), SAID.values(), ids=SAID)
def test_each_failure_is_told_apart(
    code: int, said: str, kind: type[IbackupError], exit_code: ExitCode
) -> None:
    error = error_of("nas", REST, LongEnd(code, (said,)), "copy")
    assert type(error) is kind
    assert error.exit_code is exit_code
    assert error.hint
    assert "Geheim" not in f"{error.message} {error.hint}"


def test_away_wins_over_gone_and_silence_is_away() -> None:
    for code, said, silent in (
        (1, SAID["host away"][1], False),
        (10, "i/o timeout", False),
        (1, "", True),
    ):
        error = error_of("nas", REST, LongEnd(code, (said,), silent), "copy")
        assert isinstance(error, CopyMissing)
        assert error.reason == "away"
        assert error.is_away


def test_a_password_in_what_restic_says_is_masked() -> None:
    error = error_of("nas", REST, LongEnd(1, ("Fatal: http://ann:Geheim-7@nas is odd",)), "copy")
    assert "ann:***@nas is odd" in error.why
    assert "Geheim" not in repr(REST)


def test_an_unmounted_disk_is_not_a_lost_repository(tmp_path: Path) -> None:
    address = CopyAddress.parse(str(tmp_path / "disk" / "copy"))
    assert (address.kind, address.unmounted()) == ("folder", True)
    os.makedirs(address.path)
    assert address.unmounted()
    Path(address.path, "letters").mkdir()
    assert not address.unmounted()
    error = error_of("usb", address, LongEnd(10, ()), "copy")
    assert isinstance(error, CopyMissing)
    assert error.reason == "missing"
    assert not error.is_away


def test_a_disk_that_is_there_and_lacks_the_folder_has_lost_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    (disk / "letters").mkdir(parents=True)
    monkeypatch.setattr("os.path.ismount", lambda path: path == str(disk))
    assert not CopyAddress.parse(str(disk / "copy")).unmounted()


def test_a_host_that_does_not_listen_is_away_at_once(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        address = CopyAddress.parse(f"rest:http://127.0.0.1:{port}/ann")
        assert not address.reachable()
        program = ResticProgram("nas", address, "x", program="/nonexistent/restic")
        with pytest.raises(CopyMissing, match="does not answer") as caught:
            ResticEngine(program).identity()
        assert caught.value.reason == "away"
        unused.listen()
        assert address.reachable()


@pytest.mark.parametrize(
    "text", ["", " ", "a\nb", "rest:", "s3:/", "s3:https://host", "s3:host/", "s3:https://[host/b"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        CopyAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "endpoint", "prefix"),
    [
        ("s3:https://s3.example:9000/photos/ann/x/", "https://s3.example:9000", "ann/x"),
        ("s3:http://[::1]:9000/photos", "http://[::1]:9000", ""),
        ("s3:s3.amazonaws.com/photos/ann", "https://s3.amazonaws.com", "ann"),
        ("s3://id:secret@s3.example/photos/ann", "https://s3.example", "ann"),
    ],
)
def test_each_form_of_a_bucket_names_the_same_parts(text: str, endpoint: str, prefix: str) -> None:
    place = CopyAddress.parse(text).bucket
    assert place is not None
    assert (place.endpoint, place.name, place.path) == (endpoint, "photos", prefix)
    assert place.object_path("data/a b") == f"/photos/{prefix}{'/' if prefix else ''}data/a%20b"
    region = remote_variables(CopyAddress.parse(text), {"AWS_REGION": "eu-west-3"})
    assert region["RCLONE_CONFIG_IBACKUPBUCKETS_REGION"] == "eu-west-3"
    assert region["RCLONE_CONFIG_IBACKUPCOPY_REMOTE"] == f"ibackupbuckets:photos/{prefix}".rstrip("/")


def test_credentials_are_lines_of_a_file_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "cloud"
    path.write_text("# of the bucket\nAWS_ACCESS_KEY_ID=abc\nexport AWS_SECRET_ACCESS_KEY='x y'\n\n")
    assert read_variables(str(path)) == {"AWS_ACCESS_KEY_ID": "abc", "AWS_SECRET_ACCESS_KEY": "x y"}
    path.write_text("Geheim\n")
    with pytest.raises(IbackupError, match="Line 1") as caught:
        read_variables(str(path))
    assert "Geheim" not in f"{caught.value.message} {caught.value.hint}"
    with pytest.raises(IbackupError):
        read_variables(str(tmp_path / "none"))


@pytest.mark.peer
def test_the_real_restic_is_understood(repository: Kept, tmp_path: Path) -> None:
    engine = repository.engine
    own = engine.identity()
    assert len(own) == 64
    with pytest.raises(CopyMissing, match="Another repository") as caught:
        engine.require("0" * 64)
    assert caught.value.reason == "other"
    program = engine.program
    with pytest.raises(CopyPasswordWrong):
        ResticEngine(ResticProgram("usb", program.address, "wrong", cache=program.cache)).identity()
    gone = tmp_path / "disk" / "else"
    repository.path.rename(gone)
    with pytest.raises(CopyMissing) as caught:
        engine.identity()
    assert caught.value.reason == "unmounted"
    (repository.path / "letters").mkdir(parents=True)
    with pytest.raises(CopyMissing) as caught:
        engine.identity()
    assert caught.value.reason == "missing"


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script")
def test_no_secret_is_in_the_command_line_or_the_environment_of_restic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "restic"
    fake.write_text(
        f'#!/bin/sh\n(echo "$@"; env; cat "$RESTIC_PASSWORD_FILE" "$RESTIC_REPOSITORY_FILE") >{seen}\n'
    )
    fake.chmod(0o700)
    monkeypatch.setenv("RESTIC_PASSWORD", "another")
    monkeypatch.setenv("IBACKUP_PASSWORD", "the phone's")
    ResticProgram("nas", REST, PASSWORD, {"AWS_PROFILE": "copies"}, str(fake)).run("snapshots", doing="look")
    text = seen.read_text()
    inside, _, files = text.rpartition(PASSWORD)
    assert files.strip() == REST.text
    assert "Geheim" not in inside
    assert "the phone's" not in inside
    assert "RESTIC_PASSWORD=" not in inside
    assert "AWS_PROFILE=copies" in inside
