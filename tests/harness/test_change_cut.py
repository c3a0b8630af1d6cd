"""A change of the password, cut at every message, stopped at every event, on a disk that fails: nothing is lost.

Whatever happens, no snapshot is changed, the new password is in the keychain as soon as the phone may have it, the
password in force opens what is made next, and the next backup needs no help.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import keyring
import pytest

from harness.calls import seen
from harness.failing import WAYS, FailingDisk, Way
from harness.power import LOSSES, Disk, Loss, PowerCut
from harness.rig import (
    LONG,
    TINY,
    Bench,
    Rig,
    another_start,
    check_snapshot,
    chosen,
    impatient,
    leaves_nothing,
    remembering,
    rig,
)
from harness.test_power_cut import on
from harness.wire import Cut, Wire, tapped
from ibackup.base.errors import ConnectionLost, IbackupError
from ibackup.jobs.encryption.encryption_request import EncryptionOutcome, EncryptionRequest
from ibackup.jobs.encryption.password_change import change
from ibackup.vault.keychain import Keychain
from jobs.encryption.conftest import ONE, TWO, Said
from support.keyrings import FileKeyring
from support.runs import Told, assert_is_the_phone, copy_store

pytestmark = pytest.mark.timeout(0 if LONG else 600)

HOWS: tuple[Cut, ...] = ("before", "after", "torn", "silent")


@pytest.fixture
def phones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Phones that encrypt, and a keychain."""
    before = keyring.get_keyring()
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "ring.json"))
    keyring.set_keyring(FileKeyring())
    with rig(tmp_path, replace(TINY, backup_password=ONE)) as made:
        yield made
    keyring.set_keyring(before)


@contextmanager
def bench(phones: Rig) -> Iterator[Bench]:
    """A phone with one snapshot, whose password is ONE and in the keychain."""
    FileKeyring.path().unlink(missing_ok=True)
    with phones.bench() as made:
        template = phones.folder / "encrypted"
        if not template.exists():
            made.now(ONE)
            copy_store(made.path, template)
        elif not made.path.exists():
            copy_store(template, made.path)
        keychain_of().keep(made.phone.udid, ONE)
        yield made


def keychain_of() -> Keychain:
    found = Keychain.open()
    assert found is not None
    return found


def change_once(made: Bench, told: Told | None = None) -> EncryptionOutcome:
    request = EncryptionRequest(
        Said(keep=True), store=made.store, keychain=keychain_of(), patience=0, limits=made.limits
    )
    return change(request, told or Told())


def check(made: Bench, before: set[str], error: IbackupError | None = None, *, modes: bool = True) -> None:
    """What holds at any moment, and that the next backup mends the rest."""
    wrapped = error is not None and "did accept the new password" in error.message
    phone, ring = made.phone, FileKeyring().entries()
    in_force = phone.backup_password
    assert in_force in (ONE, TWO)
    assert in_force in "\n".join(ring.values()).split("\n"), "the password in force is not in the keychain"
    assert ONE in "\n".join(ring.values()).split("\n"), (
        "the password of older snapshots is not in the keychain"
    )
    assert made.folder.broken() == []
    for snapshot in made.snapshots:
        check_snapshot(snapshot.path, modes=modes)
        password = TWO if snapshot.meta.rewraps else ONE
        assert_is_the_phone(snapshot.path, phone, password)
    told = Told()
    result = made.now(lambda udid: keychain_of().password(udid), told=told)
    assert_is_the_phone(result.path, phone, in_force)
    check_snapshot(result.path, modes=modes)
    assert made.left == []
    assert not (wrapped and result.full), "sent in full although the keybag was encrypted again"
    # Whatever was unknown is known by now.
    assert keychain_of().password(phone.udid) == in_force
    assert before < {each.id for each in made.snapshots}


