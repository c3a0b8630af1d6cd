"""The phone is not trusted with the computer: whatever it names, only the working copy is touched."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import PhoneRefused, ProtocolBroken
from ibackup.base.identities import JOINERS
from ibackup.device.backup2.backup_session import BackupSession
from ibackup.simulator.faults import GiantFrame, GiantPlist, HostilePath, PathPlace, UnknownMessage
from support.runs import SMALL, Lab, assert_is_the_phone, photograph

pytestmark = pytest.mark.promise("The phone is not trusted with the computer")

MakeLab = Callable[..., Lab]

_PLACES: tuple[PathPlace, ...] = (
    "upload",
    "download",
    "move_source",
    "move_destination",
    "remove",
    "create_directory",
    "list",
    "copy_source",
    "copy_destination",
    "remove_directory",
)


@pytest.fixture
def surroundings(backed_up: Lab) -> Path:
    """Things beside and above the working copy that someone would miss."""
    outside = backed_up.path.parent / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("only copy")
    (backed_up.path / "notes.txt").write_text("about the store")
    return backed_up.path.parent


def paths(lab: Lab) -> dict[str, str]:
    udid, first = lab.phone.udid, lab.snapshots[0]
    return {
        "absolute": str(lab.path.parent / "outside" / "precious.txt"),
        "above": f"{udid}/../../../notes.txt",
        "another snapshot": f"{udid}/../../snapshots/{first.id}/{udid}/Info.plist",
        "beside the folder": "run.json",
        "a drive": f"{udid}/C:/windows",
        "a backslash": f"{udid}/..\\..\\outside",
    }


@pytest.mark.parametrize("place", _PLACES)
def test_paths_outside(backed_up: Lab, surroundings: Path, place: PathPlace) -> None:
    udid = backed_up.phone.udid
    first = backed_up.snapshots[0].id
    change_nothing_in = ("outside", "store/notes.txt", f"store/{udid}/snapshots", "store/store.json")
    before = photograph(surroundings)
    for name, path in paths(backed_up).items():
        if name in {"a drive", "a backslash", "beside the folder"} and place not in {"upload", "remove"}:
            continue
        backed_up.phone.set_faults(HostilePath(place=place, path=path))
        error = backed_up.fails(PathRefused)
        assert error.exit_code == 12, name
        assert os.path.basename(path.replace("\\", "/")) in error.message, (name, error.message)
        after = photograph(surroundings)
        for known in before:
            if known.startswith(change_nothing_in):
                assert after[known] == before[known], (name, known)
        assert {each for each in after if "working-" not in each} == {
            each for each in before if "working-" not in each
        } | {f"store/{udid}/lock"}, name
    backed_up.phone.set_faults()
    assert_is_the_phone(backed_up.now().path, backed_up.phone)
    assert first == backed_up.snapshots[0].id


def test_a_link_in_the_working_copy_is_not_followed(
    backed_up: Lab, surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone who can write into the store put a link where the phone's next file goes."""
    from ibackup.store.work.working_copy import WorkingCopy

    create = WorkingCopy.create

    def with_links(*arguments: object, **options: object) -> WorkingCopy:
        working = create(*arguments, **options)  # type: ignore[arg-type]
        snapshot = Path(working.root) / "Snapshot"
        snapshot.symlink_to(surroundings / "outside")
        return working

    monkeypatch.setattr(WorkingCopy, "create", with_links)
    before = photograph(surroundings / "outside")
    with pytest.raises(PathRefused, match="Snapshot"):
        backed_up.now()
    assert photograph(surroundings / "outside") == before
    monkeypatch.undo()


def test_a_message_that_nobody_knows(lab: Lab) -> None:
    """One is answered, and the backup continues; without end they are not."""
    lab.phone.set_faults(UnknownMessage())
    assert_is_the_phone(lab.now().path, lab.phone)
    assert len([caution for caution in lab.told.cautions if "DLMessageMakeTea" in caution]) == 1
    lab.phone.set_faults(UnknownMessage(count=1001))
    assert "more than 1,000 messages" in lab.fails(ProtocolBroken).message


@pytest.mark.parametrize("fault", [GiantFrame(), GiantPlist()], ids=["frame", "plist"])
def test_what_no_phone_sends(lab: Lab, fault: GiantFrame | GiantPlist) -> None:
    lab.phone.set_faults(fault)
    error = lab.fails(ProtocolBroken)
    assert error.exit_code == 12
    assert "4,294,967,280" in error.message
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)


@pytest.mark.parametrize(
    "name", ["../../outside", "..", "00008101-0000000000000000/../x", "CON", "\u202e" * 25]
)
def test_a_phone_that_calls_itself_a_path(make_lab: MakeLab, name: str) -> None:
    """Its UDID becomes a folder's name, so it has to be one."""
    lab = make_lab(replace(SMALL, lockdown={("", "UniqueDeviceID"): name}))
    with pytest.raises(PhoneRefused, match=r"UDID|identifier"):
        lab.now()
    assert sorted(os.listdir(lab.path.parent)) == ["state", "store"]
    assert os.listdir(lab.path) == ["store.json"]


def test_a_device_name_in_every_script(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, name="\x9b2J \u202e phone/../ \N{PILE OF POO} \u200d"))
    result = lab.now()
    assert "phone/../ \N{PILE OF POO}" in result.device_name
    assert "".join(char for char in result.device_name if char not in JOINERS).isprintable()
    assert lab.snapshots[0].meta.device_name == result.device_name


def test_a_phone_that_never_stops_asking(backed_up: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = photograph(backed_up.snapshots[0].path)
    backed_up.phone.change(added=1)
    monkeypatch.setattr(BackupSession, "most_requests", 20)
    error = backed_up.fails(ProtocolBroken)
    assert "20 things" in error.message
    assert photograph(backed_up.snapshots[0].path) == before
    monkeypatch.setattr(BackupSession, "most_requests", 20_000)
    backed_up.now()
