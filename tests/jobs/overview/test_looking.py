"""What is fresh, what is good, what is left over: read from the records alone."""

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ibackup.base.exit_codes import ExitCode
from ibackup.config.config_schema import Config, NightlyConfig, PhoneConfig
from ibackup.jobs.overview.store_overview import Overview, PhoneStatus, look
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.proof_records import Proof
from ibackup.store.store import Store
from support.made_store import ANN, BOB, NOW, add_snapshot, make_store

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    return make_store(tmp_path / "store")


def overview(store: Store, config: Config | None = None, **how: object) -> Overview:
    return look(store, config or Config(), NOW, **how)  # type: ignore[arg-type]


def only(found: Overview) -> PhoneStatus:
    (phone,) = found.phones
    return phone


def test_a_fresh_one(store: Store) -> None:
    add_snapshot(store, ANN, 3 * DAY)
    newest = add_snapshot(store, ANN, 9 * HOUR)
    found = overview(store)
    phone = only(found)
    assert (found.code, phone.is_stale, phone.damage, phone.age) == (ExitCode.OK, False, "", 9 * HOUR)
    assert (phone.name, phone.snapshots) == ("Ann", 2)
    assert phone.newest == newest
    assert phone.proof is None


def test_no_phone_at_all_is_stale(store: Store) -> None:
    assert overview(store).code is ExitCode.STALE


@pytest.mark.parametrize(
    ("age", "stale"),
    [(7 * DAY, False), (7 * DAY + timedelta(seconds=1), True), (-HOUR, False), (-3 * DAY, True)],
    ids=["at the limit", "a second over", "a clock slightly ahead", "dated in the future"],
)
def test_the_limit(store: Store, age: timedelta, stale: bool) -> None:
    add_snapshot(store, ANN, age)
    phone = only(overview(store))
    assert phone.is_stale is stale
    assert phone.age is not None
    assert phone.age >= timedelta()
    assert phone.is_ahead is (age < -DAY)


def test_age_counts_from_the_data_not_from_the_run(store: Store) -> None:
    # An import of today of what Finder made a month ago.
    add_snapshot(store, ANN, HOUR, data_from=NOW - 30 * DAY)
    assert only(overview(store)).is_stale


def test_limits_of_the_config_and_of_the_option(store: Store) -> None:
    add_snapshot(store, ANN, 2 * DAY)
    add_snapshot(store, BOB, 2 * DAY, name="Bob")
    config = Config(
        phones=(PhoneConfig(name="ann", udid=ANN.replace("-", "").lower(), max_age_s=86400.0),),
        nightly=NightlyConfig(max_age_s=3 * 86400.0),
    )
    found = overview(store, config)
    assert [(each.name, each.is_stale) for each in found.phones] == [("ann", True), ("Bob", False)]
    assert overview(store, config, max_age_s=86400.0 * 9).code is ExitCode.OK
    assert only(overview(store, config, udid=BOB)).name == "Bob"


def test_a_phone_of_the_config_that_was_never_backed_up_is_stale(store: Store) -> None:
    add_snapshot(store, ANN, HOUR)
    found = overview(store, Config(phones=(PhoneConfig(name="bob", udid=BOB),)))
    assert [(each.name, each.is_stale, each.newest is None) for each in found.phones] == [
        ("bob", True, True),
        ("Ann", False, False),
    ]
    assert found.code is ExitCode.STALE


def test_known_damage_in_the_newest_comes_before_stale(store: Store) -> None:
    old = add_snapshot(store, ANN, 8 * DAY)
    newest = add_snapshot(store, ANN, HOUR)
    folder = store.phone(ANN)
    folder.add_proof(newest.id, Proof("full", NOW, "damaged", ("00/00aa",)))
    found = overview(store)
    phone = only(found)
    assert found.code is ExitCode.DAMAGE
    assert (phone.newest, phone.is_stale) == (old, True)
    assert newest.id in phone.damage
    # Damage in an old one, with a good newer one, is for `list`, not for an alarm every day.
    folder.add_proof(newest.id, Proof("full", NOW + HOUR, "good"))
    folder.add_proof(old.id, Proof("full", NOW, "damaged", ("00/00aa",)))
    assert overview(store).code is ExitCode.OK


