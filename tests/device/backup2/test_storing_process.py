"""The process that stores what arrives: the same comes of it as of a thread, and its death is an interrupted run."""

import hashlib
import os
import random
import signal
import sys
from collections.abc import Iterator

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import IbackupError
from ibackup.device.folder.storing_process import StoringProcess
from support.scripted import OPTIONS, UDID, Device, blob, chunk, file, name
from support.storing import at_once
from support.working_lab import Lab, tree

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has such memory")

OK: tuple[int, object, object] = (0, "___EmptyParameterString___", {})


@pytest.fixture
def lab(lab: Lab) -> Iterator[Lab]:
    fd = os.open(os.devnull, os.O_RDONLY)
    lab.keeps = (fd,)
    with at_once():
        yield lab
    os.close(fd)


def below(path: str) -> str:
    return path.removeprefix(f"{UDID}/")


def process(lab: Lab) -> StoringProcess:
    """The process that stores what this lab receives; there must be one."""
    found = lab.files._receiver._writer._process
    assert found is not None
    return found


def lists() -> tuple[list[list[bytes]], dict[str, bytes]]:
    """Lists of files in frames of every size, and what is in place afterwards; some were not read to their end."""
    rng = random.Random(11)
    made: dict[str, bytes] = {}
    messages = []
    for message in range(3):
        files = []
        for number in range(50):
            data = rng.randbytes(
                rng.choice([0, 5, 3000, 33_000, 200_000, 1_300_000 if not number % 20 else 9])
            )
            piece = rng.choice([1000, 32_768, 100_000])
            path = blob(message * 1000 + number)
            made[below(path)] = data
            parts = [data[at : at + piece] for at in range(0, len(data), piece)]
            end = (0x06, b"not readable") if number % 17 == 3 else (0, b"")
            files.append(file(path, *parts, source="/var/mobile/Library/x", end=end))
        messages.append(files)
    return messages, made


def test_the_same_comes_of_it_as_of_a_thread(lab: Lab) -> None:
    messages, made = lists()
    lab.ask(lambda device: [device.upload(*files) for files in messages])
    process(lab)
    assert {path: (lab.root / path).read_bytes() for path in made} == made
    for path, data in made.items():
        assert lab.ledger.files[path][:2] == (len(data), hashlib.sha256(data).digest())
        assert lab.ledger.sums[path] == hashlib.sha1(data).digest()
    assert len(lab.files.unreadable) == 9


@pytest.mark.parametrize("sizes", [(9, 200_000), (200_000, 9), (9, 1_500_000), (1_500_000, 9), (9, 8)])
def test_a_file_that_comes_twice_is_the_later_one(lab: Lab, sizes: tuple[int, int]) -> None:
    """Large files do not take the way of small ones."""
    data = [bytes([number]) * size for number, size in enumerate(sizes)]

    def script(device: Device) -> None:
        files = [
            [file(blob(number), data[0])] + [file(blob(at + 1000 * number), b"x") for at in range(20, 40)]
            for number in range(10)
        ]
        for number, before in enumerate(files):
            device.upload(*before, file(blob(number), data[1]))

    lab.ask(script)
    process(lab)
    for number in range(10):
        assert (lab.root / below(blob(number))).read_bytes() == data[1]
        assert lab.ledger.files[below(blob(number))][1] == hashlib.sha256(data[1]).digest()


def test_a_folder_that_went_and_came_again(lab: Lab) -> None:
    """Its descriptor in the process leads to the one that is gone."""

    def script(device: Device) -> None:
        assert device.upload(file(blob(1), b"one")) == OK
        assert device.ask("DLMessageRemoveItems", [f"{UDID}/Snapshot"], {}, 1.0)[0] == 0
        assert device.upload(file(blob(1), b"two")) == OK

    lab.ask(script)
    process(lab)
    assert (lab.root / below(blob(1))).read_bytes() == b"two"


def test_moves(lab: Lab) -> None:
    """More than one part of them; some cannot be, and do not stop the others."""
    lab.put("Manifest.db", b"old")

    def script(device: Device) -> None:
        assert device.upload(*(file(blob(number), b"%d" % number) for number in range(100))) == OK
        moves = {blob(number): blob(number, "") for number in range(110)}
        code, _, value = device.ask("DLMessageMoveItems", moves, OPTIONS, 80.0)
        assert code
        assert isinstance(value, dict)
        assert sorted(value) == sorted(blob(number) for number in range(100, 110))
        # A folder, and what was in it before: the process has its descriptor.
        assert device.ask("DLMessageMoveItems", {f"{UDID}/Snapshot": f"{UDID}/Kept"}, OPTIONS, 80.0) == OK
        assert device.upload(file(blob(1), b"again")) == OK

    lab.ask(script)
    process(lab)
    files = {path: data for path, data in tree(lab.root).items() if data is not None}
    wanted = {below(blob(number, "")): b"%d" % number for number in range(100)}
    assert files == {**wanted, below(blob(1)): b"again", "Manifest.db": b"old"}


