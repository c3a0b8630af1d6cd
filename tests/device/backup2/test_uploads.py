"""Files that arrive: exact, complete under their final name or not there at all, whatever the phone or the disk do."""

import errno
import hashlib
import itertools
import os
import plistlib
import random
import struct
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import ConnectionLost, IbackupError, NoRoom, ProtocolBroken
from ibackup.config.stall_limits import Limits
from ibackup.device.folder import receiver
from support.scripted import OPTIONS, UDID, Device, blob, chunk, file, name, status_plist
from support.working_lab import Lab, tree

OK: tuple[int, object, object] = (0, "___EmptyParameterString___", {})
IMPATIENT = Limits(answer_s=60, scan_s=60, message_s=60, between_files_s=2, within_file_s=2, sending_s=5)


def below(path: str) -> str:
    return path.removeprefix(f"{UDID}/")


@pytest.mark.parametrize("size", [0, 1, 15, 4096, 32_767, 32_768, 32_769, 600_000, 5_000_001])
@pytest.mark.parametrize("piece", [700, 32_768, 4 << 20])
def test_one_file(lab: Lab, size: int, piece: int) -> None:
    data = random.Random(size).randbytes(size)
    parts = [data[at : at + piece] for at in range(0, size, piece)][: 1 << 14]
    lab.ask(lambda device: check(device.upload(file(blob(1), *parts))))
    assert (lab.root / below(blob(1))).read_bytes() == data
    assert lab.ledger.files[below(blob(1))][1] == hashlib.sha256(data).digest()
    assert (lab.files.received_bytes, lab.files.received_files) == (size, 1)
    assert lab.files.last_file == "/var/mobile/x"


@pytest.mark.parametrize("parts", [[b"whole"], [b"in ", b"pieces"], []])
def test_sha1_is_taken_where_the_phones_list_may_have_it(lab: Lab, parts: list[bytes]) -> None:
    places = {
        blob(1): "/var/mobile/Library/SMS/sms.db",
        blob(2): "/private/var/mobile/Media/DCIM/100APPLE/IMG_0001.HEIC",
        blob(3): "/var/mobile/Containers/Data/Application/3F2504E0/Documents/a",
        f"{UDID}/Manifest.plist": "/var/mobile/Library/Manifest.plist",
    }
    files = [file(path, *parts, source=source) for path, source in places.items()]
    lab.ask(lambda device: check(device.upload(*files)))
    assert lab.ledger.sums == {
        below(blob(1)): hashlib.sha1(b"".join(parts)).digest(),
        below(blob(2)): None,
        below(blob(3)): None,
        "Manifest.plist": None,
    }


def check(status: tuple[int, object, object]) -> None:
    assert status == OK


def test_many_files_in_many_messages(lab: Lab) -> None:
    """More than all receive buffers together, in frames of every size."""
    rng = random.Random(7)
    made: dict[str, bytes] = {}

    def script(device: Device) -> None:
        for message in range(4):
            files = []
            for number in range(60):
                data = rng.randbytes(rng.choice([0, 5, 3000, 33_000, 200_000]))
                piece = rng.choice([1000, 32_768, 100_000])
                path = blob(message * 1000 + number)
                made[below(path)] = data
                files.append(file(path, *(data[at : at + piece] for at in range(0, len(data), piece))))
            check(device.upload(*files))
            check(device.upload())  # an empty list is fine

    lab.ask(script)
    assert {path: entry[1] for path, entry in lab.ledger.files.items()} == {
        path: hashlib.sha256(data).digest() for path, data in made.items()
    }
    assert lab.files.received_files == 240
    assert lab.files.received_bytes == sum(map(len, made.values()))


def test_a_list_is_in_place_before_the_next_is_answered(lab: Lab) -> None:
    def script(device: Device) -> None:
        for number in range(20):
            check(device.upload(*(file(blob(number * 10 + k), b"x" * 50_000) for k in range(5))))
            for k in range(-10, -5) if number else ():
                assert (lab.root / below(blob(number * 10 + k))).stat().st_size == 50_000

    lab.ask(script)


