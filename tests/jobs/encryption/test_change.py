"""Another password: no full backup, no snapshot lost, each readable with the password of its time."""

import errno
import json
import os
from pathlib import Path

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import (
    ConnectionLost,
    PasswordWrong,
    PersonNeeded,
    PhoneBusy,
    PhoneRefused,
    ProtocolBroken,
    UsageError,
)
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, UnknownMessage
from ibackup.simulator.operations.password import ChangePassword
from ibackup.simulator.spec import Passcode
from ibackup.vault.keychain import Keychain
from ibackup.vault.unlocker import Unlocker
from jobs.encryption.conftest import ONE, THREE, TWO, Desk, MakeDesk
from support.keyrings import FileKeyring
from support.readers import by_iphone_backup_decrypt
from support.runs import SMALL, assert_is_the_phone, assert_sealed, flip, photograph


def opened_by(path: str, udid: str, password: str) -> bool:
    """Whether a reader that we did not write opens a snapshot."""
    try:
        with by_iphone_backup_decrypt(Path(path) / udid, password) as theirs:
            return bool(theirs.test_decryption())
    except ValueError:
        return False


def fulls(desk: Desk) -> int:
    """How many backups the phone called full ones because of what it found."""
    return sum(text.startswith("full") for text in desk.phone.journal.details("backup"))


def test_three_snapshots_and_a_new_password(desk: Desk) -> None:
    udid = desk.phone.udid
    for _ in range(3):
        desk.now(ONE)
        desk.phone.change(added=1, changed=1)
    before = desk.snapshots
    pictures = {each.id: photograph(each.path) for each in before}

    outcome = desk.change()
    assert desk.phone.backup_password == TWO
    assert outcome.older == tuple(each.id for each in before)
    assert (outcome.rewraps, outcome.next_is_full) == (before[-1].id, False)
    made = desk.snapshots[-1]
    assert outcome.snapshot == made.id
    # What it is: the same data, of the same moment, under another password; nothing else came.
    base = before[-1].meta
    assert made.meta.data_from == base.data_from
    assert made.meta.started >= base.started
    assert made.meta.carried_files == base.files - 1 == made.meta.files - 1
    assert made.meta.rewraps == before[-1].id
    assert made.meta.checked == "manifest"
    assert (made.meta.full, made.meta.encrypted) == (False, True)
    assert desk.left == []
    assert {each.id: photograph(each.path) for each in before} == pictures

    # Each of them opens with its own password and no other, for readers that we did not write.
    for each in before:
        assert opened_by(each.path, udid, ONE)
        assert not opened_by(each.path, udid, TWO)
    assert opened_by(made.path, udid, TWO)
    assert not opened_by(made.path, udid, ONE)
    for each, password in [*((each, ONE) for each in before), (made, TWO)]:
        assert_sealed(each.path)
        given = dict.fromkeys([udid], password)
        verdict = prove(each.backup_path, Level.DEEP, snapshot=each, unlocker=Unlocker(given.get))
        assert verdict.good
        assert verdict.summary.manifest_checked

    # And the next backup continues from it.
    result = desk.now(TWO)
    assert not result.full
    assert 0 < result.received_bytes < base.bytes
    assert_is_the_phone(result.path, desk.phone, TWO)
    assert fulls(desk) == 0


def test_the_list_stays_that_of_the_backup_before(desk: Desk) -> None:
    """Everywhere else a list that came with an earlier backup proves nothing; here everything but the keys did."""
    desk.now(ONE)
    base = desk.snapshots[0]
    assert desk.change().snapshot
    made = desk.snapshots[-1]
    kept, before = (Path(each.backup_path, "Manifest.db").read_bytes() for each in (made, base))
    assert kept == before
    assert (made.meta.checked, made.meta.flawed, made.meta.rewraps) == ("manifest", (), base.id)
    # The next backup brings its own again.
    desk.phone.change(added=1)
    result = desk.now(TWO)
    assert Path(result.path, desk.phone.udid, "Manifest.db").read_bytes() != before
    assert_is_the_phone(result.path, desk.phone, TWO)


def test_its_record_tells_and_survives_being_read(desk: Desk) -> None:
    desk.now(ONE)
    record = json.loads(Path(desk.snapshots[-1].path, "snapshot.json").read_text())
    assert "rewraps" not in record
    outcome = desk.change()
    record = json.loads(Path(desk.snapshots[-1].path, "snapshot.json").read_text())
    assert record["rewraps"] == outcome.rewraps


def test_twice_in_a_row(desk: Desk) -> None:
    desk.now(ONE)
    desk.change(ONE, TWO)
    outcome = desk.change(TWO, THREE)
    assert outcome.rewraps == desk.snapshots[1].id
    assert len({each.meta.data_from for each in desk.snapshots}) == 1
    for each, password in zip(desk.snapshots, (ONE, TWO, THREE), strict=True):
        assert opened_by(each.path, desk.phone.udid, password)
    assert not desk.now(THREE).full