def test_cut_at_every_message(phones: Rig) -> None:
    with bench(phones) as made, tapped(Wire()) as wire:
        change_once(made)
        last = wire.written
    assert last > 6
    wrapped = 0
    for number in range(1, last + 1):
        for how in HOWS if LONG else HOWS[number % 4 : number % 4 + 1]:
            with bench(phones) as made, ExitStack() as stack:
                pictures = made.pictures()
                if how == "silent":
                    stack.enter_context(impatient())
                error = None
                with tapped(Wire(number, how)) as wire, leaves_nothing(below=made.path):
                    try:
                        change_once(made)
                    except IbackupError as caught:
                        error = caught.with_traceback(None)
                assert wire.was_cut
                assert error is None or isinstance(error, ConnectionLost), repr(error)
                assert error is None or error.hint
                assert error is not None or made.snapshots[-1].meta.rewraps
                after = made.pictures()
                assert {name: after[name] for name in pictures} == pictures
                stack.close()
                wrapped += error is not None and "did accept the new" in error.message
                check(made, set(pictures), error)
    assert wrapped


def test_stopped_at_an_event(phones: Rig) -> None:
    with bench(phones) as made:
        told = Told()
        change_once(made, told)
        last = len(told.events)
    for number in chosen(last, 7):
        with bench(phones) as made:
            pictures = made.pictures()
            seen_events = 0

            def stop(_: object, at: int = number) -> bool:
                nonlocal seen_events
                seen_events += 1
                return seen_events == at

            with leaves_nothing(below=made.path), pytest.raises(KeyboardInterrupt):
                change_once(made, Told(stop=stop))
            after = made.pictures()
            assert {name: after[name] for name in pictures} == pictures
            check(made, set(pictures))


@pytest.mark.parametrize("way", WAYS)
def test_on_a_disk_that_fails(phones: Rig, way: Way) -> None:
    with bench(phones) as made:
        disk = FailingDisk(way)
        with seen(made.path, disk):
            change_once(made)
        last = disk.count
    for number in chosen(last, 2, seed=len(way)):
        with bench(phones) as made:
            pictures = made.pictures()
            ended: IbackupError | None = None
            disk = FailingDisk(way, number)
            with seen(made.path, disk), leaves_nothing(below=made.path):
                try:
                    change_once(made)
                except IbackupError as error:
                    ended = error.with_traceback(None)
            assert ended is None or ended.hint
            assert disk.failed
            after = made.pictures()
            assert {name: after[name] for name in pictures} == pictures
            check(made, set(pictures))


@pytest.mark.skipif(os.name == "nt", reason="the model is one of POSIX")
@pytest.mark.parametrize("syncfs", [True, False], ids=["syncfs", "fsync"])
def test_the_power_fails(phones: Rig, syncfs: bool) -> None:
    with bench(phones) as made:
        disk = Disk(str(made.path))
        with on(disk, syncfs=syncfs):
            outcome = change_once(made)
        # It was called done: whatever is lost now, the snapshot is there.
        for loss in LOSSES if LONG else LOSSES[syncfs : syncfs + 1]:
            after_power(made, disk, loss, snapshot=outcome.snapshot, modes=syncfs)
        last = disk.syncs
    for place, number in enumerate(chosen(last, 2, seed=syncfs)):
        for loss in LOSSES if LONG else (LOSSES[place + 2 * syncfs], "some"):
            with bench(phones) as made:
                disk = Disk(str(made.path), number)
                with on(disk, syncfs=syncfs), pytest.raises(PowerCut):
                    change_once(made)
                after_power(made, disk, loss, modes=syncfs)


def after_power(made: Bench, disk: Disk, loss: Loss, *, modes: bool, snapshot: str = "") -> None:
    """The computer starts again, with what the disk kept."""
    twin = remembering(made.phone)
    twin.set_backup_password(made.phone.backup_password)
    target = made.path.with_name(f"{made.path.name} {loss}")
    disk.rebuild(str(target), loss, 3)
    after = Bench(target, made.server, twin)
    made.server.detach(made.phone)
    made.server.attach(twin)
    ring = FileKeyring.path().read_bytes()
    try:
        assert not snapshot or after.snapshots[-1].id == snapshot
        with another_start():
            check(after, {each.id for each in after.snapshots}, modes=modes)
    finally:
        made.server.detach(twin)
        made.server.attach(made.phone)
        FileKeyring.path().write_bytes(ring)
        shutil.rmtree(target)