@pytest.mark.parametrize(
    "request_",
    [
        ("DLMessageMoveFiles", {blob(1): blob(2)}),
        ("DLMessageRemoveFiles", [blob(1)]),
        ("DLMessageGetFreeDiskSpace",),
    ],
    ids=lambda request_: str(request_[0]),
)
def test_a_list_is_in_place_before_anything_else_is_done(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, request_: tuple[object, ...]
) -> None:
    stored = lab.ledger.stored

    def slow(path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None) -> None:
        time.sleep(0.1)
        stored(path, size, sha256, mtime, sha1)

    monkeypatch.setattr(lab.ledger, "stored", slow)

    def script(device: Device) -> None:
        check(device.upload(file(blob(1), b"x")))
        assert below(blob(1)) not in lab.ledger.files
        assert device.ask(*request_)[0] == 0

    lab.ask(script)
    expected = {"DLMessageMoveFiles": {below(blob(2))}, "DLMessageRemoveFiles": set()}
    assert set(lab.ledger.files) == expected.get(str(request_[0]), {below(blob(1))})


def test_a_status_comes_after_the_lists_before_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = lab.ledger.stored

    def slow(path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None) -> None:
        time.sleep(0.05)
        stored(path, size, sha256, mtime, sha1)
        order.append(path)

    order: list[str] = []
    monkeypatch.setattr(lab.ledger, "stored", slow)

    def script(device: Device) -> None:
        check(device.upload(*(file(blob(number), b"x") for number in range(3))))
        check(device.upload(file(f"{UDID}/Status.plist", status_plist("moving"))))
        assert order == [*(below(blob(number)) for number in range(3)), "Status.plist"]

    lab.ask(script)


def test_a_hard_linked_snapshot_is_not_touched(lab: Lab, tmp_path: Path) -> None:
    lab.put("Status.plist", status_plist("finished"))
    lab.put(below(blob(1)), b"old")
    for path in ("Status.plist", below(blob(1))):
        os.link(lab.root / path, tmp_path / Path(path).name)

    def script(device: Device) -> None:
        check(device.upload(file(f"{UDID}/Status.plist", status_plist("uploading")), file(blob(1), b"new")))

    lab.ask(script)
    assert (tmp_path / "Status.plist").read_bytes() == status_plist("finished")
    assert (tmp_path / Path(blob(1)).name).read_bytes() == b"old"
    assert (lab.root / below(blob(1))).read_bytes() == b"new"


def test_a_file_the_phone_sends_twice(lab: Lab) -> None:
    lab.ask(lambda device: check(device.upload(file(blob(1), b"first"), file(blob(1), b"second"))))
    assert (lab.root / below(blob(1))).read_bytes() == b"second"


# -- what the phone cannot read -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1, 2, 6, 7, 8, 11, 13, 15, 127, 255])
@pytest.mark.parametrize("parts", [(), (b"half of it",), (b"x" * 40_000, b"y")])
def test_any_other_code_ends_the_file(lab: Lab, code: int, parts: tuple[bytes, ...]) -> None:
    def script(device: Device) -> None:
        bad = file(blob(1), *parts, end=(code, "läuft nicht".encode()), source="/var/mobile/bad.db")
        check(device.upload(file(blob(0), b"before"), bad, file(blob(2), b"after")))

    lab.ask(script)
    assert sorted(lab.ledger.files) == sorted(below(blob(number)) for number in range(3))
    assert (lab.root / below(blob(1))).read_bytes() == b"".join(parts)
    (lost,) = lab.files.unreadable
    assert (lost.path, lost.device_path) == (below(blob(1)), "/var/mobile/bad.db")
    assert lost.text == "läuft nicht"
    assert lab.files.received_files == 2
    lab.files.check_disk()


