"""Every other request of a backup against a real folder: downloads, moves, removals, folders, listings, copies."""

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import ConnectionLost
from ibackup.base.exit_codes import ExitCode
from ibackup.device.devicelink import requests
from support.scripted import OPTIONS, UDID, Device, blob, file
from support.working_lab import Lab, tree

EMPTY = "___EmptyParameterString___"
OK: tuple[int, object, object] = (0, EMPTY, {})
DONE: tuple[int, object, object] = (0, EMPTY, EMPTY)
NEEDS_LINKS = pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")


def below(path: str) -> str:
    return path.removeprefix(f"{UDID}/")


def entries(status: tuple[int, object, object]) -> dict[str, int]:
    """The codes of a multi-status, by path."""
    code, text, value = status
    assert (code, text) == (-13, "Multi status")
    assert isinstance(value, dict)
    assert all(entry["DLFileErrorString"] for entry in value.values())
    return {path: entry["DLFileErrorCode"] for path, entry in value.items()}


# -- downloads ----------------------------------------------------------------------------------------------


GIVEN = [
    f"{UDID}/{folder}{name}"
    for folder in ("", "Snapshot/")
    for name in ("Info.plist", "Status.plist", "Manifest.plist", "Manifest.db")
]
"""All that a phone gets to read while it makes a backup."""


def test_downloads(lab: Lab) -> None:
    rng = random.Random(3)
    sizes = [0, 1, 4096, 32_767, 32_768, 32_769, 300_000, 7_777_777]
    made = {path: rng.randbytes(size) for path, size in zip(GIVEN, sizes, strict=True)}
    for path, data in made.items():
        lab.put(below(path), data)

    def script(device: Device) -> None:
        found, status = device.download(*made)
        assert status == OK
        assert found == {path: (0, data) for path, data in made.items()}
        assert list(found) == list(made)
        assert device.download() == ({}, OK)

    lab.ask(script)
    assert lab.files.sent_bytes == sum(map(len, made.values()))


def test_a_missing_file_does_not_stop_the_list(lab: Lab) -> None:
    lab.put("Status.plist", b"here")
    lab.put("ab/x", b"")
    wanted = [
        f"{UDID}/Manifest.db",
        f"{UDID}/Status.plist",
        blob(1),
        f"{UDID}/Status.plist/below",
        f"{UDID}/ab",
        f"{UDID}//Status.plist",
    ]

    def script(device: Device) -> None:
        found, status = device.download(*wanted)
        assert {path: code for path, (code, _) in found.items()} == dict(
            zip(wanted, [6, 0, 6, 6, 6, 0], strict=True)
        )
        assert found[f"{UDID}/Manifest.db"][1]  # a text
        assert entries(status) == {wanted[0]: -6, wanted[2]: -6, wanted[3]: -6, wanted[4]: -6}

    lab.ask(script)


def test_no_file_of_the_owner_is_given(lab: Lab) -> None:
    """No matter who is on the cable: a backup sends them here, and nothing asks for them back."""
    names = [blob(number, "") for number in range(9)]
    for path in (*names, blob(10), f"{UDID}/Manifest.mbdb"):
        lab.put(below(path), b"private")

    def script(device: Device) -> None:
        wanted = [*names, blob(10), f"{UDID}/Manifest.mbdb"]
        found, status = device.download(*wanted)
        assert {code for code, _ in found.values()} == {6}
        assert entries(status) == dict.fromkeys(wanted, -6)

    lab.ask(script)
    assert lab.files.sent_bytes == 0


# -- moves --------------------------------------------------------------------------------------------------


def test_moves_replace_what_is_there(lab: Lab) -> None:
    lab.put(below(blob(1)), b"new")
    lab.put(below(blob(1, "")), b"old")
    lab.put(below(blob(2)), b"second")  # its folder below the root does not exist
    lab.put("Snapshot/Manifest.db", b"db")

    def script(device: Device) -> None:
        moves = {blob(number): blob(number, "") for number in (1, 2)}
        moves[f"{UDID}/Snapshot/Manifest.db"] = f"{UDID}/Manifest.db"
        assert device.ask("DLMessageMoveItems", moves, OPTIONS, 80.0) == OK

    lab.ask(script)
    files = {path: data for path, data in tree(lab.root).items() if data is not None}
    assert files == {below(blob(1, "")): b"new", below(blob(2, "")): b"second", "Manifest.db": b"db"}


