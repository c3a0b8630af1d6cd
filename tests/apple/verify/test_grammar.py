"""The grammar of a list: every rule broken once, found at every level and by the check after a backup."""

from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.fitting import Stored
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.mbfile import outline
from ibackup.apple.verify.findings import Finding, Level
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.grammar import Grammar
from ibackup.apple.verify.list_check import check_manifest
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import PhoneRefused
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.restore.rehearsal import rehearse
from ibackup.vault.unlocker import Unlocker
from support.impossible import IMPOSSIBLE, Flaw
from support.minted import Mint, Minted, Spec

FIXTURE = Path(__file__).parents[4] / "shared" / "fixtures" / "real-ios-14.3"
PASSWORD = "geheim"
passwords = pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])


def checked(made: Minted) -> list[Finding]:
    def stored(folder: str) -> dict[str, Stored]:
        full = made.folder / folder
        return {path.name: Stored(path.stat().st_size) for path in full.iterdir()} if full.is_dir() else {}

    with Backup.open(made.folder) as backup:
        if made.password is not None:
            backup.unlock(made.password)
        return list(check_manifest(backup, stored))


def verified(made: Minted, level: Level) -> list[Finding]:
    with Backup.open(made.folder) as backup:
        if made.password is not None:
            backup.unlock(made.password)
        return list(verify(backup, level))


@passwords
@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_row_that_no_phone_writes(mint: Mint, name: str, password: str | None) -> None:
    flaw: Flaw = IMPOSSIBLE[name]
    if flaw.encrypted_only and password is None:
        pytest.skip("a rule for encrypted backups")
    made = flaw.mint(mint, password)
    kinds = set(flaw.kinds)
    for level in Level:
        damage = [finding for finding in verified(made, level) if finding.is_damage]
        assert {finding.kind for finding in damage} & kinds, level
        assert all(finding.expected and finding.found for finding in damage)
    assert {finding.kind for finding in checked(made) if finding.is_damage} & kinds
    outcome = rehearse(BackupSource(str(made.folder)), Unlocker(lambda _: made.password))
    assert isinstance(outcome.error, PhoneRefused)
    if flaw.code:
        assert outcome.error.error_code == flaw.code


@passwords
def test_folders_without_rows_are_named(mint: Mint, password: str | None) -> None:
    specs = [
        Spec("HomeDomain", "", flags=2),
        *(Spec("HomeDomain", f"Library/{n:02}/file", b"x") for n in range(3)),
        Spec("CameraRollDomain", "a.jpg", b"x"),
    ]
    made = mint(password, specs=specs, parents=False)
    for level in Level:
        found = [(f.kind, f.domain, f.path) for f in verified(made, level)]
        wanted = [("HomeDomain", f"Library/{n:02}") for n in range(3)]  # a root is there without a row
        assert sorted(found) == sorted((K.ROW_IMPOSSIBLE, *names) for names in wanted)


def test_what_a_sealed_list_has_is_the_phones_own_flaw(mint: Mint) -> None:
    from ibackup.apple.verify.seal import Seal

    made = mint(specs=[Spec("HomeDomain", "Library/x", b"x")], parents=False)
    made.seal()
    for level in Level:
        with Backup.open(made.folder) as backup:
            findings = list(verify(backup, level, seal=Seal.read(made.root / "SHA256SUMS")))
        assert [(f.kind, f.is_flaw) for f in findings] == [(K.ROW_IMPOSSIBLE, True)]


@pytest.mark.skipif(not FIXTURE.exists(), reason="the real Manifest.db lies beside a working copy only")
def test_the_list_of_a_real_phone_follows_the_grammar() -> None:
    database = ManifestDb.open_path(str(FIXTURE / "Manifest.db"))
    grammar = Grammar(encrypted=True, flat=False, sealed=False)
    assert list(grammar.read(database)) == []
    assert [f for row in database.rows() for f in grammar.record(row, row.record())] == []  # type: ignore[arg-type,union-attr]
    glancing = Grammar(encrypted=True, flat=False, sealed=False)
    glance = glancing.taking()

    def takes(_id: bytes, domain: bytes, path: bytes, flags: int, record: bytes) -> bool:
        size, mode, parts = outline(record)
        return glance(domain, path, flags, mode, parts, size)

    seen = database.rows(settles=takes)
    assert list(seen) == []
    assert list(glancing.whole(database)) == []
    database.close()


def test_many_folders_without_rows_are_counted(mint: Mint) -> None:
    specs = [Spec("HomeDomain", "", flags=2)] + [Spec("HomeDomain", f"{n}/x", flags=2) for n in range(1500)]
    made = mint(specs=specs, parents=False)
    findings = [finding for finding in verified(made, Level.QUICK) if finding.is_damage]
    assert len(findings) == 1001
    assert findings[-1].found.startswith("500 more")
