"""Restores: what a phone takes, what reaches it, and what it holds afterwards."""

import contextlib
import errno
import os
import plistlib
import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import (
    ConnectionLost,
    DamageFound,
    Interrupted,
    NoPhone,
    NoRoom,
    PasswordNeeded,
    PasswordWrong,
    PersonNeeded,
    PhoneBusy,
    PhoneRefused,
    UsageError,
)
from ibackup.base.events import PhaseStarted, Progress
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.keeping.importing import ImportRequest as Adoption
from ibackup.jobs.keeping.importing import adopt
from ibackup.jobs.restore.restoration import Restoration
from ibackup.jobs.restore.restore_request import RestoreOptions
from ibackup.jobs.restore.snapshot_to_restore import choose
from ibackup.simulator.faults import (
    DropInPhase,
    ErrorCodeAt,
    HostilePath,
    PathPlace,
    SyncLockHeld,
    UnknownMessage,
    UserCancels,
)
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.records.proof_records import Proof
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL, Told, blob, flip, photograph

from .conftest import ENCRYPTED, Bench, MakeBench

OTHER = replace(SMALL, seed=9, udid="")
SPECS = pytest.mark.parametrize("spec", [SMALL, ENCRYPTED], ids=["plain", "encrypted"])


# -- every kind of snapshot -----------------------------------------------------------------------------------


@SPECS
def test_an_incremental_snapshot(make_bench: MakeBench, spec: PhoneSpec) -> None:
    bench = make_bench(spec)
    before = photograph(bench.path, but=["proofs"])
    result = bench.restore()
    bench.assert_restored()
    restored = bench.phone.restored
    assert restored is not None
    assert restored.compared == restored.count == result.files
    assert restored.source == bench.phone.udid
    assert bench.locks == ["lock_taken", "lock_released"]
    assert bench.phone.journal.events("restarted")
    after = photograph(bench.path, but=["proofs"])
    assert {name: each for name, each in after.items() if "snapshots" in name} == {
        name: each for name, each in before.items() if "snapshots" in name
    }


@SPECS
def test_a_full_snapshot(make_bench: MakeBench, spec: PhoneSpec) -> None:
    """The first one: of the files that have changed since, the phone gets what they were."""
    bench = make_bench(spec)
    bench.restore(bench.source(0))
    phone = VirtualPhone(spec)  # as it was then
    restored = bench.phone.restored
    assert restored is not None
    assert len(restored.files) == sum(1 for _ in phone.files.files(encrypted=bool(spec.backup_password)))
    assert 0 < restored.compared < restored.count


def test_a_resumed_snapshot(bench: Bench) -> None:
    bench.phone.change(added=6, changed=4, seed=9)
    bench.phone.set_faults(DropInPhase(phase="uploading", after=2, times=1))
    assert isinstance(bench.fails(ConnectionLost), ConnectionLost)
    assert bench.now().resumed_bytes
    bench.restore()
    bench.assert_restored()


@SPECS
def test_an_imported_snapshot(make_bench: MakeBench, spec: PhoneSpec, tmp_path: Path) -> None:
    bench = make_bench(spec)
    theirs = tmp_path / "theirs" / bench.phone.udid
    shutil.copytree(bench.source().path, theirs)
    shutil.rmtree(bench.path / bench.phone.udid)
    adopt(Adoption(bench.store, str(theirs), Unlocker(lambda _: bench.password), settled=True))
    assert "import" in bench.snapshots[-1].meta.tool
    bench.restore()
    bench.assert_restored()


@SPECS
def test_a_folder_of_another_program(make_bench: MakeBench, spec: PhoneSpec, tmp_path: Path) -> None:
    """Under a name that says nothing, as Finder's archived backups have."""
    bench = make_bench(spec)
    theirs = tmp_path / "My phone, before the repair"
    shutil.copytree(bench.source().path, theirs)
    before = photograph(theirs)
    bench.restore(BackupSource(str(theirs)))
    bench.assert_restored()
    assert photograph(theirs) == before


def test_another_phones_snapshot(make_bench: MakeBench) -> None:
    first = make_bench(ENCRYPTED)
    other = make_bench(replace(OTHER, name="New"), store="other")
    other.password = PASSWORD
    told = Told()
    with Restoration(other.request(first.source()), told) as restoration:
        (whose,) = [check for check in restoration.checks if check.name == "phone"]
        assert whose.outcome == "warning"
        assert "ANOTHER phone" in whose.text
        restoration.carry_out()
    restored = other.phone.restored
    assert restored is not None
    assert restored.source == first.phone.udid
    assert restored.count == sum(1 for _ in first.phone.files.files())
    assert first.phone.restored is None