@pytest.mark.parametrize("message", ["DLMessageMoveItems", "DLMessageMoveFiles"])
def test_a_move_that_cannot_be_does_not_stop_the_others(lab: Lab, message: str) -> None:
    lab.put(below(blob(1)), b"one")
    lab.put(below(blob(3)), b"three")

    def script(device: Device) -> None:
        moves = {blob(number): blob(number, "") for number in (1, 2, 3)}
        assert entries(device.ask(message, moves, OPTIONS, 80.0)) == {blob(2): -6}

    lab.ask(script)
    assert (lab.root / below(blob(3, ""))).read_bytes() == b"three"
    assert not (lab.root / below(blob(2, ""))).parent.exists()


def test_a_folder_moves_with_all_below_it(lab: Lab) -> None:
    lab.put("Snapshot/New/a/x", b"x")
    lab.put("Target/y", b"gone after this")

    def script(device: Device) -> None:
        assert device.ask("DLMessageMoveItems", {f"{UDID}/Snapshot/New": f"{UDID}/Target"}, {}, 1.0) == OK
        assert entries(device.ask("DLMessageMoveItems", {f"{UDID}/Target": f"{UDID}/Target/a/b"}, {}, 1.0))

    lab.ask(script)
    assert tree(lab.root / "Target") == {"a": None, "a/x": b"x"}


# -- removals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["DLMessageRemoveItems", "DLMessageRemoveFiles"])
def test_removals(lab: Lab, message: str) -> None:
    lab.put(below(blob(1)), b"x")
    lab.put(below(blob(2)), b"x")
    lab.put("Manifest.mbdx", b"x")
    lab.put("Status.plist", b"x")
    lab.put(below(blob(1, "")), b"x")

    def script(device: Device) -> None:
        paths = [f"{UDID}/Snapshot", f"{UDID}/Manifest.mbdx", f"{UDID}/never/was", blob(1, "")]
        assert device.ask(message, paths, OPTIONS, 90.0) == OK
        assert device.ask(message, paths, OPTIONS, 90.0) == OK

    lab.ask(script)
    assert tree(lab.root) == {"Status.plist": b"x", below(blob(1, ""))[:2]: None}


def test_the_old_message_for_a_folder(lab: Lab) -> None:
    lab.put("Snapshot/ab/x", b"x")
    lab.ask(lambda device: check(device.ask("DLMessageRemoveDirectory", f"{UDID}/Snapshot", {}, 1.0), OK))
    assert tree(lab.root) == {}


def check(found: tuple[int, object, object], expected: tuple[int, object, object]) -> None:
    assert found == expected