def test_what_could_not_be_read_can_be_moved_all_the_same(lab: Lab) -> None:
    def script(device: Device) -> None:
        check(device.upload(file(blob(1), end=(11, b"no")), file(blob(2), b"half", end=(1, b""))))
        moves = {blob(number): blob(number, "") for number in (1, 2)}
        check(device.ask("DLMessageMoveItems", moves, {}, 99.0))

    lab.ask(script)
    assert (lab.root / below(blob(1, ""))).read_bytes() == b""
    assert (lab.root / below(blob(2, ""))).read_bytes() == b"half"


def test_a_status_that_the_phone_could_not_read_does_not_take_the_place_of_one_that_is_whole(
    lab: Lab,
) -> None:
    lab.put("Status.plist", status_plist("uploading"))
    lab.ask(lambda device: check(device.upload(file(f"{UDID}/Status.plist", b"bpl", end=(11, b"")))))
    assert (lab.root / "Status.plist").read_bytes() == status_plist("uploading")
    assert lab.barriers == []


def test_a_file_that_comes_after_all(lab: Lab) -> None:
    def script(device: Device) -> None:
        check(device.upload(file(blob(1), b"ha", end=(11, b"busy")), file(blob(2), b"x", end=(11, b"gone"))))
        check(device.upload(file(blob(1), b"half and whole")))

    lab.ask(script)
    assert [lost.path for lost in lab.files.unreadable] == [below(blob(2))]
    assert (lab.root / below(blob(1))).read_bytes() == b"half and whole"


# -- Status.plist -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "expected"),
    [("uploading", []), ("moving", ["moving"]), ("removing", ["removing"]), ("finished", ["finished"])],
)
def test_the_barrier_stands_between_the_files_and_the_status(
    lab: Lab, state: str, expected: list[str]
) -> None:
    lab.put("Status.plist", b"old")
    seen: list[str] = []

    def barrier(reached: str) -> None:
        seen.append(reached)
        assert (lab.root / "Status.plist").read_bytes() == b"old"
        # Even what follows it in the same list is in place before.
        assert (lab.root / below(blob(1))).read_bytes() == b"before"
        assert (lab.root / below(blob(2))).read_bytes() == b"after"

    lab.barrier = barrier
    status = file(f"{UDID}/Status.plist", status_plist(state))
    lab.ask(lambda device: check(device.upload(file(blob(1), b"before"), status, file(blob(2), b"after"))))
    assert seen == expected
    assert lab.files.state == state
    assert (lab.root / "Status.plist").read_bytes() == status_plist(state)
    assert lab.files.is_full is (True if state == "uploading" else None)


@pytest.mark.parametrize(
    "content", [b"", b"junk", plistlib.dumps([]), plistlib.dumps({"a": 1}), b"x" * (2 << 20)]
)
def test_a_status_that_cannot_be_read_is_kept_behind_the_barrier(lab: Lab, content: bytes) -> None:
    lab.ask(lambda device: check(device.upload(file(f"{UDID}/Status.plist", content))))
    assert lab.barriers == ["unknown"]
    assert (lab.root / "Status.plist").read_bytes() == content
    assert "Status.plist" in lab.cautions[0]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), NoRoom("full")])
def test_a_barrier_that_fails(lab: Lab, error: Exception) -> None:
    lab.put("Status.plist", status_plist("uploading"))

    def barrier(_state: str) -> None:
        raise error

    lab.barrier = barrier

    def script(device: Device) -> None:
        assert device.upload(file(f"{UDID}/Status.plist", status_plist("moving")))[0] == -15
        device.send("DLMessageDisconnect", "done")

    with lab.serving(script) as answer:
        if isinstance(error, OSError):
            answer()
            with pytest.raises(NoRoom):
                lab.files.check_disk()
        else:
            with pytest.raises(NoRoom):
                answer()
    assert (lab.root / "Status.plist").read_bytes() == status_plist("uploading")


# -- a phone that breaks the rules --------------------------------------------------------------------------


