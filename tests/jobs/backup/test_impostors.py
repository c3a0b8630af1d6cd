"""Something on the cable that knows a phone's UDID and nothing else, and a phone that wants more than it needs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.base.errors import ProtocolBroken
from ibackup.base.exit_codes import ExitCode
from ibackup.device.lockdown.pairing import OtherKey
from ibackup.simulator.faults import HostilePath
from ibackup.store import phone_keys
from support.runs import Lab, assert_is_the_phone

Forget = Callable[[Lab], object]


def in_the_store(lab: Lab) -> None:
    change_key(Path(lab.folder.path) / "key.json")


def in_the_state(lab: Lab) -> None:
    change_key(Path(phone_keys.own_folder(lab.phone.udid)) / "key.json")


def change_key(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0" * 64}))


@pytest.mark.parametrize("place", [in_the_store, in_the_state])
def test_a_phone_with_another_key_than_the_one_that_was_backed_up(lab: Lab, place: Forget) -> None:
    """Whatever the pair record says: usbmuxd may have paired with something else by itself."""
    lab.now()
    place(lab)
    error = lab.fails(OtherKey)
    assert error.exit_code == ExitCode.PERSON_NEEDED
    assert "--new-key" in error.hint
    assert len(lab.snapshots) == 1
    lab.now(vouches=lambda _error: True)
    lab.now()
    assert len(lab.snapshots) == 3


@pytest.mark.promise("The phone is not trusted with the computer")
def test_a_phone_is_known_under_every_spelling(lab: Lab) -> None:
    """Or an impostor would only have to write the UDID otherwise, where the store is away or new."""
    lab.now()
    udid = lab.phone.udid
    for spelled in (udid, udid.lower(), udid.upper(), udid.replace("-", "")):
        assert len(phone_keys.Keys(None).known(spelled)) == 1
        assert phone_keys.Keys(None).known(spelled) == phone_keys.Keys(lab.store).known(spelled)
    assert phone_keys.Keys(None).known(f"{udid[:-1]}{'0' if udid[-1] != '0' else '1'}") == frozenset()


def test_a_udid_that_is_none_is_the_phones_fault(lab: Lab) -> None:
    with pytest.raises(ProtocolBroken, match="is not a UDID"):
        phone_keys.Keys(lab.store).known("not-hexadecimal")


@pytest.mark.parametrize("blob", [True, False])
def test_a_phone_is_given_what_a_backup_needs_and_nothing_else(lab: Lab, blob: bool) -> None:
    lab.now()
    before = lab.snapshots[-1]
    file = next(Path(before.backup_path).glob("??/*")).name
    path = f"{lab.phone.udid}/{file[:2]}/{file}" if blob else f"{lab.phone.udid}/Snapshot/00/Manifest.db"
    lab.phone.set_faults(HostilePath(place="download", path=path))
    lab.now()
    assert [text for text in lab.told.cautions if "which no backup needs" in text and "refused it" in text]
    assert_is_the_phone(lab.snapshots[-1].path, lab.phone)
