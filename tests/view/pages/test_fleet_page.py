"""Fleet: the phones of all computers, as the real rclone brings their reports; and what shows when it cannot."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.config import config_file
from ibackup.config.fleet_config import FleetConfig
from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.host_statuses import HostStatus, ReportedBackup
from ibackup.jobs.fleet.fleet_enrolling import begin
from ibackup.jobs.fleet.opened_fleet import OpenedFleet
from support.program import MakeProgram
from support.runs import SMALL
from support.web_client import client

pytestmark = pytest.mark.peer


def test_it_names_what_needs_a_look_first(
    make_program: MakeProgram, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("rclone")
    config = tmp_path / "ibackup.toml"
    (tmp_path / "bucket").mkdir()
    begin(FleetConfig(), str(tmp_path / "bucket"), None, str(tmp_path / "keeper.secret"), config)
    fleet = OpenedFleet.open(config_file.load(str(config)).fleet)
    now = datetime.now(UTC).replace(microsecond=0)
    fine, old = "00008101-000A0B0C0D0E0F01", "00008101-000A0B0C0D0E0F02"
    key = fleet.secret.key_of("desk", 1)
    record = HostRecord("desk", key.public, {fine: "x", old: "x"}, 1, now)
    fleet.bucket.put(record.path, record.signed(fleet.secret.key))
    for udid, name, days in ((fine, "Ann", 0), (old, "<b>Bob", 30)):
        made = now - timedelta(days=days)
        backup = ReportedBackup("20261130T020004Z", made, 1, 1, True, "e" * 64)
        status = HostStatus("desk", udid, name, 1, now - timedelta(minutes=1), 0, backup, None)
        fleet.bucket.put(status.name.path, status.signed(key))
    with client(make_program(SMALL), "--config", str(config)) as asked:
        page = asked.get("/fleet").text
        places = [page.index(each) for each in ("Need a look", "&lt;b&gt;Bob", ">Fine", ">Ann<")]
        assert places == sorted(places)
        assert 'href="/fleet"' in asked.get("/").text
        shutil.rmtree(tmp_path / "bucket")
        gone = asked.get("/fleet")
        assert (gone.status, "is not mounted" in gone.text) == (200, True)