def test_a_move_into_a_folder_that_is_another_one_by_now(lab: Lab) -> None:
    """The process has a descriptor of the one that this process moved away."""
    first, second = blob(1, ""), blob(1, "")[:-1] + "f"
    folder = first.rpartition("/")[0]

    def script(device: Device) -> None:
        assert device.upload(file(blob(1), b"one"), file(blob(2), b"two"), file(blob(3), b"three")) == OK
        assert device.ask("DLMessageCreateDirectory", folder, {}, 1.0)[0] == 0
        moves = {blob(1): first, blob(3): f"{folder}/x"}
        assert device.ask("DLMessageMoveItems", moves, OPTIONS, 80.0) == OK
        assert device.ask("DLMessageRemoveItems", [f"{folder}/x"], {}, 1.0)[0] == 0
        assert device.ask("DLMessageMoveItems", {folder: f"{UDID}/Kept"}, OPTIONS, 80.0) == OK
        assert device.ask("DLMessageCreateDirectory", folder, {}, 1.0)[0] == 0
        assert device.ask("DLMessageMoveItems", {blob(2): second}, OPTIONS, 80.0) == OK

    lab.ask(script)
    process(lab)
    assert (lab.root / below(second)).read_bytes() == b"two"


def test_what_cannot_be_stored_is_said_of_that_file(lab: Lab) -> None:
    def script(device: Device) -> None:
        assert device.upload(file(blob(1), b"one")) == OK
        assert device.ask("DLMessageCreateDirectory", blob(2), {}, 1.0)[0] == 0
        code, _, value = device.upload(file(blob(2), b"two"), file(blob(3), b"three"))
        failed = {} if not code else value
        code, _, more = device.upload()
        assert isinstance(failed, dict)
        assert isinstance(more, dict)
        assert list({**failed, **more}) == [blob(2)]

    lab.ask(script)
    process(lab)
    assert (lab.root / below(blob(3))).read_bytes() == b"three"


def test_no_file_goes_through_a_link(lab: Lab) -> None:
    outside = lab.root.parent / "outside"
    outside.mkdir()

    def script(device: Device) -> None:
        device.upload(file(blob(1), b"one"))
        device.upload()
        folder = (lab.root / below(blob(2))).parent
        folder.symlink_to(outside)
        device.upload(file(blob(2), b"two"))
        device.upload()

    with pytest.raises(PathRefused, match="goes through a link"):
        lab.ask(script)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("moment", ["before a list", "within a file", "before moves"])
def test_its_death_ends_the_run(lab: Lab, moment: str) -> None:
    def kill() -> None:
        process(lab)._process.send_signal(signal.SIGKILL)
        process(lab)._process.wait()

    def script(device: Device) -> None:
        assert device.upload(file(blob(1), b"one")) == OK
        assert device.upload() == OK
        if moment == "within a file":
            device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1 << 30)
            device.raw(name("/var/mobile/x") + name(blob(2)) + chunk(b"x" * 700_000))
            kill()
            device.raw(chunk(b"x" * 3_000_000) + chunk(b"", 0) + bytes(4))
        else:
            kill()
        if moment == "before moves":
            device.ask("DLMessageMoveItems", {blob(1): blob(1, "")}, OPTIONS, 80.0)
        device.upload(file(blob(3), b"three"))
        device.upload()

    def whole(device: Device) -> None:
        script(device)
        device.send("DLMessageDisconnect", "done")

    with (
        pytest.raises(IbackupError, match="ended too early"),
        lab.serving(whole, checked=False) as answer,
    ):
        answer()
    assert below(blob(1)) in lab.ledger.files
    assert below(blob(3)) not in lab.ledger.files
    for path, entry in lab.ledger.files.items():
        assert hashlib.sha256((lab.root / path).read_bytes()).digest() == entry[1]


def test_without_the_process_a_thread_stores(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses it, or it cannot even load."""
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    lab.ask(lambda device: device.upload(file(blob(1), b"one")))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    lab.ask(lambda device: device.upload(file(blob(2), b"two")))
    assert {path for path in tree(lab.root) if lab.root.joinpath(path).is_file()} == {
        below(blob(1)),
        below(blob(2)),
    }