# -- what reaches the phone -----------------------------------------------------------------------------------

DEFAULTS = {
    "RestoreSystemFiles": True,
    "RestoreShouldReboot": True,
    "RestoreDontCopyBackup": True,
    "RestorePreserveSettings": False,
    "RemoveItemsNotRestored": False,
}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (RestoreOptions(), {}),
        (RestoreOptions(settings=False), {"RestorePreserveSettings": True}),
        (RestoreOptions(system=False), {"RestoreSystemFiles": False}),
        (RestoreOptions(reboot=False), {"RestoreShouldReboot": False}),
        (RestoreOptions(remove=True), {"RemoveItemsNotRestored": True}),
        (RestoreOptions(apps=("org.x",)), {"RestoreSystemFiles": False, "RestorePreserveSettings": True}),
    ],
)
def test_options(options: RestoreOptions, changed: dict[str, bool]) -> None:
    assert options.message() == DEFAULTS | changed
    assert options.message("secret") == DEFAULTS | changed | {"Password": "secret"}


def test_options_reach_the_phone(make_bench: MakeBench) -> None:
    bench = make_bench(ENCRYPTED)
    options = RestoreOptions(settings=False, system=False, reboot=False, remove=True, install_apps=False)
    result = bench.restore(options=options)
    restored = bench.phone.restored
    assert restored is not None
    assert restored.options == options.message(PASSWORD)
    assert restored.only == restored.apps == ()
    assert not bench.has_apps_to_install
    assert not result.restarts
    assert not bench.phone.journal.events("restarted")


def test_the_apps_are_to_be_installed(bench: Bench) -> None:
    bench.restore()
    wanted = plistlib.loads(Path(bench.source().path, "Info.plist").read_bytes())["Applications"]
    assert wanted
    found = bench.phone.afc.node("/iTunesRestore/RestoreApplications.plist").data
    assert plistlib.loads(bytes(found or b"")) == wanted
    restored = bench.phone.restored
    assert restored is not None
    assert restored.apps == tuple(sorted(wanted))


def test_a_backup_that_names_no_apps_says_that_they_are_installed_by_hand(bench: Bench) -> None:
    path = Path(bench.source().path, "Info.plist")
    info = plistlib.loads(path.read_bytes())
    del info["Applications"]
    path.unlink()
    path.write_bytes(plistlib.dumps(info))
    source = bench.source()
    with Restoration(bench.request(BackupSource(source.path, None), verify=False), Told()) as restoration:
        assert any("install the apps yourself" in check.text for check in restoration.checks)
        assert not restoration.carry_out().installs


def test_one_app(bench: Bench) -> None:
    app = "org.example.notes"
    bench.restore(options=RestoreOptions(apps=(app,)))
    restored = bench.phone.restored
    assert restored is not None
    assert restored.only == restored.apps == (app,)
    assert {file.domain for file in restored.files.values()} == {f"AppDomain-{app}"}


def test_progress(bench: Bench) -> None:
    bench.restore()
    assert bench.told.phases[-3:] == ["scan", "restore", "finish"]
    last = [event for event in bench.told.events if isinstance(event, Progress)][-1]
    assert last.percent == 100.0
    assert last.files == last.total_files
    assert last.bytes == last.total_bytes


# -- the copy that phones ask for -----------------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False])
def test_a_phone_that_wants_a_copy_is_told_that_there_is_one(make_bench: MakeBench, own: bool) -> None:
    bench = make_bench()
    target = bench if own else make_bench(OTHER, store="other")
    before = photograph(Path(bench.source().path).parent.parent)
    message = RestoreOptions.message

    def asking(options: RestoreOptions, password: str | None = None) -> dict[str, object]:
        return message(options, password) | {"RestoreDontCopyBackup": False}

    with mock.patch.object(RestoreOptions, "message", asking):
        target.restore(bench.source())
    assert target.phone.restored is not None
    assert photograph(Path(bench.source().path).parent.parent) == before
    assert not [path for path in bench.path.rglob("*") if path.name.startswith(f"{bench.phone.udid}-")]