@pytest.mark.parametrize("flaw", ["record", "seal", "no record"])
def test_a_newest_one_that_is_broken(store: Store, flaw: str) -> None:
    good = add_snapshot(store, ANN, DAY)
    newest = add_snapshot(store, ANN, HOUR)
    if flaw == "seal":
        os.unlink(newest.seal_path)
    elif flaw == "record":
        Path(newest.path, "snapshot.json").write_bytes(b"{}")
    else:
        os.unlink(os.path.join(newest.path, "snapshot.json"))
    phone = only(overview(store))
    assert (phone.newest, phone.damaged_snapshot) == (good, newest.id)
    assert overview(store).code is ExitCode.DAMAGE


def test_the_strongest_proof_is_reported_and_the_rehearsal_beside_it(store: Store) -> None:
    newest = add_snapshot(store, ANN, 5 * DAY)
    folder = store.phone(ANN)
    folder.add_proof(newest.id, Proof("full", NOW - 4 * DAY, "good"))
    folder.add_proof(newest.id, Proof("quick", NOW - DAY, "good"))
    folder.add_proof(newest.id, Proof("rehearse", NOW - 2 * DAY, "good"))
    phone = only(overview(store))
    assert phone.proof == Proof("full", NOW - 4 * DAY, "good")
    assert phone.rehearsed == NOW - 2 * DAY


@pytest.mark.parametrize(
    ("cloud_age", "accept", "stale"),
    [(2 * DAY, False, True), (2 * DAY, True, False), (9 * DAY, True, True), (-2 * DAY, True, True)],
)
def test_icloud_counts_only_when_asked_and_fresh(
    store: Store, cloud_age: timedelta, accept: bool, stale: bool
) -> None:
    add_snapshot(store, ANN, 20 * DAY)
    told = LastSeen.told("Ann", True, NOW - cloud_age, NOW - DAY)
    assert store.phone(ANN).remember(told)
    phone = only(overview(store, accept_icloud=accept))
    assert (phone.is_stale, phone.by_cloud) == (stale, not stale)
    assert (phone.cloud.last, phone.cloud.told) == (NOW - cloud_age, NOW - DAY)


def test_left_overs_and_what_will_be_done(store: Store) -> None:
    add_snapshot(store, ANN, HOUR)
    folder = store.phone(ANN)
    for name in ("working-20261125T190000Z-0a0b0c0d", "working-broken-20261120T190000Z", "discarded-x"):
        os.mkdir(os.path.join(folder.path, name))
    expected = {left.path: left.plan for left in folder.left_overs()}
    left = only(overview(store)).left
    assert {each.path: each.plan for each in left} == expected
    assert len(left) >= 2
    with folder.lock():
        phone = only(overview(store))
        assert phone.left == ()
        assert phone.running is not None
        assert phone.running.pid == os.getpid()


@pytest.fixture
def touched() -> Iterator[list[str]]:
    """Every path that is listed or opened from here on."""
    paths: list[str] = []
    watching = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and event in ("open", "os.listdir", "os.scandir"):
            paths.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes)) else "")

    sys.addaudithook(hook)  # it cannot be taken away again, only told to rest
    yield paths
    watching[0] = False


def test_no_backup_is_looked_into(store: Store, touched: list[str]) -> None:
    for day in reversed(range(60)):
        snapshot = add_snapshot(store, ANN, day * DAY)
        os.makedirs(os.path.join(snapshot.backup_path, "00"))
    touched.clear()
    assert overview(store).code is ExitCode.OK
    inside = [os.path.basename(path) for path in touched if f"{os.sep}snapshots{os.sep}" in path]
    assert set(inside) == {"snapshot.json", "SHA256SUMS"}
    assert inside.count("SHA256SUMS") == 1  # of the newest alone: it is long
    assert len(touched) < 400
