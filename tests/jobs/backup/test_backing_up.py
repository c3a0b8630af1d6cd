"""Full and incremental backups, encrypted or not, of phones of every kind; what is told and what comes of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost, PasswordNeeded
from ibackup.base.events import Event, PhaseStarted, Progress, PromptDone
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.faults import UnreadableFile
from ibackup.simulator.spec import Passcode
from support.runs import PASSWORD, SMALL, Lab, Told, assert_is_the_phone, assert_sealed, photograph

pytestmark = pytest.mark.usefixtures("as_phones_do")
MakeLab = Callable[..., Lab]


@pytest.mark.promise('"Done" means proven')
def test_first_incremental_and_full(lab: Lab) -> None:
    phone = lab.phone
    first = lab.now()
    assert (first.full, first.encrypted, first.checked, first.carried_files) == (True, False, "manifest", 0)
    assert (first.resumed_bytes, first.flawed, first.udid) == (0, (), phone.udid)
    assert_is_the_phone(first.path, phone)
    assert_sealed(first.path)
    before = photograph(first.path)

    phone.change(added=2, changed=2, removed=1, seed=1)
    second = lab.now()
    sent = sum(1 for line in phone.journal.details("backup") if line.startswith("full"))
    assert (second.full, sent) == (False, 0)
    assert second.carried_files > 10
    assert second.received_bytes < first.received_bytes
    assert_is_the_phone(second.path, phone)
    assert_sealed(second.path)

    third = lab.now(full=True)
    assert (third.full, third.carried_files) == (True, 0)
    assert_is_the_phone(third.path, phone)
    assert photograph(first.path) == before
    assert [each.meta.sequence for each in lab.snapshots] == [1, 2, 3]
    assert [each.id for each in lab.snapshots] == [first.snapshot, second.snapshot, third.snapshot]
    assert lab.left == []
    for snapshot in lab.snapshots:
        assert prove(snapshot.backup_path, Level.DEEP, snapshot=snapshot).good


def test_the_record_says_what_the_result_says(backed_up: Lab) -> None:
    backed_up.phone.change(changed=1)
    result = backed_up.now()
    record = json.loads((Path(result.path) / "snapshot.json").read_text())
    names = ("udid", "files", "bytes", "received_bytes", "full", "encrypted", "carried_files", "checked")
    assert {name: record[name] for name in names} == {name: getattr(result, name) for name in names}
    stored = [path for path in (Path(result.path) / result.udid).rglob("*") if path.is_file()]
    assert (result.files, result.bytes) == (len(stored), sum(path.stat().st_size for path in stored))
    assert record["device_name"] == SMALL.name
    assert record["flawed"] == []


def test_what_is_reported(lab: Lab) -> None:
    lab.now()
    assert lab.told.phases == ["find", "scan", "receive", "finish", "check", "seal"]
    percents = [event.percent for event in lab.told.events if isinstance(event, Progress)]
    known = [percent for percent in percents if percent is not None]
    assert known == sorted(known)
    assert known[-1] == 100
    assert any("Everything is sent" in note and str(lab.path) in note for note in lab.told.notes)
    lab.now()
    assert lab.told.phases[:2] == ["find", "prepare"]


@pytest.mark.promise('"Done" means proven')
def test_encrypted_with_and_without_its_password(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, backup_password=PASSWORD))
    asked: list[str] = []
    first = lab.now(asked.append)
    assert (first.encrypted, first.checked, asked) == (True, "phone", [lab.phone.udid])
    assert lab.told.cautions == []
    assert_is_the_phone(first.path, lab.phone, PASSWORD)

    second = lab.now(PASSWORD)
    assert (second.encrypted, second.checked, second.full) == (True, "manifest", False)

    third = lab.now("not this")
    assert third.checked == "phone"
    assert any("does not open this backup" in caution for caution in lab.told.cautions)
    assert "not this" not in repr(lab.told.events)

    def none(_udid: str) -> str:
        raise PasswordNeeded("The password file cannot be read.")

    assert lab.now(none).checked == "phone"
    assert lab.told.cautions == ["The password file cannot be read."]
    assert_sealed(third.path)


def test_the_password_changes_and_goes(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, backup_password=PASSWORD))
    lab.now(PASSWORD)
    lab.phone.set_backup_password("another one")
    changed = lab.now("another one")
    assert (changed.full, changed.checked) == (True, "manifest")
    assert_is_the_phone(changed.path, lab.phone, "another one")
    lab.phone.set_backup_password(None)
    plain = lab.now()
    assert (plain.full, plain.encrypted, plain.checked) == (True, False, "manifest")
    assert_is_the_phone(plain.path, lab.phone)
    assert_is_the_phone(lab.snapshots[0].path, lab.phone, PASSWORD)


@pytest.mark.parametrize(
    "how",
    [
        {"ios_version": "15.8.3", "device_link_version": 300, "build_version": "19H386"},
        {"ios_version": "26.1", "build_version": "23B85", "chunk_size": 1 << 17},
        {"connection_types": ("Network",)},
        {"connection_types": ("Network", "USB"), "mux_serial_dashless": True},
        {"device_class": "iPad", "product_type": "iPad13,4"},
        {"udid": "c0ffee00" * 5},
    ],
    ids=["ios15", "ios26", "network", "both", "ipad", "old-udid"],
)
def test_phones_of_every_kind(make_lab: MakeLab, how: dict[str, object]) -> None:
    lab = make_lab(replace(SMALL, **how))  # type: ignore[arg-type]
    result = lab.now()
    assert result.udid == lab.phone.udid
    assert_is_the_phone(result.path, lab.phone)
    assert_sealed(result.path)
    words = " ".join(str(event) for event in lab.told.events)
    noun = lab.phone.spec.device_class
    assert f"The {noun} is preparing" in words
    assert ("iPhone" in words) is (noun == "iPhone")


def test_the_passcode_is_asked_for(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, device_class="iPad", passcode=Passcode(kind="late", delay_s=0.6)))
    lab.now()
    assert [(prompt.kind, "passcode on the iPad" in prompt.text) for prompt in lab.told.prompts] == [
        ("passcode", True)
    ]
    assert PromptDone("passcode") in lab.told.events
    assert lab.told.phases == ["find", "scan", "passcode", "scan", "receive", "finish", "check", "seal"]


@pytest.mark.promise('"Done" means proven')
def test_unreadable_files_are_named(lab: Lab) -> None:
    entry = next(each for each in lab.phone.files.files() if each.domain == "HomeDomain" and each.size > 100)
    lab.phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path, after=50))
    result = lab.now()
    (named,) = result.flawed
    assert named.path == f"{entry.file_id[:2]}/{entry.file_id}"
    assert named.device_path.endswith(entry.path)
    assert (named.reason, named.text) == ("unreadable", "Input/output error; its first 50 bytes are kept")
    assert lab.snapshots[0].meta.flawed == result.flawed
    assert_sealed(result.path)
    assert prove(lab.snapshots[0].backup_path, Level.DEEP, snapshot=lab.snapshots[0]).status == "flawed"
    lab.phone.set_faults()
    assert lab.now().flawed == result.flawed  # the file is there, so the phone does not send it again
    assert lab.now(full=True).flawed == ()
    assert_is_the_phone(lab.snapshots[2].path, lab.phone)


def test_a_file_that_was_being_written_is_no_trouble(lab: Lab) -> None:
    entry = next(each for each in lab.phone.files.files() if each.domain == "HomeDomain" and each.size > 100)
    lab.phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path, heals=True))
    assert lab.now().flawed == ()
    assert_is_the_phone(lab.snapshots[0].path, lab.phone)


def test_a_pulled_cable_is_noticed_at_once(lab: Lab) -> None:
    def pull(event: Event) -> bool:
        if isinstance(event, PhaseStarted) and event.phase == "receive":
            lab.server.detach(lab.phone)
        return False

    lab.fails(ConnectionLost, told=Told(stop=pull))
    lab.server.attach(lab.phone)
    assert_is_the_phone(lab.now().path, lab.phone)