PLACES: list[PathPlace] = [
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
]


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("download", "list")])
def test_a_phone_that_wants_to_change_the_backup_is_told_that_it_cannot(
    bench: Bench, place: PathPlace
) -> None:
    before = photograph(Path(bench.source().path).parent)
    bench.phone.set_faults(HostilePath(place=place, path=f"{bench.phone.udid}/Manifest.db"))
    bench.restore(verify=False)
    bench.assert_restored()
    assert photograph(Path(bench.source().path).parent) == before
    assert not bench.left


@pytest.mark.parametrize("place", PLACES)
def test_a_phone_that_attacks(bench: Bench, place: PathPlace) -> None:
    before = photograph(bench.path, but=["proofs"])
    bench.phone.set_faults(HostilePath(place=place, path="../../store.json"))
    error = bench.refuses(verify=False)
    assert isinstance(error, PathRefused)
    assert error.exit_code == ExitCode.PHONE_REFUSED
    assert "Nothing on the iPhone has changed" in error.hint
    after = photograph(bench.path, but=["proofs"])
    assert after.keys() - before.keys() <= {f"{bench.phone.udid}/lock"}
    assert {name: after[name][2] for name in before} == {name: each[2] for name, each in before.items()} | {
        name: after[name][2] for name in before if name.endswith("/lock")
    }
    assert bench.locks == ["lock_taken", "lock_released"]
    assert not bench.has_apps_to_install


# -- what keeps it from being ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind", "code", "words"),
    [
        ({"find_my": True}, PhoneRefused, 211, "Find My"),
        ({"setup_done": False}, PersonNeeded, 212, "setup"),
        ({"ios_version": "17.7"}, PhoneRefused, 203, "18.6.2"),
        ({"free": 1000}, NoRoom, 106, "space for only 1 kB"),
        ({"battery": 20, "charging": False}, PersonNeeded, None, "20 %"),
    ],
)
def test_preflight(
    make_bench: MakeBench, change: dict[str, object], kind: type, code: int | None, words: str
) -> None:
    bench = make_bench(replace(SMALL, **change))  # type: ignore[arg-type]
    error = bench.refuses()
    assert type(error) is kind
    assert error.error_code == code
    assert words in error.message
    assert error.hint
    assert "com.apple.mobilebackup2" not in bench.phone.journal.details("start_service")
    with Restoration(bench.request(), Told()) as restoration:
        outcomes = {check.name: check.outcome for check in restoration.checks}
        assert list(outcomes.values()).count("failed") == 1
        assert outcomes["backup"] == "skipped", "no hour of verifying for nothing"


def test_a_full_battery_or_a_charger_will_do(make_bench: MakeBench) -> None:
    for battery, charging in ((21, False), (5, True)):
        bench = make_bench(replace(SMALL, battery=battery, charging=charging))
        bench.restore()
        assert bench.phone.restored is not None


def test_over_wifi_it_takes_long(make_bench: MakeBench) -> None:
    bench = make_bench(replace(SMALL, connection_types=("Network",)))
    with pytest.raises(NoPhone, match="not connected with a cable"), Restoration(bench.request(), Told()):
        pass
    with Restoration(bench.request(cable_only=False), Told()) as restoration:
        assert "a cable is better" in restoration.checks[0].text


@pytest.mark.parametrize("version", ["18.6.2", "18.6.2.0", "18.10", "26.1"])
def test_an_equal_or_newer_ios_takes_it(make_bench: MakeBench, version: str) -> None:
    bench = make_bench(replace(SMALL, ios_version=version))
    bench.restore()
    assert bench.phone.restored is not None


def test_supervised_to_supervised_alone(make_bench: MakeBench) -> None:
    school = make_bench(replace(SMALL, supervised=True))
    school.now()
    source = school.source()
    other = make_bench(OTHER, store="other")
    error = other.refuses(source)
    assert type(error) is PhoneRefused
    assert "supervised" in error.message
    managed = make_bench(replace(OTHER, supervised=True), store="other")
    managed.restore(source)
    assert managed.phone.restored is not None


def test_a_phone_refuses_a_supervised_backup_by_itself(make_bench: MakeBench) -> None:
    school = make_bench(replace(SMALL, supervised=True))
    school.now()
    silent = {("com.apple.mobile.chaperone", "DeviceIsChaperoned"): None}
    other = make_bench(replace(OTHER, lockdown=silent), store="other")
    error = other.refuses(school.source())
    assert error.error_code == 1
    assert "supervised" in error.why


