"""One answer: what every judge of a backup says of the same damage, the virtual phone among them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibackup.apple.backup import Backup
from ibackup.apple.fitting import Stored
from ibackup.apple.verify.findings import Finding, Level
from ibackup.apple.verify.list_check import check_manifest
from ibackup.apple.verify.seal import Seal
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import DamageFound
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.keeping.importing import ImportRequest as Adoption
from ibackup.jobs.keeping.importing import adopt
from ibackup.jobs.proving.backup_proof import prove
from ibackup.jobs.restore.rehearsal import rehearse
from ibackup.jobs.restore.restoration import Restoration
from ibackup.jobs.restore.restore_request import RestoreOptions
from ibackup.simulator.spec import PhoneSpec
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support.impossible import FILE, change_record, put, refer, set_flags
from support.minted import Mint, Minted, Spec, with_parents
from support.runs import SMALL, Told

from .conftest import ENCRYPTED, MakeBench

PASSWORD = "geheim"
DIGESTED = ("HomeDomain", "Library/a.plist")
EMPTY = ("HomeDomain", "Library/empty")
LINK = ("HomeDomain", "link")
FOLDER = ("CameraRollDomain", "Media")
FILES = (FILE, DIGESTED, EMPTY)

Damage = Callable[[Minted], object]


def specs() -> list[Spec]:
    return with_parents(
        [
            Spec(*FILE, b"content" * 1000),
            Spec(*DIGESTED, b"digested" * 500),
            Spec(*EMPTY),
            Spec(*LINK, flags=4, target="/private/var"),
        ]
    )


def of_file(names: tuple[str, str], change: Callable[[Path], object]) -> Damage:
    def damage(made: Minted) -> None:
        path = made.blob(*names)
        if path.exists():
            change(path)

    return damage


def of_record(names: tuple[str, str], change: Callable[[dict[str, object], list[object]], object]) -> Damage:
    return lambda made: made.edit_database(lambda db: change_record(db, names, change))


def spoil_key(_fields: dict[str, object], objects: list[object]) -> None:
    for each in objects:
        if isinstance(each, dict) and "NS.data" in each:
            each["NS.data"] = each["NS.data"][:-1] + bytes([each["NS.data"][-1] ^ 1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[-1] ^= 0x80  # in the last block, so that padding breaks, too
    path.write_bytes(data)


def forget(names: tuple[str, str]) -> Damage:
    file_id = Minted.file_id(*names)
    return lambda made: made.edit_database(
        lambda db: db.execute("DELETE FROM Files WHERE fileID = ?", (file_id,))
    )


CHANGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "emptied": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by a block": lambda path: os.truncate(path, max(0, path.stat().st_size - 16)),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "missing": lambda path: path.unlink(),
}


def set_kind(names: tuple[str, str], flags: int) -> Damage:
    return lambda made: made.edit_database(set_flags(names, flags))


def damages() -> Iterator[tuple[str, Damage]]:
    yield "nothing", lambda _made: None
    for names in FILES:
        for word, change in CHANGES.items():
            yield f"{names[1]} {word}", of_file(names, change)
        for size in (0, 3, 1 << 40):
            yield f"{names[1]} claims {size}", of_record(names, put(Size=size))
    for names in (*FILES, LINK, FOLDER, ("HomeDomain", "")):
        yield f"{names[1]} forgotten", forget(names)
    for names in (FILE, LINK, FOLDER):
        for flags in (1, 2, 4, 7):
            yield f"{names[1]} has flags {flags}", set_kind(names, flags)
        for mode in (0o100644, 0o40755, 0o120755):
            yield f"{names[1]} has mode {mode:o}", of_record(names, put(Mode=mode))
    yield "a key that does not open", of_record(FILE, spoil_key)
    yield "another Digest", of_record(DIGESTED, refer("Digest", b"d" * 20))
    yield "a Digest for a photo", of_record(FILE, refer("Digest", b"d" * 20))


DAMAGES = dict(damages())


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


class Answers:
    """What each of them says of a backup."""

    def __init__(self, made: Minted) -> None:
        self._made = made
        self.quick, self.full, self.deep = (self._damage(level) for level in Level)
        self.checked = [finding for finding in self._checked() if finding.is_damage]
        outcome = rehearse(BackupSource(str(made.folder)), Unlocker(lambda _: made.password))
        self.refused = outcome.error
        self.imported = {level: self._imported(level) for level in (Level.QUICK, Level.FULL)}
        verdict = prove(str(made.folder), Level.FULL, unlocker=Unlocker(lambda _: made.password))
        self.sealable = verdict.good
        made.seal()
        self.sealed_quick, self.sealed = (self._sealed(level) for level in (Level.QUICK, Level.FULL))

    def _opened(self) -> Backup:
        backup = Backup.open(self._made.folder)
        if self._made.password is not None:
            backup.unlock(self._made.password)
        return backup

    def _damage(self, level: Level) -> list[Finding]:
        with self._opened() as backup:
            return [finding for finding in verify(backup, level) if finding.is_damage]

    def _sealed(self, level: Level) -> list[Finding]:
        with self._opened() as backup:
            seal = Seal.read(self._made.root / "SHA256SUMS")
            return [f for f in verify(backup, level, seal=seal) if f.is_damage or f.is_flaw]

    def _checked(self) -> list[Finding]:
        def stored(folder: str) -> dict[str, Stored]:
            full = self._made.folder / folder
            return (
                {each.name: Stored(each.stat().st_size) for each in full.iterdir()} if full.is_dir() else {}
            )

        with self._opened() as backup:
            return list(check_manifest(backup, stored, ends=True))

    def _imported(self, level: Level) -> set[str] | None:
        """The files that an import names as not what the list says; None when it refuses the backup."""
        store = Store.open(self._made.root / f"imported at {level}", create=True)
        source, password = str(self._made.folder), self._made.password
        request = Adoption(store, source, Unlocker(lambda _: password), level=level, settled=True)
        try:
            return {file.path for file in adopt(request).snapshot.meta.flawed}
        except DamageFound:
            return None

    def agree(self) -> None:
        assert bool(self.full) == (self.refused is not None), (self.full, self.refused)
        assert names(self.quick) <= names(self.full) <= names(self.deep)
        assert names(self.quick) <= names(self.checked) <= names(self.full)
        for level, found in ((Level.QUICK, self.checked), (Level.FULL, self.full)):
            assert self.imported[level] in (None, {finding.file for finding in found}), found
            assert found or self.imported[level] is not None
        assert self.sealable == (not self.full)
        assert names(self.sealed) == names(self.full)
        assert names(self.sealed_quick) == names(self.quick)


def names(findings: list[Finding]) -> set[tuple[str, str, str]]:
    return {(finding.domain, finding.path, finding.file_id) for finding in findings}


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize("what", DAMAGES)
def test_all_judges_agree_on_one_damage(mint: Mint, what: str, password: str | None) -> None:
    made = mint(password, specs=specs())
    DAMAGES[what](made)
    Answers(made).agree()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.sampled_from(sorted(DAMAGES)), min_size=2, max_size=4, unique=True),
    added=st.lists(
        st.tuples(
            st.sampled_from(["HomeDomain", "App/Domain", "..", "NewDomain"]),
            st.sampled_from(
                [
                    "",
                    "x",
                    "Library/y",
                    "/x",
                    "a//b",
                    "a/../b",
                    "Library/",
                    "link/x",
                    "Library/a.plist/x",
                    "\u00e4",
                ]
            ),
            st.sampled_from([1, 2, 4]),
        ),
        max_size=2,
        unique_by=lambda each: each[:2],
    ),
    password=st.sampled_from([None, PASSWORD]),
)
def test_all_judges_agree_on_many_damages_at_once(
    mint: Mint, chosen: list[str], added: list[tuple[str, str, int]], password: str | None
) -> None:
    known = {(spec.domain, spec.path) for spec in specs()}
    more = [
        Spec(domain, path, b"x" if flags == 1 else b"", flags, target="t")
        for domain, path, flags in added
        if (domain, path) not in known
    ]
    made = mint(password, specs=[*specs(), *more], parents=False)
    for each in chosen:
        try:
            DAMAGES[each](made)
        except TypeError:
            continue  # of a row that another damage took away
    Answers(made).agree()


@pytest.mark.parametrize("spec", [SMALL, ENCRYPTED], ids=["plain", "encrypted"])
@pytest.mark.parametrize(
    "what",
    [
        "nothing",
        "Media/photo emptied",
        "Media forgotten",
        "another Digest",
        "Media/photo claims 3",
        "Media/photo has mode 40755",
        "a key that does not open",
    ],
)
def test_a_restore_looks_as_closely(make_bench: MakeBench, mint: Mint, spec: PhoneSpec, what: str) -> None:
    bench = make_bench(spec)
    made = mint(bench.password, specs=specs())
    DAMAGES[what](made)
    source = BackupSource(str(made.folder))
    refused = rehearse(source, Unlocker(lambda _: made.password)).error
    with Restoration(bench.request(source), Told()) as restoration:
        looked = {check.name: check.error for check in restoration.checks}
    assert (looked["backup"] is not None) == (refused is not None), looked


@pytest.mark.parametrize("apps", [(), ("org.example.notes",)], ids=["all", "an app"])
@pytest.mark.parametrize(("what", "code"), [("Media forgotten", 102), ("Media/photo has mode 40755", 205)])
def test_a_phone_looks_at_the_whole_list_whatever_is_wanted_of_it(
    make_bench: MakeBench, mint: Mint, apps: tuple[str, ...], what: str, code: int
) -> None:
    bench = make_bench(SMALL)
    made = mint(None, specs=specs())
    DAMAGES[what](made)
    error = bench.refuses(BackupSource(str(made.folder)), options=RestoreOptions(apps=apps), verify=False)
    assert error.error_code == code