@NEEDS_LINKS
def test_a_link_is_removed_and_not_what_it_names(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_bytes(b"x")
    lab.put("Extra/x", b"x")
    (lab.root / "Extra/link").symlink_to(tmp_path / "outside")
    lab.ask(lambda device: check(device.ask("DLMessageRemoveItems", [f"{UDID}/Extra"], {}, 1.0), OK))
    assert (tmp_path / "outside/precious").exists()


# -- folders and listings -----------------------------------------------------------------------------------


def test_folders(lab: Lab) -> None:
    lab.put("Status.plist", b"x")

    def script(device: Device) -> None:
        for path in (UDID, f"{UDID}/00", f"{UDID}/Snapshot/ff", f"{UDID}/Snapshot/ff", f"{UDID}/Snapshot"):
            assert device.ask("DLMessageCreateDirectory", path, OPTIONS, 1.0) == DONE
        code, text, _ = device.ask("DLMessageCreateDirectory", f"{UDID}/Status.plist/x", OPTIONS, 1.0)
        assert (code, text) == (-8, os.strerror(20))
        assert device.ask("DLMessageCreateDirectory", f"{UDID}/Status.plist", OPTIONS, 1.0)[0] == -8

    lab.ask(script)
    assert tree(lab.root) == {"00": None, "Snapshot": None, "Snapshot/ff": None, "Status.plist": b"x"}
    assert (lab.root / "Snapshot/ff").stat().st_mode & 0o777 == 0o700


def test_listings(lab: Lab) -> None:
    lab.put("Status.plist", b"12345")
    lab.put(below(blob(1, "")), b"x" * 100)

    def script(device: Device) -> None:
        code, text, value = device.ask("DLContentsOfDirectory", UDID, OPTIONS, 1.0)
        assert (code, text) == (0, EMPTY)
        assert isinstance(value, dict)
        assert {name: (entry["DLFileType"], entry["DLFileSize"]) for name, entry in value.items()} == {
            "Status.plist": ("DLFileTypeRegular", 5),
            below(blob(1, ""))[:2]: ("DLFileTypeDirectory", 0),
        }
        when = (lab.root / "Status.plist").stat().st_mtime
        assert abs((value["Status.plist"]["DLFileModificationDate"] - EPOCH).total_seconds() - when) < 0.01
        _, _, value = device.ask("DLContentsOfDirectory", blob(1, "").rpartition("/")[0], OPTIONS, 1.0)
        assert isinstance(value, dict)
        assert list(value) == [Path(blob(1)).name]
        for missing in (f"{UDID}/77", f"{UDID}/Snapshot/77", f"{UDID}/Status.plist"):
            assert device.ask("DLContentsOfDirectory", missing, OPTIONS, 1.0) == OK

    from datetime import datetime

    EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001, N806 - as plistlib gives dates
    lab.ask(script)


# -- room ---------------------------------------------------------------------------------------------------


def test_room(lab: Lab) -> None:
    def script(device: Device) -> None:
        assert device.ask("DLMessageGetFreeDiskSpace") == (0, EMPTY, 123_456_789_012)
        code, text, value = device.ask("DLMessagePurgeDiskSpace", 5 << 30, 4)
        assert (code, value) == (-1, 0)
        assert text

    lab.ask(script)
    assert lab.files.told_free == 123_456_789_012
    assert lab.files.purge_bytes == 5 << 30


# -- copies -------------------------------------------------------------------------------------------------


def test_copies(lab: Lab) -> None:
    data = os.urandom(3_000_000)
    lab.put("ab/x", data)
    lab.put("ab/sub/y", b"y")

    def copy(device: Device, source: str, target: str) -> tuple[int, object, object]:
        return device.ask("DLMessageCopyItem", f"{UDID}/{source}", f"{UDID}/{target}", OPTIONS, 1.0, 5)

    def script(device: Device) -> None:
        assert copy(device, "ab/x", "Copy/here") == DONE
        assert copy(device, "ab/x", "Copy/here") == DONE
        assert copy(device, "ab", "Whole") == DONE
        assert copy(device, "missing", "Copy/there")[0] == -6
        assert copy(device, "ab", "ab/sub/more")[0] == -1

    lab.ask(script)
    assert (lab.root / "Copy/here").read_bytes() == data
    assert tree(lab.root / "Whole") == {"sub": None, "sub/y": b"y", "x": data}
    assert (lab.root / "Copy/here").stat().st_ino != (lab.root / "ab/x").stat().st_ino


# -- a phone that attacks -----------------------------------------------------------------------------------

EVIL = [
    "/etc/passwd",
    "../outside",
    f"{UDID}/../outside",
    f"{UDID}/ab/../../outside",
    "other-phone/Info.plist",
    "",
    f"{UDID}/a/b/c/d/e",
    f"{UDID}\\x",
    f"{UDID}/CON",
    f"{UDID}/x\0y",
    f"{UDID}/" + "n" * 300,
]
ASKING: dict[str, Callable[[Device, str], object]] = {
    "download": lambda device, path: device.download(f"{UDID}/Status.plist", path),
    # A second list, since a link is met while the first is written.
    "upload": lambda device, path: (device.upload(file(path, b"evil")), device.upload()),
    "move from": lambda device, path: device.ask("DLMessageMoveItems", {path: f"{UDID}/x"}, {}, 1.0),
    "move to": lambda device, path: device.ask(
        "DLMessageMoveItems", {f"{UDID}/Status.plist": f"{UDID}/y", f"{UDID}/Manifest.db": path}, {}, 1.0
    ),
    "remove": lambda device, path: device.ask(
        "DLMessageRemoveItems", [f"{UDID}/Status.plist", path], {}, 1.0
    ),
    "remove old": lambda device, path: device.ask("DLMessageRemoveDirectory", path, {}, 1.0),
    "make": lambda device, path: device.ask("DLMessageCreateDirectory", path, {}, 1.0),
    "list": lambda device, path: device.ask("DLContentsOfDirectory", path, {}, 1.0),
    "copy from": lambda device, path: device.ask("DLMessageCopyItem", path, f"{UDID}/x", {}, 1.0, 1),
    "copy to": lambda device, path: device.ask("DLMessageCopyItem", f"{UDID}/Status.plist", path, {}, 1.0, 1),
}


def attacked(lab: Lab, script: Callable[[Device], object]) -> PathRefused:
    """Have the phone attack; everything inside and outside is as it was."""
    lab.put("Status.plist", b"x")
    lab.put("Manifest.db", b"y")
    outside = lab.root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "precious").write_bytes(b"precious")
    before = tree(lab.root.parent.parent)

    def whole(device: Device) -> None:
        script(device)
        pytest.fail("it was answered")

    with lab.serving(whole) as answer, pytest.raises(PathRefused) as caught:
        answer()
    assert tree(lab.root.parent.parent) == before
    assert caught.value.exit_code == ExitCode.PHONE_REFUSED
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    # In an upload a path of no length is a flaw of the frame, tested with the parser.
    ("how", "path"),
    [(how, path) for how in ASKING for path in EVIL if path or how != "upload"],
)
def test_no_request_leads_outside(lab: Lab, how: str, path: str) -> None:
    attacked(lab, lambda device: ASKING[how](device, path))


