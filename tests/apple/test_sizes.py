"""Files that are long beyond what their records allow, and have no content: nobody reads them to their end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from explore.taking import PASSWORD
from ibackup.apple.backup import Backup
from ibackup.apple.fitting import MOST_UNRECORDED, Stored, most_bytes
from ibackup.apple.format_errors import FormatError
from ibackup.apple.reasons import Reason
from ibackup.apple.verify.findings import Finding, Level
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.list_check import check_manifest
from ibackup.apple.verify.seal import Seal
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import DamageFound, UsageError
from ibackup.explore.extraction import Wanted, extract
from ibackup.explore.file_writer import Trouble
from ibackup.explore.selection import Selection
from ibackup.jobs.keeping.importing import ImportRequest, adopt
from ibackup.jobs.proving.folder_seal import make_seal
from ibackup.store.records.snapshot import hash_file
from ibackup.store.store import Store
from support.minted import Mint, Minted, Spec

LENGTH = 1 << 40
DIGESTED = ("HomeDomain", "Library/SMS/sms.db")
NOT_DIGESTED = ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC")
passwords = pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
whats = pytest.mark.parametrize("what", [DIGESTED, NOT_DIGESTED], ids=["digest", "no digest"])


def lengthen(path: Path, length: int = LENGTH) -> None:
    """Make it so long, without content."""
    os.truncate(path, length)


def found_in(made: Minted, level: Level, seal: Seal | None, **more: object) -> list[Finding]:
    with Backup.open(made.folder, known=True) as backup:
        if made.password is not None:
            backup.unlock(made.password)
        return list(verify(backup, level, seal=seal, **more))  # type: ignore[arg-type]


def take_out(made: Minted, to: Path) -> tuple[int, list[Trouble]]:
    """Number of files that were written, and what was told of others."""
    told: list[object] = []
    with Backup.open(made.folder) as backup:
        if made.password is not None:
            backup.unlock(made.password)
        done = extract(backup, Wanted(Selection(), str(to)), told.append)
    return done.files, [each for each in told if isinstance(each, Trouble)]


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@passwords
@whats
@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("sealed", [False, True], ids=["unsealed", "sealed"])
def test_verify_names_it_and_does_not_read_it(
    mint: Mint, what: tuple[str, str], level: Level, password: str | None, sealed: bool
) -> None:
    made = mint(password)
    seal = Seal.read(made.seal()) if sealed else None
    lengthen(made.blob(*what))
    findings = [each for each in found_in(made, level, seal) if each.path == what[1]]
    assert (findings[0].kind, findings[0].is_damage, findings[0].reason) == (
        K.SIZE_DIFFERS,
        True,
        Reason.SIZE,
    )
    assert f"{LENGTH:,} bytes" in findings[0].found


def test_what_was_known_of_it_stays_a_flaw(mint: Mint) -> None:
    made = mint()
    seal = Seal.read(made.seal())
    blob = made.blob(*NOT_DIGESTED)
    lengthen(blob)
    path = blob.relative_to(made.folder).as_posix()
    (finding,) = found_in(made, Level.FULL, seal, flawed={path: Reason.SIZE})
    assert (finding.kind, finding.is_flaw) == (K.SIZE_DIFFERS, True)


@pytest.mark.parametrize("level", [Level.FULL, Level.DEEP])
def test_a_sealed_file_that_no_record_mentions(mint: Mint, level: Level) -> None:
    made = mint()
    top = made.folder / "Status.plist"
    row = made.blob(*NOT_DIGESTED)
    made.edit_database(lambda db: db.execute("DELETE FROM Files WHERE relativePath = ?", (NOT_DIGESTED[1],)))
    seal = Seal.read(made.seal())
    for path in (top, row):
        lengthen(path)
    told = {finding.file for finding in found_in(made, level, seal) if finding.kind is K.SIZE_DIFFERS}
    assert told == {"Status.plist", row.relative_to(made.folder).as_posix()}


@passwords
def test_a_list_that_is_too_long(mint: Mint, password: str | None) -> None:
    made = mint(password)
    lengthen(made.folder / "Manifest.db")
    assert [each.kind for each in found_in(made, Level.FULL, None)][:1] == [K.MANIFEST_DAMAGED]


@whats
def test_a_manifest_is_compared_without_reading_it(mint: Mint, what: tuple[str, str]) -> None:
    made = mint()
    lengthen(made.blob(*what))

    def stored(prefix: str) -> dict[str, Stored]:
        return {path.name: Stored(path.stat().st_size) for path in (made.folder / prefix).glob("*")}

    with Backup.open(made.folder) as backup:
        (finding,) = check_manifest(backup, stored)
    assert (finding.kind, finding.path) == (K.SIZE_DIFFERS, what[1])


@passwords
def test_what_is_taken_out_is_cut_there_and_reported(
    mint: Mint, tmp_path: Path, password: str | None
) -> None:
    spec = Spec("HomeDomain", "Library/file", b"a" * 200)
    made = mint(password, specs=[spec])
    lengthen(made.blob(spec.domain, spec.path))
    for new in (1, 0):
        done, troubles = take_out(made, tmp_path / "out")
        assert (done, [(each.kind, each.written) for each in troubles]) == (new, [("long", True)])
        assert (tmp_path / "out" / spec.domain / spec.path).read_bytes() == spec.content


@passwords
def test_an_entry_is_not_opened(mint: Mint, password: str | None) -> None:
    made = mint(password)
    lengthen(made.blob(*NOT_DIGESTED))
    with Backup.open(made.folder) as backup:
        if password is not None:
            backup.unlock(password)
        entry = backup.entry(*NOT_DIGESTED)
        assert entry is not None
        with pytest.raises(FormatError) as told:
            entry.open()
    assert f"{LENGTH:,}" in told.value.why


@pytest.mark.parametrize(
    "place",
    [
        lambda made: made.blob(*NOT_DIGESTED),
        lambda made: made.folder / "00" / ("0" * 40),
        lambda made: made.folder / "more",
    ],
    ids=["listed", "not listed", "beside"],
)
def test_an_import_is_refused(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[Minted], Path]
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = mint()
    path = place(made)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    lengthen(path)
    store = Store.open(tmp_path / "store")
    with pytest.raises(DamageFound) as told:
        adopt(ImportRequest(store, str(made.folder), settled=True))
    assert path.name in told.value.message
    assert [phone.newest() for phone in store.phones() if phone.newest()] == []


def test_no_seal_is_made_over_it(mint: Mint, tmp_path: Path) -> None:
    made = mint()
    extra = made.folder / "00" / ("0" * 40)
    extra.parent.mkdir(exist_ok=True)
    extra.touch()
    lengthen(extra)
    with pytest.raises(UsageError, match="large"):
        make_seal(str(made.folder), str(tmp_path / "seal"))
    assert not (tmp_path / "seal").exists()
    with pytest.raises(OSError, match="large"):
        hash_file(str(extra))


def test_how_much_longer_a_file_can_be() -> None:
    assert most_bytes(-(1 << 62)) == most_bytes(0) == 256 << 20
    assert most_bytes(MOST_UNRECORDED) > MOST_UNRECORDED


@passwords
@pytest.mark.parametrize("level", list(Level))
def test_a_record_that_claims_what_no_phone_holds(mint: Mint, level: Level, password: str | None) -> None:
    """A record costs its maker as little as the file without content that it fits."""
    length = 12 << 40
    made = mint(password, specs=[Spec("HomeDomain", "Library/file", b"a" * 200, size=length)])
    blob = made.blob("HomeDomain", "Library/file")
    lengthen(blob, length + 16 if password else length)
    findings = [each for each in found_in(made, level, None) if each.path == "Library/file"]
    assert [(each.kind, each.reason) for each in findings] == [(K.SIZE_DIFFERS, Reason.SIZE)]