def test_names_that_the_format_does_not_know_are_kept_and_reported(lab: Lab) -> None:
    paths = [f"{UDID}/New{number}.plist" for number in range(8)] + [
        f"{UDID}/Extra/a/b/c",
        f"{UDID}/New1.plist",
    ]
    lab.ask(lambda device: check(device.upload(*(file(path, b"x") for path in paths))))
    assert list(lab.files.unknown) == [below(path) for path in paths[:-1]]
    assert 0 < len(lab.cautions) < 8
    assert "New0.plist" in lab.cautions[0]
    assert (lab.root / "Extra/a/b/c").read_bytes() == b"x"


@pytest.mark.parametrize("total", [0, 1000, 1 << 62])
def test_what_is_announced_is_no_promise(lab: Lab, total: int) -> None:
    """Phones say 0 for a single file, and 11.6 MB for lists of 12.7: nobody is warned of that."""

    def script(device: Device) -> None:
        for number in range(3):
            check(device.upload(file(blob(number), b"x" * (2 << 20)), total=total))

    lab.ask(script)
    assert lab.told == []
    assert lab.files.received_bytes == 6 << 20


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack(">I", 5000),
        name("/x") + struct.pack(">I", 5000),
        name("/x") + name(blob(2)) + struct.pack(">IB", (64 << 20) + 1, 0x06),
        name("/x") + name(blob(2)) + chunk(b"some") + struct.pack(">IB", 0xFFFF_FFFF, 0x0B),
        name("/x") + name(b"\xff\xff"),
    ],
)
def test_frames_that_are_not_allowed_end_the_run(lab: Lab, tail: bytes) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", {}, 1.0, 5)
        device.raw(file(blob(1), b"whole") + tail)
        device.status()

    with lab.serving(script) as answer, pytest.raises(ProtocolBroken):
        answer()
    assert set(lab.ledger.files) <= {below(blob(1))}


def test_a_file_in_one_long_chunk_is_streamed(lab: Lab) -> None:
    size = (65 << 20) - 1
    piece = os.urandom(1 << 20)

    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", {}, 1.0, 5)
        device.raw(name("/x") + name(blob(1)) + struct.pack(">IB", size + 1, 0x0C))
        for _ in range(64):
            device.raw(piece)
        device.raw(piece[:-1] + chunk(b"", 0) + bytes(4))
        check(device.status())
        assert tracemalloc.get_traced_memory()[1] < 12 << 20

    tracemalloc.start()
    try:
        lab.ask(script)
    finally:
        tracemalloc.stop()
    assert (lab.root / below(blob(1))).stat().st_size == size