@pytest.mark.parametrize("how", [how for how in ASKING if how not in {"make", "list"}])
def test_the_backup_folder_itself_is_not_to_be_touched(lab: Lab, how: str) -> None:
    attacked(lab, lambda device: ASKING[how](device, UDID))


@NEEDS_LINKS
@pytest.mark.parametrize("how", [how for how in ASKING if how != "list"])
def test_no_request_goes_through_a_link(lab: Lab, how: str) -> None:
    """A listing is answered from the ledger, which knows of no links; what a request did before may stay done."""
    outside = lab.root.parent / "outside"
    outside.mkdir()
    link, name = ("Snapshot", "Manifest.plist") if how == "download" else ("link", "precious")
    (lab.root / link).symlink_to(outside)
    (outside / name).write_bytes(b"precious")
    lab.ledger.made_dir("known")
    for path in ("Status.plist", "Manifest.db"):
        (lab.root / path).write_bytes(b"x")
    with (
        lab.serving(lambda device: ASKING[how](device, f"{UDID}/{link}/{name}"), checked=False) as answer,
        pytest.raises(PathRefused, match="through a link"),
    ):
        answer()
    assert tree(outside) == {name: b"precious"}
    assert list(lab.staging.iterdir()) == []


# -- messages that are none ---------------------------------------------------------------------------------


def test_a_phone_that_says_goodbye(lab: Lab) -> None:
    with lab.serving(lambda device: None), pytest.raises(ConnectionLost, match="ended the session") as caught:
        lab.files.handle(lab.link, requests.Disconnect("Enough\x1b of this"))
    assert "Enough" in caught.value.message
    assert caught.value.message.isprintable()
