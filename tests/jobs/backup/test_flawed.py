"""What the phone sent is kept, also where it is not what the phone's own list says: named, and never called good."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.errors import ConnectionLost, DamageFound
from ibackup.simulator.content import PhoneFile
from ibackup.simulator.faults import DropInPhase, HostileSchema, LyingFile
from ibackup.store.records.snapshot import Flawed
from support.runs import PASSWORD, SMALL, Lab, assert_is_the_phone, assert_sealed

MakeLab = Callable[..., Lab]


def a_file(lab: Lab) -> PhoneFile:
    """One that has a Digest."""
    return next(each for each in lab.phone.files.files() if each.domain == "HomeDomain" and each.size > 1000)


def stored(lab: Lab, entry: PhoneFile) -> Path:
    """Where it is in the newest snapshot."""
    return Path(lab.snapshots[-1].backup_path, entry.file_id[:2], entry.file_id)


def rot(file: Path) -> None:
    """Turn one bit, as a disk does: neither size nor time tell."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    file.chmod(0o400)


def names(flawed: tuple[Flawed, ...]) -> list[tuple[str, str, str]]:
    return [(each.device_path, each.path, each.reason.value) for each in flawed]


@pytest.mark.promise('"Done" means proven')
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize(("how", "reason"), [("flipped", "digest"), ("empty", "empty"), ("short", "size")])
def test_what_is_not_as_the_list_says_is_kept_and_named(
    make_lab: MakeLab, password: str | None, how: str, reason: str
) -> None:
    lab = make_lab(replace(SMALL, backup_password=password))
    entry = a_file(lab)
    lab.phone.set_faults(LyingFile(domain=entry.domain, path=entry.path, how=how))  # type: ignore[arg-type]
    expected = [
        (
            f"{entry.domain}/{entry.path}",
            f"{entry.file_id[:2]}/{entry.file_id}",
            "size" if how == "empty" and password is None else reason,
        )
    ]
    result = lab.now(password)
    assert (names(result.flawed), result.checked) == (expected, "manifest")
    assert lab.snapshots[-1].meta.flawed == result.flawed
    assert_sealed(result.path)
    # It does not come again before it changes, so it stays what it was.
    lab.phone.set_faults()
    lab.phone.change(added=1)
    assert names(lab.now(password).flawed) == expected
    assert names(lab.now().flawed) == expected  # without the password, too
    lab.phone.files.write(entry.domain, entry.path, b"whole again " * 100)
    result = lab.now(password)
    assert result.flawed == ()
    assert_is_the_phone(result.path, lab.phone, password)


def test_what_was_never_compared_is_compared_when_it_can_be(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, backup_password=PASSWORD))
    entry = a_file(lab)
    lab.phone.set_faults(LyingFile(domain=entry.domain, path=entry.path))
    result = lab.now()
    assert (result.checked, result.flawed) == ("phone", ())
    lab.phone.set_faults()
    assert [reason for *_, reason in names(lab.now(PASSWORD).flawed)] == ["digest"]


def test_a_file_that_was_compared_is_not_read_again(lab: Lab) -> None:
    """Only the checksums that stand beside the snapshot spare that; without them all is read, and rot is found."""
    entry = a_file(lab)
    lab.now()
    rot(stored(lab, entry))
    assert lab.now().flawed == ()
    for sums in Path(lab.folder.proofs_path).glob("*.sha1"):
        sums.unlink()
    error = lab.fails(DamageFound)
    assert entry.path in error.why


def test_a_flaw_is_found_without_the_checksums_of_the_backup_before(lab: Lab) -> None:
    """As in a snapshot of a version that took none: what was never compared came so, if it is as it was sealed."""
    entry = a_file(lab)
    lab.phone.set_faults(LyingFile(domain=entry.domain, path=entry.path))
    flawed = lab.now().flawed
    assert [reason for *_, reason in names(flawed)] == ["digest"]
    for sums in Path(lab.folder.proofs_path).glob("*.sha1"):
        sums.unlink()
    lab.phone.set_faults()
    assert lab.now().flawed == flawed


def test_the_checksums_outlive_a_run_that_broke(lab: Lab) -> None:
    entry = a_file(lab)
    lie = LyingFile(domain=entry.domain, path=entry.path)
    lab.phone.set_faults(lie, DropInPhase(phase="moving", after=1, times=1))
    lab.fails(ConnectionLost)
    lab.phone.set_faults()
    assert [reason for *_, reason in names(lab.now().flawed)] == ["digest"]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_a_list_that_names_only_a_part_of_what_came_is_kept_and_named(
    make_lab: MakeLab, password: str | None
) -> None:
    """Nothing is thrown away for it, and nobody is told that all is well: a restore would leave those files out."""
    lab = make_lab(replace(SMALL, backup_password=password))
    left_out = {each.file_id for each in list(lab.phone.files.files())[:30]}
    among = ", ".join(f"'{each}'" for each in left_out)
    lab.phone.set_faults(HostileSchema(sql=f"DELETE FROM Files WHERE fileID IN ({among})"))
    result = lab.now(password)
    assert names(result.flawed) == [("Manifest.db", "Manifest.db", "unlisted")]
    assert result.flawed[0].text.startswith(f"there are {len(left_out)} that it does not")
    assert_sealed(result.path)
    lab.phone.set_faults()
    lab.phone.change(added=1)
    assert lab.now(password).flawed == ()  # the list of each run is new