def test_a_slow_disk_slows_the_phone_down(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receive buffers are all the memory there is."""
    held = threading.Event()
    stored = lab.ledger.stored

    def slow(path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None) -> None:
        held.wait(60)
        stored(path, size, sha256, mtime, sha1)

    monkeypatch.setattr(lab.ledger, "stored", slow)
    sent = 0

    def script(device: Device) -> None:
        nonlocal sent
        device.send("DLMessageUploadFiles", {}, 1.0, 40 << 20)
        device.raw(file(blob(0), b"first"))
        for number in range(1, 41):
            device.raw(file(blob(number), b"x" * (1 << 20)))
            sent += 1
        device.raw(bytes(4))
        check(device.status())

    def release() -> None:
        time.sleep(0.5)
        assert sent < 10
        held.set()

    releaser = threading.Thread(target=release)
    releaser.start()
    tracemalloc.start()
    try:
        lab.ask(script)
    finally:
        tracemalloc.stop()
        releaser.join()
    assert sent == 40


# -- ends in the middle -------------------------------------------------------------------------------------


def test_the_end_at_every_byte(lab: Lab) -> None:
    """A file is there whole or not at all, wherever the cable is pulled."""
    body = plistlib.dumps(["DLMessageUploadFiles", {}, 1.0, 5], fmt=plistlib.FMT_BINARY)
    files = file(blob(1), b"first, whole") + file(blob(2), b"second", b", in two") + file(blob(3)) + bytes(4)
    stream = struct.pack(">I", len(body)) + body + files
    whole = {below(blob(1)): b"first, whole", below(blob(2)): b"second, in two", below(blob(3)): b""}
    seen: set[int] = set()
    for size in range(len(body), len(stream), 3):
        with lab.serving(lambda device, size=size: device.raw(stream[:size])) as answer:  # type: ignore[misc]
            with pytest.raises(ConnectionLost) as caught:
                answer()
            if size > len(body) + 130:
                assert "/var/mobile/x" in caught.value.message
        found = {path: data for path, data in tree(lab.root).items() if data is not None}
        assert found.items() <= whole.items()
        seen.add(len(found))
    assert seen == {0, 1, 2, 3}


def test_silence_in_the_middle_of_a_file(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", {}, 1.0, 5)
        device.raw(file(blob(1), b"whole") + name("/var/mobile/slow.db") + name(blob(2)) + chunk(b"half"))
        device.status()

    with lab.serving(script, IMPATIENT) as answer:
        lab.link.activity = "it sent its files"
        with pytest.raises(ConnectionLost, match=r"silent .* while it sent its files") as caught:
            answer()
    assert "slow.db" in caught.value.message
    assert set(lab.ledger.files) <= {below(blob(1))}


@pytest.mark.parametrize("when", range(1, 12))
def test_ctrl_c_at_any_moment(lab: Lab, when: int) -> None:
    pulses = itertools.count(1)

    def interrupt() -> None:
        if next(pulses) == when:
            raise KeyboardInterrupt

    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", {}, 1.0, 5)
        for number in range(200):
            device.raw(file(blob(number), b"x" * (number * 1000)))
        device.raw(bytes(4))
        device.status()

    with lab.serving(script) as answer:
        lab.link.pulse = interrupt
        with pytest.raises(KeyboardInterrupt):
            answer()
    for number in range(200):
        path = lab.root / below(blob(number))
        assert not path.exists() or path.stat().st_size == number * 1000


# -- a disk that fails --------------------------------------------------------------------------------------


def test_a_folder_where_a_file_belongs(lab: Lab) -> None:
    """It concerns one file: told by its path, the others are stored, and the run cannot end well."""
    (lab.root / below(blob(2))).mkdir(parents=True)
    for path in [below(blob(2)).rsplit("/", depth)[0] for depth in (2, 1)] + [below(blob(2))]:
        lab.ledger.made_dir(path)

    def script(device: Device) -> None:
        device.upload(*(file(blob(number), b"x") for number in (1, 2, 3)))
        # Told with the list after it: these files were not written yet when theirs was answered.
        code, text, value = device.upload(file(blob(5), b"x"))
        assert (code, text) == (-13, "Multi status")
        assert isinstance(value, dict)
        assert list(value) == [blob(2)]
        assert value[blob(2)]["DLFileErrorCode"] == -9
        assert value[blob(2)]["DLFileErrorString"]
        check(device.upload(file(blob(4), b"x")))

    lab.ask(script)
    assert {below(blob(number)) for number in (1, 3, 4, 5)} == set(lab.ledger.files)
    with pytest.raises(IbackupError, match="could not be written"):
        lab.files.check_disk()


def test_a_ledger_that_fails_stops_the_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None) -> None:
        raise NoRoom("The ledger's disk is full.")

    def script(device: Device) -> None:
        for number in range(50):
            device.upload(file(blob(number), b"x" * 100_000))

    with lab.serving(script, checked=False) as answer:
        monkeypatch.setattr(lab.ledger, "stored", full)
        with pytest.raises(NoRoom, match="ledger"):
            answer()
    assert list(lab.staging.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk(lab: Lab) -> None:
    """A real refusal by the system (a limit on the size of files): said truthfully, the stream stays in step."""
    program = textwrap.dedent(
        f"""
        import resource, signal
        from pathlib import Path
        from ibackup.base.errors import NoRoom
        from support.scripted import UDID, blob, file
        from support.working_lab import Lab

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        def script(device):
            assert device.upload(file(blob(1), b"x" * 1000))[0] == 0
            big = [b"y" * 32768] * 640
            code, text, value = device.upload(file(blob(2), b"z"), file(blob(3), *big), file(blob(4), *big))
            assert (code, value) == (-15, {{}}), (code, text, value)
            assert text
            assert device.upload(file(blob(5), b"x"))[0] == -15
            assert device.ask("DLMessageGetFreeDiskSpace")[0] == 0

        lab = Lab(Path({str(lab.root)!r}), Path({str(lab.staging)!r}))
        lab.ask(script)
        names = set(lab.ledger.files)
        assert names == {{blob(n).removeprefix(UDID + "/") for n in (1, 2)}}, names
        try:
            lab.files.check_disk()
        except NoRoom as error:
            assert "File too large" in error.message and "4 GB" in error.message, error.message
            assert "full" not in error.message and "exFAT" in error.hint, error.hint
        else:
            raise AssertionError("no error")
        """
    )
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent / "src")])},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# -- links --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
@pytest.mark.parametrize("place", ["folder", "parent", "file"])
def test_no_file_goes_through_a_link(lab: Lab, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    (outside / below(blob(1)).split("/")[1]).mkdir(parents=True)
    folder, name_ = (lab.root / below(blob(1))).parent, Path(blob(1)).name
    target = outside / "precious"
    target.write_bytes(b"precious")
    if place == "folder":
        folder.parent.mkdir()
        folder.symlink_to(outside)
    elif place == "parent":
        folder.parent.symlink_to(outside)
    else:
        folder.mkdir(parents=True)
        (folder / name_).symlink_to(target)
    before = tree(outside)
    for known in ("Snapshot", below(blob(1)).rpartition("/")[0]):
        lab.ledger.made_dir(known)

    def script(device: Device) -> None:
        device.upload(file(blob(1), b"evil"))
        device.upload(file(blob(2), b"x"))
        device.send("DLMessageDisconnect", "done")

    with lab.serving(script, checked=False) as answer:
        if place == "file":
            answer()  # the link itself is replaced
            assert not (folder / name_).is_symlink()
            assert (folder / name_).read_bytes() == b"evil"
        else:
            with pytest.raises(PathRefused, match="through a link"):
                answer()
    assert tree(outside) == before
    assert list(lab.staging.iterdir()) == []


def test_the_last_of_the_room_is_left_to_others(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a phone said would come: a full disk hurts every program, and us when we write down how it ended."""
    monkeypatch.setattr(receiver, "LOOK_EVERY", 1 << 20)
    lab.free = receiver.SPARED - 1

    def script(device: Device) -> None:
        code, text, _ = device.upload(
            *(file(blob(number), *[bytes(1 << 20)] * 2) for number in range(8)), total=100
        )
        assert (code, text) == (-15, os.strerror(errno.ENOSPC))
        device.send("DLMessageDisconnect", "done")

    with lab.serving(script) as answer:
        answer()
    with pytest.raises(NoRoom, match="disk is full"):
        lab.files.check_disk()
    assert sum(size for size, _, _ in lab.ledger.files.values()) < 8 << 20


def test_a_phone_that_does_not_stop_is_cut_off(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "LOOK_EVERY", 1 << 20)
    monkeypatch.setattr(receiver, "DRAINED", 8 << 20)
    lab.free = 0

    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 100)
        device.raw(name("/var/mobile/endless") + name(blob(1)))
        while True:
            device.raw(chunk(bytes(1 << 20)))

    with lab.serving(script) as answer, pytest.raises(NoRoom, match="disk is full"):
        answer()
    assert lab.ledger.files == {}
