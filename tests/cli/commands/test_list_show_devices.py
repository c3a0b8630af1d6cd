"""``ibackup list``, ``show`` and ``devices``: what is there, and in what state."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.faults import DropAfterBytes, ErrorCodeAt
from ibackup.simulator.spec import Passcode, PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.phone_folder import PhoneFolder

Plug = Callable[..., list[VirtualPhone]]


# -- list ---------------------------------------------------------------------------------------------------


def test_all_snapshots_by_phone_the_newest_last(ibackup: Cli, store: Path) -> None:
    done = ibackup("list")
    assert done.code == 0
    ids = [each.name for spec in (ANN, BOB) for each in snapshots(store, spec)]
    places = [done.out.index(each) for each in ids]
    assert places == sorted(places)
    assert f"{ANN.name} (iPhone13,2, {ANN.udid})" in done.out
    assert f"Bob (iPad13,1, {BOB.udid})" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80
    report = ibackup("list", "--json")
    assert [event["snapshot"] for event in report.events if event["event"] == "snapshot"] == ids
    rows = report.result["snapshots"]
    assert isinstance(rows, list)
    assert [row["encrypted"] for row in rows] == [False, False, True]
    for row, path in zip(rows, [each for spec in (ANN, BOB) for each in snapshots(store, spec)], strict=True):
        meta = json.loads((path / "snapshot.json").read_text())
        assert {key: row[key] for key in ("files", "bytes", "full", "checked", "started")} == {
            key: meta[key] for key in ("files", "bytes", "full", "checked", "started")
        }
        assert row["path"] == str(path)
    assert report.result["unfinished"] == []


def test_of_one_phone(ibackup: Cli, store: Path) -> None:
    done = ibackup("list", "--phone", BOB.udid)
    assert BOB.udid in done.out
    assert ANN.udid not in done.out


def test_a_proof_shows(ibackup: Cli, anns: Path) -> None:
    ibackup("verify", "--level", "deep")
    done = ibackup("list")
    assert done.out.count("proven ") == 1
    assert "(deep)" in done.flat.partition(snapshots(anns, ANN)[-1].name)[2]
    rows = ibackup("list", "--json").result["snapshots"]
    assert isinstance(rows, list)
    assert [row["proof"] and (row["proof"]["level"], row["proof"]["result"]) for row in rows] == [
        None,
        ("deep", "good"),
    ]
    shown = ibackup("show").flat
    assert "level deep: good" in shown
    assert "not since it was made" in ibackup("show", snapshots(anns, ANN)[0].name).flat


def test_an_empty_store(ibackup: Cli, store: Path) -> None:
    for spec in (ANN, BOB):
        shutil.rmtree(store / spec.udid)
    done = ibackup("list")
    assert done.code == 0
    assert "No snapshots in" in done.out
    assert "`ibackup now`" in done.flat
    assert ibackup("list", "--json").result["snapshots"] == []


def test_no_store_at_all(ibackup: Cli, tmp_path: Path) -> None:
    done = ibackup("list", "--store", tmp_path / "nothing")
    assert (done.code, done.out) == (ExitCode.STORE_MISSING, "")
    assert not (tmp_path / "nothing").exists()


def test_a_store_that_is_not_mounted(ibackup: Cli, anns: Path) -> None:
    assert ibackup("list").code == 0
    os.rename(anns / "store.json", anns / "away")
    done = ibackup("list", "--json")
    assert done.code == ExitCode.STORE_MISSING
    assert "not mounted" in str(done.result["message"])


def test_damaged_records_are_listed_and_the_others_too(ibackup: Cli, anns: Path) -> None:
    older, newest = snapshots(anns, ANN)
    record = newest / "snapshot.json"
    record.chmod(0o600)
    record.write_text("{")
    done = ibackup("list")
    assert done.code == 0
    assert f"{newest.name} DAMAGED: " in done.flat
    assert older.name in done.out
    rows = ibackup("list", "--json").result["snapshots"]
    assert isinstance(rows, list)
    assert [(row["snapshot"], row["state"]) for row in rows] == [
        (older.name, "good"),
        (newest.name, "damaged"),
    ]
    shown = ibackup("show", newest.name)
    assert shown.code == ExitCode.DAMAGE
    record.unlink()
    assert "it is missing" in ibackup("list").flat


def test_what_a_broken_run_left(ibackup: Cli, tmp_path: Path, plugged: Plug) -> None:
    plugged(replace(ANN, faults=(DropAfterBytes(count=20_000),)))
    store = tmp_path / "new"
    assert ibackup("now", "--store", store).code == ExitCode.CONNECTION_LOST
    done = ibackup("list", "--store", store)
    assert done.code == 0
    assert "left over from an interrupted run. The next run continues it" in done.flat
    unfinished = ibackup("list", "--store", store, "--json").result["unfinished"]
    assert isinstance(unfinished, list)
    assert [(each["state"], each["udid"]) for each in unfinished] == [("resumable", ANN.udid)]


def test_a_phone_without_a_snapshot_yet_has_its_name_all_the_same(ibackup: Cli, plugged: Plug) -> None:
    plugged(replace(ANN, faults=(ErrorCodeAt(where="end", code=205),)))
    assert ibackup("now").code == ExitCode.PHONE_REFUSED
    assert f"{ANN.name} ({ANN.udid})" in ibackup("list").out


def test_a_snapshot_that_someone_removed_by_hand(ibackup: Cli, store: Path) -> None:
    gone = snapshots(store, ANN)[-1].name
    for each in (store / ANN.udid / "snapshots").iterdir():
        shutil.rmtree(each)
    for line in (("show", gone), ("verify", gone)):
        done = ibackup(*line)
        assert (done.code, "No snapshot begins with" in done.flat_err) == (ExitCode.USAGE, True), line
        assert "`ibackup list`" in done.flat_err
    assert f"There is no snapshot of {ANN.name} yet." in ibackup("show", "--phone", ANN.name).flat_err
    assert ibackup("show", "--json").result["udid"] == BOB.udid
    done = ibackup("verify", "--all")
    assert f"{ANN.name} has no snapshot yet" in done.flat_err


def test_a_run_under_way(ibackup: Cli, anns: Path) -> None:
    with PhoneFolder(str(anns / ANN.udid)).lock():
        done = ibackup("list")
        assert f"by process {os.getpid()} on" in done.flat
        unfinished = ibackup("list", "--json").result["unfinished"]
    assert isinstance(unfinished, list)
    assert [(each["state"], each["pid"]) for each in unfinished] == [("running", os.getpid())]
    assert "is running" not in ibackup("list").out


def test_a_name_from_a_phone_does_not_steer_the_terminal(ibackup: Cli, tmp_path: Path, plugged: Plug) -> None:
    plugged(replace(BOB, name="Bob\x9b31m\u202e", backup_password=None))
    store = tmp_path / "new"
    assert ibackup("now", "--store", store).code == 0
    for line in (("devices",), ("list",), ("show",), ("verify",)):
        done = ibackup(*line, "--store", store)
        assert done.code == 0
        assert not set(done.out + done.err) & {"\x9b", "\u202e", "\x1b"}


# -- show ---------------------------------------------------------------------------------------------------


def test_show_has_the_record(ibackup: Cli, anns: Path) -> None:
    newest = snapshots(anns, ANN)[-1]
    meta = json.loads((newest / "snapshot.json").read_text())
    done = ibackup("show", "--json", newest.name)
    assert done.code == 0
    same = set(meta) - {"schema", "sha256"}
    assert {key: done.result[key] for key in same} == {key: meta[key] for key in same}
    text = ibackup("show").out
    for said in (newest.name, str(newest), ANN.name, "not encrypted", f"{meta['files']} files"):
        assert said in text


def test_show_of_a_folder_made_elsewhere(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    shutil.copytree(snapshots(anns, ANN)[0] / ANN.udid, tmp_path / "else where" / ANN.udid)
    done = ibackup("show", tmp_path / "else where" / ANN.udid)
    assert done.code == ExitCode.USAGE
    assert f"`ibackup verify '{tmp_path}/else where/{ANN.udid}'`" in done.flat_err


def test_show_of_a_phone_that_is_not_in_the_store(ibackup: Cli, anns: Path) -> None:
    done = ibackup("show", "--phone", BOB.udid)
    assert done.code == ExitCode.USAGE
    assert f"There is no snapshot of {BOB.udid} yet." in done.flat_err


# -- devices ------------------------------------------------------------------------------------------------


def test_no_phone(ibackup: Cli, plugged: Plug) -> None:
    plugged()
    done = ibackup("devices")
    assert (done.code, done.out) == (ExitCode.NO_PHONE, "")
    assert "a cable that carries data" in done.flat_err
    assert ibackup("devices", "--json").result["message"] == "No phone is connected."


@pytest.mark.parametrize("spelling", ["/nowhere", "UNIX:/nowhere", "127.0.0.1:{port}", "[::1]:{port}"])
def test_no_usbmuxd(ibackup: Cli, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", spelling.format(port=port))
    for line in ("devices", "now"):
        done = ibackup(line)
        assert done.code == ExitCode.NO_PHONE
        assert "does not answer" in done.flat_err
        assert "USBMUXD_SOCKET_ADDRESS is set" in done.flat_err


def test_a_wrong_address(ibackup: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "somewhere")
    for line in ("devices", "now"):
        done = ibackup(line)
        assert done.code == ExitCode.USAGE
        assert "'somewhere'" in done.err


def test_one_phone(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    plugged(ANN)
    done = ibackup("devices")
    assert done.code == 0
    assert f"{ANN.name}: iPhone 12, iOS {ANN.ios_version}\n" in done.out
    newest = snapshots(anns, ANN)[-1].name
    for said in (ANN.udid, "by cable", "state       ready", "not encrypted", f"to this store ({newest})"):
        assert said in done.flat or said in done.out
    report = ibackup("devices", "--json")
    devices = report.result["devices"]
    assert isinstance(devices, list)
    assert [{"event": "device", **each} for each in devices] == report.events[:-1]
    assert {key: devices[0][key] for key in ("udid", "name", "serial", "state", "newest_snapshot")} == {
        "udid": ANN.udid,
        "name": ANN.name,
        "serial": ANN.serial,
        "state": "trusted",
        "newest_snapshot": newest,
    }


def test_a_phone_whose_folder_spells_it_otherwise(
    ibackup: Cli, tmp_path: Path, plugged: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)
    (tmp_path / "other" / ANN.udid.replace("-", "")).mkdir(parents=True)
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "other"))
    done = ibackup("now")
    assert done.code == 0
    assert ibackup("devices", "--json").result["devices"][0]["newest_snapshot"] is not None  # type: ignore[index]
    assert ibackup("verify", "latest", "--phone", ANN.udid).code == 0


def test_three_phones_each_in_its_state(ibackup: Cli, plugged: Plug) -> None:
    carol = PhoneSpec(
        seed=3,
        name="Carol",
        trust=Trust(kind="pending"),
        connection_types=("USB", "Network"),
        mux_serial_dashless=True,
    )
    plugged(ANN, replace(BOB, locked=True, passcode=Passcode(kind="answered")), carol)
    done = ibackup("devices")
    assert done.code == 0
    assert done.out.count("UDID") == 3
    assert "state       does not trust this computer yet" in done.out
    assert done.out.count("state       ready\n") == 1
    assert done.out.count("state       ready; its screen is locked\n") == 1
    assert "by cable and over the network" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80
    report = ibackup("devices", "--json")
    devices = report.result["devices"]
    assert isinstance(devices, list)
    assert {each["udid"] for each in devices} == {ANN.udid, BOB.udid, carol.udid}
    assert [each["state"] for each in devices if each["udid"] == carol.udid] == ["untrusted"]
    assert {each["udid"]: each["locked"] for each in devices} == {
        ANN.udid: False,
        BOB.udid: True,
        carol.udid: None,
    }
    one = ibackup("devices", "--phone", carol.udid.lower().replace("-", ""))
    assert one.out.count("UDID") == 1
    assert carol.udid in one.out
    none = ibackup("devices", "--phone", "00008101-0000000000000009")
    assert none.code == ExitCode.NO_PHONE
    assert "00008101-0000000000000009 is not connected" in none.flat_err


def test_show_fits_a_narrow_terminal(ibackup: Cli, anns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    ibackup("verify", "--level", "quick")
    damaged = snapshots(anns, ANN)[0]
    for each in (damaged, snapshots(anns, ANN)[1]):
        ibackup("pin", each.name, "--note", "before the long journey to the other side of the world")
        if each == damaged:
            (each / "SHA256SUMS").unlink()
        shown = ibackup("show", each.name)
        assert shown.code == 0
        long = [line for line in shown.out.splitlines() if len(line) > 40]
        assert [line.split() for line in long] == [["folder", str(each)]]
        assert "\n             " in shown.out  # under the first word of the text
