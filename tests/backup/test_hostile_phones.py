"""The phone is not trusted with the computer: whatever it names, only the working copy is touched."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.confined import PathRefused
from ibackup.device import session
from ibackup.errors import PhoneRefused, ProtocolBroken
from ibackup.simulator.faults import GiantFrame, GiantPlist, HostilePath, PathPlace, UnknownMessage
from support.runs import SMALL, Lab, assert_is_the_phone, photograph

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
    """Things beside and above the working copy that somebody would miss."""
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
    """Somebody who can write into the store put a link where the phone's next file goes."""
    from ibackup.store import WorkingCopy

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


@pytest.mark.parametrize(
    "fault", [GiantFrame(), GiantPlist(), UnknownMessage()], ids=["frame", "plist", "message"]
)
def test_what_no_phone_sends(lab: Lab, fault: GiantFrame | GiantPlist | UnknownMessage) -> None:
    lab.phone.set_faults(fault)
    error = lab.fails(ProtocolBroken)
    assert error.exit_code == 12
    if isinstance(fault, UnknownMessage):
        assert "DLMessageMakeTea" in error.message
    else:
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
    assert result.device_name.isprintable()
    assert lab.snapshots[0].meta.device_name == result.device_name


def test_a_phone_that_never_stops_asking(backed_up: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = photograph(backed_up.snapshots[0].path)
    backed_up.phone.change(added=1)
    monkeypatch.setattr(session, "MOST_REQUESTS", 20)
    error = backed_up.fails(ProtocolBroken)
    assert "20 things" in error.message
    assert photograph(backed_up.snapshots[0].path) == before
    monkeypatch.setattr(session, "MOST_REQUESTS", 20_000)
    backed_up.now()
