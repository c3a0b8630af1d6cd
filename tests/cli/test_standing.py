"""Everything that reports the state of the backups says the same, whatever has become of the newest snapshot."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.conftest import Cli
from ibackup.apple.reasons import Reason
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.snapshot import Flawed, Snapshot
from ibackup.store.store import Store
from support.made_store import ANN, BOB, add_snapshot, make_store

HOUR = timedelta(hours=1)
FUTURE = 400 * 24 * HOUR
OLD, NEW = 26 * HOUR, HOUR  # due once the old one is the newest good one: a backup is due after 20 hours
FLAWED = (Flawed("/var/mobile/a.db", "aa/aabb", Reason.UNREADABLE, "Operation not permitted"),)


@dataclass
class Bench:
    """A store with two good snapshots of one phone, of which the newer one gets into trouble."""

    store: Store
    now: datetime

    def add(self, age: timedelta, **changes: Any) -> Snapshot:
        return add_snapshot(self.store, ANN, age, now=self.now, **changes)

    def prove(self, snapshot: Snapshot, *proofs: Proof) -> None:
        for proof in proofs:
            self.store.phone(ANN).add_proof(snapshot.id, proof)

    def damaged(self, snapshot: Snapshot) -> None:
        self.prove(snapshot, Proof("full", self.now, "damaged", ("00/00aa",)))


def _seal_removed(_bench: Bench, new: Snapshot) -> None:
    os.unlink(new.seal_path)


def _seal_changed(_bench: Bench, new: Snapshot) -> None:
    Path(new.seal_path).write_text("another list")


def _seal_is_a_folder(_bench: Bench, new: Snapshot) -> None:
    os.unlink(new.seal_path)
    os.mkdir(new.seal_path)


def _record_broken(_bench: Bench, new: Snapshot) -> None:
    Path(new.path, "snapshot.json").write_text("{}")


def _record_removed(_bench: Bench, new: Snapshot) -> None:
    os.unlink(os.path.join(new.path, "snapshot.json"))


def _of_another_phone(bench: Bench, new: Snapshot) -> None:
    other = add_snapshot(bench.store, BOB, NEW, now=bench.now)
    os.replace(os.path.join(other.path, "snapshot.json"), os.path.join(new.path, "snapshot.json"))


def _proven_damaged(bench: Bench, new: Snapshot) -> None:
    bench.damaged(new)


def _rehearsed_in_vain(bench: Bench, new: Snapshot) -> None:
    bench.prove(new, Proof("quick", bench.now, "good"), Proof("rehearse", bench.now, "damaged"))


def _taken_back(bench: Bench, new: Snapshot) -> None:
    bench.damaged(new)
    bench.prove(new, Proof("full", bench.now + HOUR, "good"))


def _proofs_broken(bench: Bench, new: Snapshot) -> None:
    bench.damaged(new)
    Path(bench.store.phone(ANN).proofs_path, f"{new.id}.json").write_text("{")


def _pinned(bench: Bench, new: Snapshot) -> None:
    from ibackup.jobs.keeping.pruning import pin

    pin(bench.store.phone(ANN), new)


def _nothing(_bench: Bench, _new: Snapshot) -> None:
    """It is as it was."""


@dataclass(frozen=True)
class Case:
    """What became of the newer one, and what has to be said everywhere.

    Attributes:
        good: whether it is the newest good one nevertheless.
        changes: how its record differs.
        state: what it is called.
        aged: whether an age can be told.
    """

    do: Callable[[Bench, Snapshot], None] = _nothing
    good: bool = False
    changes: tuple[tuple[str, Any], ...] = ()
    state: str = "damaged"
    is_ahead: bool = False


CASES = {
    "untouched": Case(good=True, state="good"),
    "seal removed": Case(_seal_removed),
    "seal changed": Case(_seal_changed),
    "seal a folder": Case(_seal_is_a_folder),
    "record broken": Case(_record_broken),
    "record removed": Case(_record_removed),
    "of another phone": Case(_of_another_phone),
    "proven damaged": Case(_proven_damaged),
    "rehearsed in vain": Case(_rehearsed_in_vain),
    "damage taken back": Case(_taken_back, good=True, state="good"),
    "proofs broken": Case(_proofs_broken),
    "pinned": Case(_pinned, good=True, state="good"),
    "flawed": Case(good=True, changes=(("flawed", FLAWED),), state="flawed"),
    "flawed and proven damaged": Case(_proven_damaged, changes=(("flawed", FLAWED),)),
}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "store"))
    return Bench(make_store(tmp_path / "store"), datetime.now(UTC).replace(microsecond=0))


@dataclass(frozen=True)
class Said:
    """What each of them says of the phone.

    Attributes:
        newest: the id of the newest good snapshot, as each says it or as it follows from what it says.
        made: of when its data is.
    """

    newest: dict[str, str | None]
    made: dict[str, float | None]
    stale: dict[str, bool]
    damaged: dict[str, bool]


def _rows(ibackup: Cli, *command: str) -> list[dict[str, Any]]:
    key = {"list": "snapshots"}.get(command[0], "phones")
    rows = ibackup(*command, "--json").result[key]
    assert isinstance(rows, list)
    return [row for row in rows if row["udid"] == ANN]


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _ask(ibackup: Cli, bench: Bench, tmp_path: Path) -> Said:
    """Ask everybody who says how it stands with the phone."""
    (status,) = _rows(ibackup, "status", "--prometheus", str(tmp_path / "ibackup.prom"))
    (night,) = _rows(ibackup, "nightly", "--once")
    listed = _rows(ibackup, "list")
    pruned = ibackup("prune", "--keep-last", "1", "--dry-run", "--json").result["kept"]
    assert isinstance(pruned, list)
    metrics = {
        sample.name.removeprefix("ibackup_"): sample.value
        for family in text_string_to_metric_families((tmp_path / "ibackup.prom").read_text())
        for sample in family.samples
        if sample.labels.get("udid", ANN) == ANN
    }
    good = [row["snapshot"] for row in listed if row["state"] != "damaged"]
    newest = status["newest_snapshot"]
    base = bench.store.phone(ANN).standing().base
    kept = {row["snapshot"] for row in pruned if row["udid"] == ANN}
    if newest is not None:
        assert base is not None
        assert base.id == newest
        assert json.loads(ibackup("show", newest, "--json").out.splitlines()[-1])["state"] != "damaged"
    assert base is None or base.id in kept
    return Said(
        {"status": newest, "list": good[-1] if good else None},
        {
            "status": _moment(status["data_from"]),
            "nightly": _moment(night["newest"]),
            "metrics": metrics.get("newest_good_timestamp_seconds"),
        },
        {
            "status": status["stale"],
            "nightly": night["stale"],
            "nightly's code": 30 in night["exit_codes"],
            "metrics": bool(metrics["phone_stale"]),
        },
        {
            "status": status["damage"] is not None,
            "list": bool(listed) and max(listed, key=lambda row: row["snapshot"])["state"] == "damaged",
            "metrics": bool(metrics["phone_damaged"]),
        },
    )


@pytest.mark.parametrize("older", ["good", "damaged", "stale", "none"])
@pytest.mark.parametrize("name", CASES)
def test_all_say_the_same(bench: Bench, ibackup: Cli, tmp_path: Path, name: str, older: str) -> None:
    case = CASES[name]
    old = bench.add(8 * 24 * HOUR if older == "stale" else OLD) if older != "none" else None
    if old is not None and older == "damaged":
        bench.damaged(old)
    new = bench.add(NEW, **dict(case.changes))
    case.do(bench, new)
    sound = old if old is not None and older != "damaged" else None
    expected = new if case.good else sound
    said = _ask(ibackup, bench, tmp_path)
    assert set(said.newest.values()) == {expected.id if expected else None}
    assert set(said.made.values()) == {expected.meta.data_from.timestamp() if expected else None}
    assert set(said.stale.values()) == {expected is None or (expected is old and older == "stale")}
    assert set(said.damaged.values()) == {not case.good}
    (night,) = _rows(ibackup, "nightly", "--once")
    assert night["state"] == ("not_due" if case.good else "absent")  # due, but no phone is connected
    if name not in ("record broken", "record removed", "of another phone"):
        assert _rows(ibackup, "list")[-1]["state"] == case.state


@pytest.mark.parametrize(
    ("finished", "ahead"), [(timedelta(0), FUTURE), (FUTURE, FUTURE), (FUTURE, timedelta(0))]
)
def test_clocks_that_are_wrong(
    bench: Bench, ibackup: Cli, tmp_path: Path, finished: timedelta, ahead: timedelta
) -> None:
    """A phone's clock that is ahead makes a backup of today no older; one of the future says nothing at all."""
    bench.add(OLD)
    new = bench.add(NEW, data_from=bench.now + ahead, finished=bench.now - NEW + finished)
    said = _ask(ibackup, bench, tmp_path)
    is_ahead = bool(finished and ahead)
    assert set(said.newest.values()) == {new.id}
    assert set(said.made.values()) == {min(new.meta.data_from, new.meta.finished).timestamp()}
    assert set(said.stale.values()) == {is_ahead}
    (night,) = _rows(ibackup, "nightly", "--once")
    assert night["state"] == ("absent" if is_ahead else "not_due")


def test_a_flawed_one_is_reported_and_never_costs_the_one_without_flaws(bench: Bench, ibackup: Cli) -> None:
    whole = bench.add(50 * HOUR)
    flawed = [bench.add(age, flawed=FLAWED) for age in (OLD, NEW)]
    (status,) = _rows(ibackup, "status")
    assert (status["state"], status["flawed"], status["newest_snapshot"]) == ("good", True, flawed[-1].id)
    done = ibackup("prune", "--keep-last", "1", "--json", "--yes")
    kept = {row["snapshot"]: row["reasons"] for row in done.result["kept"]}  # type: ignore[attr-defined]
    assert kept == {whole.id: ["flawless"], flawed[-1].id: ["last", "newest"]}
    assert "are flawed" in ibackup("status").flat