@pytest.mark.parametrize(("given", "kind"), [(None, PasswordNeeded), ("wrong", PasswordWrong)])
def test_the_password_is_proven_first(make_bench: MakeBench, given: str | None, kind: type) -> None:
    bench = make_bench(ENCRYPTED)
    bench.password = given
    error = bench.refuses()
    assert type(error) is kind
    assert error.exit_code == ExitCode.PASSWORD
    assert error.hint
    assert "com.apple.mobilebackup2" not in bench.phone.journal.details("start_service")


def test_a_damaged_backup_is_not_sent(bench: Bench) -> None:
    path, _ = blob(bench.snapshots[-1].path, bench.phone, "CameraRollDomain")
    flip(path)
    error = bench.refuses()
    assert type(error) is DamageFound
    assert "--skip-verify" in error.hint
    assert "com.apple.mobilebackup2" not in bench.phone.journal.details("start_service")


def test_what_was_proven_is_not_read_again(bench: Bench) -> None:
    bench.restore()
    assert "verify" in bench.told.phases
    bench.restore()
    assert "verify" not in bench.told.phases
    newest = bench.snapshots[-1].id
    proofs = bench.folder.proofs(newest)
    moment = proofs.last[0].when.replace(year=2099)
    bench.folder.add_proof(newest, Proof("quick", moment, "damaged", ("Info.plist",)))
    bench.restore()
    assert "verify" in bench.told.phases


def test_another_run_has_the_snapshots(bench: Bench) -> None:
    with bench.folder.lock():
        assert type(bench.refuses()) is PhoneBusy
    bench.restore()