def test_without_a_store_and_without_a_snapshot(make_desk: MakeDesk) -> None:
    desk = make_desk()
    outcome = desk.change()
    assert desk.phone.backup_password == TWO
    assert (outcome.snapshot, outcome.older) == ("", ())
    assert not desk.path.exists()
    desk.phone.set_backup_password(None)
    desk.now()  # one that is not encrypted
    desk.phone.set_backup_password(ONE)
    outcome = desk.change()
    assert (outcome.snapshot, outcome.older, outcome.next_is_full) == ("", (), True)
    assert desk.left == []
    assert len(desk.snapshots) == 1


def test_what_broke_off_is_set_aside_first_and_put_back_when_nothing_came_of_it(desk: Desk) -> None:
    desk.now(ONE)
    desk.phone.change(added=5)
    desk.phone.set_faults(DropInPhase(phase="uploading", after=3))
    desk.fails(ConnectionLost, password=ONE)
    desk.phone.set_faults()
    (left,) = desk.left
    picture = photograph(left.path)

    with pytest.raises(PasswordWrong):
        desk.change("wrong")
    (again,) = desk.left
    assert (again.path, again.kind) == (left.path, "resumable")
    assert photograph(again.path) == picture

    desk.change()
    assert [each.kind for each in desk.left] == ["set_aside"]
    result = desk.now(TWO)
    assert not result.full
    assert desk.left == []


def test_a_message_that_nobody_knows_is_answered(desk: Desk) -> None:
    desk.now(ONE)
    desk.phone.set_faults(UnknownMessage())
    desk.change()
    assert desk.phone.backup_password == TWO
    assert any("DLMessageMakeTea" in caution for caution in desk.told.cautions)


def test_a_wrong_old_password(desk: Desk, keychain: Keychain, ring: FileKeyring) -> None:
    desk.now(ONE)
    picture = photograph(desk.path, but=["proofs"])
    ring.set_password("ibackup", desk.phone.udid, ONE)
    with pytest.raises(PasswordWrong) as caught:
        desk.change("wrong", keychain=keychain)
    assert caught.value.error_code == 207
    assert "Reset All Settings" in caught.value.hint
    assert "does not open the newest snapshot" in desk.told.cautions[0]
    assert desk.phone.backup_password == ONE
    assert ring.entries() == {desk.phone.udid: ONE}
    assert {name: each for name, each in photograph(desk.path).items() if "snapshots" in name} == {
        name: each for name, each in picture.items() if "snapshots" in name
    }
    assert desk.left == []


@pytest.mark.parametrize(
    ("passcode", "said"),
    [
        (Passcode(kind="cancelled", delay_s=0.05), "was cancelled"),
        (Passcode(kind="never", delay_s=2.0), "not entered on the iPhone in time"),
    ],
)
def test_no_passcode(
    desk: Desk, passcode: Passcode, said: str, monkeypatch: pytest.MonkeyPatch, keychain: Keychain
) -> None:
    if passcode.kind == "never":
        monkeypatch.setattr("ibackup.device.refusals.backup_refusals.PROMPT_STANDS_S", 0.3)
    desk.now(ONE)
    desk.phone.passcode = passcode
    with pytest.raises(PersonNeeded, match=said):
        desk.change(keychain=keychain)
    assert [each.kind for each in desk.told.prompts] == ["passcode"]
    assert desk.phone.backup_password == ONE
    assert keychain.pending(desk.phone.udid) is None
    assert len(desk.snapshots) == 1
    assert desk.left == []


def test_a_locked_phone_that_shows_no_prompt(desk: Desk) -> None:
    desk.phone.set_faults(ErrorCodeAt(where="start", code=208, text="Device locked"))
    with pytest.raises(PersonNeeded, match="The iPhone is locked"):
        desk.change()


def test_a_slow_passcode_is_waited_for(desk: Desk) -> None:
    desk.now(ONE)
    desk.phone.passcode = Passcode(kind="late", delay_s=0.6)
    desk.change()
    assert [each.kind for each in desk.told.prompts] == ["passcode"]
    assert desk.snapshots[-1].meta.rewraps


def test_an_error_after_it_was_done(desk: Desk, keychain: Keychain) -> None:
    """The phone has encrypted the keybag again, and then says that something went wrong."""
    desk.now(ONE)
    desk.phone.set_faults(ErrorCodeAt(where="end", code=104))
    with pytest.raises(PhoneRefused) as caught:
        desk.change(keychain=keychain)
    assert "did accept the new password" in caught.value.message
    assert desk.phone.backup_password == TWO
    assert keychain.password(desk.phone.udid) == TWO
    assert keychain.earlier(desk.phone.udid) == (ONE,)
    desk.phone.set_faults()
    desk.phone.change(added=1)
    assert not desk.now(TWO).full
    assert desk.left == []


