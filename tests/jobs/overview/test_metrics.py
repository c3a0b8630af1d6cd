"""The metrics are what Prometheus' own parser reads."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ibackup.base.exit_codes import ExitCode
from ibackup.config.config_schema import Config
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopiedSnapshot, CopyProof, CopyRecord
from ibackup.jobs.overview.copy_overview import status_of
from ibackup.jobs.overview.prometheus_metrics import render
from ibackup.jobs.overview.store_overview import look
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.proof_records import Proof
from support.made_store import ANN, BOB, NOW, add_snapshot, make_store

ODD = 'a "quoted" \\ back\nslash, ünï'


def samples(text: str) -> dict[tuple[str, str], float]:
    """Value by metric and phone."""
    return {
        (sample.name, sample.labels.get("phone", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_figure_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    store = make_store(tmp_path / "store")
    newest = add_snapshot(store, ANN, timedelta(hours=9))
    add_snapshot(store, BOB, timedelta(days=9), name=ODD)
    store.phone(ANN).add_proof(newest.id, Proof("deep", NOW, "good"))
    store.phone(ANN).add_proof(newest.id, Proof("rehearse", NOW, "good"))
    store.phone(ANN).remember(LastSeen.told("Ann", True, NOW - timedelta(days=3), NOW))
    found = look(store, Config(), NOW, next_run=NOW + timedelta(hours=1))
    text = render(found, NOW, found.code)
    got = samples(text)
    assert got["ibackup_newest_good_timestamp_seconds", "Ann"] == (NOW - timedelta(hours=9)).timestamp()
    assert (got["ibackup_phone_stale", "Ann"], got["ibackup_phone_stale", ODD]) == (0, 1)
    assert got["ibackup_newest_good_bytes", "Ann"] == 61 * 10**9
    assert got["ibackup_newest_good_proven_timestamp_seconds", "Ann"] == NOW.timestamp()
    assert got["ibackup_newest_good_rehearsed_timestamp_seconds", "Ann"] == NOW.timestamp()
    assert got["ibackup_icloud_timestamp_seconds", "Ann"] == (NOW - timedelta(days=3)).timestamp()
    assert ("ibackup_icloud_timestamp_seconds", ODD) not in got
    assert got["ibackup_status_exit_code", ""] == ExitCode.STALE
    assert got["ibackup_next_run_timestamp_seconds", ""] == (NOW + timedelta(hours=1)).timestamp()
    assert got["ibackup_store_free_bytes", ""] > 0
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_a_store_that_is_not_there_is_reported(tmp_path: Path) -> None:
    got = samples(render(None, NOW, ExitCode.STORE_MISSING))
    assert got == {
        ("ibackup_status_timestamp_seconds", ""): NOW.timestamp(),
        ("ibackup_status_exit_code", ""): 16,
        ("ibackup_store_up", ""): 0,
    }


def test_a_second_copy_has_the_age_of_each_proof_and_says_whether_it_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    store = make_store(tmp_path / "store")
    newest = add_snapshot(store, ANN, timedelta(hours=9))
    config = CopyConfig("usb", str(tmp_path / "usb"), repository_id="0" * 64)
    folder, day = store.phone(ANN), timedelta(days=1)
    record = CopyRecord("0" * 64).with_copied(CopiedSnapshot(newest.id, "e", newest.meta.seal, NOW, 5))
    record = record.with_proof(CopyProof("stored", NOW - day, "good"))
    record = record.with_proof(CopyProof("read", NOW, "damaged", share=(1, 90)))
    record.write(folder.proofs_path, "usb")
    found = look(store, Config(), NOW)
    for up in (0, 1):
        text = render(found, NOW, found.code, [status_of(config, [folder], NOW)])
        got = {
            (each.name.removeprefix("ibackup_copy_"), each.labels.get("level", "")): each.value
            for family in text_string_to_metric_families(text)
            for each in family.samples
            if each.labels.get("copy") == "usb"
        }
        assert got == {
            ("up", ""): up,
            ("stale", ""): 0,
            ("damaged", ""): 1,
            ("max_age_seconds", ""): 14 * 86400,
            ("snapshots", ""): 1,
            ("missing_snapshots", ""): 0,
            ("proven_timestamp_seconds", "stored"): (NOW - day).timestamp(),
        }
        (tmp_path / "usb" / "keys").mkdir(parents=True, exist_ok=True)
