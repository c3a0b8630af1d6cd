"""A phone that was backed up, and what restores it; some things are made once for all tests."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.restore.restoration import Restoration
from ibackup.jobs.restore.restore_request import RestoreOptions, RestoreRequest, RestoreResult
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL, Lab, PlugIn, Told, copy_store, first_backup

ENCRYPTED = replace(SMALL, backup_password=PASSWORD)


class Bench(Lab):
    """A phone, its store, and restores."""

    password: str | None = None

    def source(self, number: int = -1) -> BackupSource:
        snapshot = self.snapshots[number]
        return BackupSource(snapshot.backup_path, snapshot)

    def request(self, source: BackupSource | None = None, **how: object) -> RestoreRequest:
        given: dict[str, object] = {
            "find": lambda _udid: source or self.source(),
            "options": RestoreOptions(),
            "unlocker": Unlocker(lambda _udid: self.password),
            "patience": 0.0,
        }
        return RestoreRequest(**(given | how))  # type: ignore[arg-type]

    def restore(
        self, source: BackupSource | None = None, told: Told | None = None, **how: object
    ) -> RestoreResult:
        self.told = told or Told()
        with Restoration(self.request(source, **how), self.told) as restoration:
            return restoration.carry_out()

    def refuses(self, source: BackupSource | None = None, **how: object) -> IbackupError:
        try:
            result = self.restore(source, **how)  # type: ignore[arg-type]
        except IbackupError as error:
            return error
        raise AssertionError(f"it succeeded: {result}")

    def assert_restored(self, *, count: int | None = None) -> None:
        """The phone has taken every file of the backup, and every digest was right."""
        restored = self.phone.restored
        assert restored is not None
        content = self.phone.files
        wanted = sum(1 for _ in content.files(encrypted=bool(self.password)))
        assert restored.count == len(restored.files) == (wanted if count is None else count)
        assert restored.digests > 0

    @property
    def locks(self) -> list[str]:
        """What became of the sync lock, in order."""
        kinds = ("lock_taken", "lock_released")
        return [event.kind for event in self.phone.journal.events() if event.kind in kinds]

    @property
    def has_apps_to_install(self) -> bool:
        return "/iTunesRestore/RestoreApplications.plist" in self.phone.afc.paths()


MakeBench = Callable[..., Bench]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    """Stores with two snapshots of the small phone, by its password; never to be changed."""
    made: dict[str | None, Path] = {}
    for password in (None, PASSWORD):

        def again(lab: Lab, password: str | None = password) -> None:
            lab.phone.change(added=2, changed=3, removed=1, seed=5)
            lab.now(password)

        spec = replace(SMALL, backup_password=password)
        made[password] = first_backup(tmp_path_factory.mktemp("two"), spec, again)
    return made


@pytest.fixture
def make_bench(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    templates: dict[str | None, Path],
    plugged: PlugIn,
) -> MakeBench:
    """Gives a function that plugs in a phone with a store of two snapshots, made of a full and an incremental run."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def make(spec: PhoneSpec = SMALL, *, store: str = "store") -> Bench:
        if not os.path.exists(tmp_path / store):
            copy_store(templates[spec.backup_password], tmp_path / store)
        phone = VirtualPhone(spec)
        phone.change(added=2, changed=3, removed=1, seed=5)
        bench = plugged(lambda stack: Bench(tmp_path / store, stack, phone))
        bench.password = spec.backup_password
        return bench

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """The small phone, not encrypted, and its two snapshots."""
    return make_bench()