def test_a_snapshot_under_yet_another_password(desk: Desk) -> None:
    desk.now(ONE)
    desk.phone.set_backup_password(TWO)
    outcome = desk.change(TWO, THREE)
    assert outcome.next_is_full
    assert "does not open the newest snapshot" in desk.told.cautions[0]
    assert len(desk.snapshots) == 1
    assert desk.left == []


def test_a_damaged_snapshot_is_not_made_one_again(desk: Desk) -> None:
    desk.now(ONE)
    path = next(
        path
        for path in Path(desk.snapshots[0].backup_path).glob("*/*")
        if path.is_file() and path.stat().st_size > 64
    )
    flip(path)
    outcome = desk.change()
    assert not outcome.snapshot
    assert any("is damaged, so it is not used for a new one" in text for text in desk.told.cautions)
    assert desk.left == []
    result = desk.now(TWO)
    assert_is_the_phone(result.path, desk.phone, TWO)


def test_not_encrypted_and_the_same_again(make_desk: MakeDesk, desk: Desk) -> None:
    with pytest.raises(UsageError, match="new password is the same as the old one"):
        desk.change(ONE, ONE)
    plain = make_desk(SMALL)
    with pytest.raises(UsageError, match="not encrypted"):
        plain.change()


def test_while_a_backup_is_under_way(desk: Desk) -> None:
    desk.now(ONE)
    with desk.folder.lock(), pytest.raises(PhoneBusy):
        desk.change()
    assert desk.phone.backup_password == ONE


def test_a_disk_without_links(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.now(ONE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("fcntl.ioctl", refuse)
    outcome = desk.change()
    assert desk.phone.backup_password == TWO
    assert (outcome.snapshot, outcome.next_is_full) == ("", True)
    assert "ibackup cannot make a snapshot under the new password" in desk.told.cautions[0]
    assert desk.left == []
    desk.now(TWO, copies=True)
    outcome = desk.change(TWO, THREE)
    assert outcome.snapshot


def test_the_keychain_through_a_change(desk: Desk, keychain: Keychain, ring: FileKeyring) -> None:
    udid = desk.phone.udid
    keychain.keep(udid, ONE)
    desk.now(ONE)
    seen: list[dict[str, str]] = []
    real = desk.phone.set_backup_password

    def looking(password: str | None) -> None:
        seen.append(ring.entries())
        real(password)

    desk.phone.set_backup_password = looking  # type: ignore[method-assign]
    assert desk.change(keychain=keychain).in_keychain
    # Both were there before the phone took the new one.
    assert seen == [{udid: ONE, f"{udid} new": TWO}]
    assert ring.entries() == {udid: TWO, f"{udid} earlier": ONE}
    desk.change(TWO, THREE, keychain=keychain)
    assert ring.entries() == {udid: THREE, f"{udid} earlier": f"{TWO}\n{ONE}"}


@pytest.mark.parametrize(
    "what", ["remove", "move", "copy", "store another", "store the list", "lies about the keybag"]
)
def test_a_phone_that_does_more_than_it_was_asked(
    desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it leaves does not become a snapshot, and nothing that is one was touched."""
    desk.now(ONE)
    before = photograph(desk.snapshots[0].path)
    udid = desk.phone.udid
    entry = next(each for each in desk.phone.files.files() if each.size > 100)
    path = f"{udid}/{entry.file_id[:2]}/{entry.file_id}"
    real = ChangePassword._rewrap

    def rewrap(self: ChangePassword, new: str) -> None:
        link = self._session.link
        real(self, "something else" if what == "lies about the keybag" else new)
        if what == "remove":
            link.remove([f"{udid}/Info.plist"])
        elif what == "move":
            link.move({path: f"{udid}/00/{'0' * 40}"})
        elif what == "copy":
            link.copy(path, f"{udid}/00/{'0' * 40}", 100)
        elif what == "store another":
            self._session.store(path, [b"x" * entry.size], entry.size)
        elif what == "store the list":  # the very same; and yet files and list are not of one attempt then
            listed = self._session.fetch(f"{udid}/Manifest.db")
            assert listed is not None
            self._session.store(f"{udid}/Manifest.db", [listed], len(listed))

    monkeypatch.setattr(ChangePassword, "_rewrap", rewrap)
    if what in ("remove", "move", "copy"):
        with pytest.raises(ProtocolBroken):
            desk.change()
    else:
        outcome = desk.change()
        assert (outcome.snapshot, outcome.next_is_full) == ("", True)
        assert any("no snapshot under it yet" in text for text in desk.told.cautions)
    assert len(desk.snapshots) == 1
    assert photograph(desk.snapshots[0].path) == before