def test_a_store_that_is_read_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second copy on a disk that nobody writes to."""
    from ibackup.base.errors import IbackupError

    def no(_folder: object) -> None:
        raise IbackupError("read-only")

    monkeypatch.setattr("ibackup.store.phone_folder.PhoneFolder.lock", no)
    monkeypatch.setattr("ibackup.store.phone_folder.PhoneFolder.add_proof", lambda *_: no(None))
    bench.restore()
    bench.assert_restored()
    assert any("cannot write to the store" in each for each in bench.told.cautions)


def test_choosing(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine, stranger = bench.phone.udid, "00008101-00000000000000AA"
    newest, oldest = bench.snapshots[-1], bench.snapshots[0]
    assert choose(bench.store, "latest", mine, None).snapshot == newest
    assert choose(bench.store, oldest.id, mine, None).snapshot == oldest
    assert choose(bench.store, "latest", stranger, mine).snapshot == newest
    with pytest.raises(UsageError, match="no snapshot of this phone") as told:
        choose(bench.store, "latest", stranger, None)
    assert f"--from {mine}" in told.value.hint
    other = make_bench(OTHER)
    other.now()
    with pytest.raises(UsageError, match="another phone") as told:
        choose(bench.store, oldest.id, other.phone.udid, None)
    assert f"--from {mine}" in told.value.hint
    shutil.rmtree(bench.path / mine)
    shutil.rmtree(bench.path / other.phone.udid)
    with pytest.raises(UsageError, match="no snapshot in this store"):
        choose(bench.store, "latest", mine, None)


# -- what ends it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "code"),
    [("start", code) for code in (102, 106, 202, 203, 204, 205, 207, 208, 211, 212)]
    + [("end", code) for code in (100, 102, 205)],
)
def test_refusals(bench: Bench, where: str, code: int) -> None:
    bench.phone.set_faults(ErrorCodeAt(where=where, code=code, text="because"))  # type: ignore[arg-type]
    error = bench.refuses(verify=False)
    assert error.error_code == code
    assert f"(MBErrorDomain {code})" in error.what
    untouched = where == "start"
    assert ("Nothing on the iPhone has changed" in error.hint) is untouched
    assert ("may have finished" in error.hint) is not untouched
    assert bench.phone.restored is None
    assert not bench.has_apps_to_install
    assert bench.locks == ["lock_taken", "lock_released"]


def test_a_second_restore_needs_a_restart(bench: Bench) -> None:
    bench.restore(options=RestoreOptions(reboot=False))
    error = bench.refuses()
    assert error.error_code == 102
    assert "Restart the iPhone" in error.hint
    bench.phone.restart()
    bench.restore()


@pytest.mark.parametrize("after", [0, 2])
def test_the_connection_is_lost(bench: Bench, after: int) -> None:
    before = bench.snapshots
    bench.phone.set_faults(DropInPhase(phase="restoring", after=after, times=1))
    error = bench.refuses()
    assert type(error) is ConnectionLost
    assert error.exit_code == ExitCode.CONNECTION_LOST
    assert "what has arrived is kept" not in error.hint
    assert "run the same command again" in error.hint
    assert ("half restored" in error.hint) is bool(after)
    assert not bench.has_apps_to_install
    assert bench.snapshots == before
    bench.restore()
    bench.assert_restored()


def test_it_is_cancelled_on_the_phone(bench: Bench) -> None:
    bench.phone.set_faults(UserCancels(after=7))
    error = bench.refuses()
    assert type(error) is Interrupted
    assert "half restored" in error.hint


def test_it_is_stopped_here(bench: Bench) -> None:
    told = Told(stop=lambda event: isinstance(event, PhaseStarted) and event.phase == "restore")
    with pytest.raises(KeyboardInterrupt):
        bench.restore(told=told)
    assert not bench.has_apps_to_install
    told = Told(stop=lambda event: isinstance(event, PhaseStarted) and event.phase == "finish")
    error = bench.refuses(told=told)
    assert type(error) is Interrupted
    assert "may have finished" in error.hint
    assert bench.locks[-1] == "lock_released"
    bench.restore()
    bench.assert_restored()


def test_another_program_syncs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.device.services.sync_lock_and_notices.time.sleep", lambda _: None)
    bench.phone.set_faults(SyncLockHeld())
    assert type(bench.refuses()) is PhoneBusy


def test_a_message_that_nobody_knows(bench: Bench) -> None:
    """It is answered, and everything else continues."""
    bench.phone.set_faults(UnknownMessage())
    bench.restore()
    bench.assert_restored()
    assert any("DLMessageMakeTea" in caution for caution in bench.told.cautions)


# -- damage that shows itself only now ------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["HomeDomain", "CameraRollDomain"])
def test_a_changed_file_is_named(make_bench: MakeBench, domain: str) -> None:
    """Of a domain with digests the phone refuses it; of another it takes it, and that is no success either."""
    bench, other = make_bench(), make_bench(OTHER, store="other")
    path, name = blob(bench.snapshots[-1].path, bench.phone, domain)
    flip(path)
    error = other.refuses(bench.source(), verify=False)
    assert type(error) is DamageFound
    assert error.exit_code == ExitCode.DAMAGE
    assert name in error.why
    has_digest = domain == "HomeDomain"
    assert error.error_code == (205 if has_digest else None)
    assert (other.phone.restored is None) is has_digest


@pytest.mark.parametrize("how", ["removed", "link", "unreadable", "far too long"])
def test_a_file_that_cannot_be_read_is_named(
    bench: Bench, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, name = blob(bench.snapshots[-1].path, bench.phone, "CameraRollDomain")
    if how == "unreadable":
        real = os.readv
        inode = path.stat().st_ino

        def readv(fd: int, buffers: list[memoryview]) -> int:
            if os.fstat(fd).st_ino == inode:
                raise OSError(errno.EIO, "Input/output error")
            return real(fd, buffers)

        monkeypatch.setattr(os, "readv", readv)
    elif how == "far too long":
        os.truncate(
            path, 1 << 40
        )  # without content it costs nothing, and would keep the phone waiting for hours
    else:
        path.unlink()
    if how == "link":
        secret = tmp_path / "secret"
        secret.write_text("not for phones")
        path.symlink_to(secret)
    error = bench.refuses(verify=False)
    assert type(error) is DamageFound
    assert name in error.why
    assert error.error_code == 205
    assert bench.phone.restored is None
    assert not bench.has_apps_to_install


def test_a_backup_that_was_never_finished(bench: Bench) -> None:
    path = Path(bench.source().path, "Status.plist")
    status = plistlib.loads(path.read_bytes())
    path.chmod(0o600)
    path.write_bytes(plistlib.dumps(status | {"SnapshotState": "uploading"}, fmt=plistlib.FMT_BINARY))
    error = bench.refuses()
    assert type(error) is DamageFound
    with contextlib.suppress(FileNotFoundError):
        Path(bench.source().path, "Manifest.plist").unlink()
    assert type(bench.refuses()) is DamageFound
