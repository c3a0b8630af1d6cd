"""A fleet in a bucket: each computer has the keys that `fleet enrol --policy` describes, and can do no more."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from copies.conftest import SPEC
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.config import config_file
from ibackup.config.config_schema import Config
from ibackup.config.fleet_config import FleetConfig
from ibackup.copies import plain_lock
from ibackup.copies.copy_errors import CopyMissing
from ibackup.copies.fleet.fleet_bucket import FleetBucket
from ibackup.copies.fleet.fleet_keys import SigningKey
from ibackup.copies.fleet.host_policies import policy_for
from ibackup.copies.fleet.host_statuses import StatusName
from ibackup.copies.fleet.keeper_removals import KeeperRemovals
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.plain_lock import PlainLock
from ibackup.copies.rights.http_asking import HttpAnswer, ask
from ibackup.copies.rights.s3_signing import S3Keys, signed
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.jobs.fleet.fleet_enrolling import begin, enrol
from ibackup.jobs.fleet.fleet_joining import join
from ibackup.jobs.fleet.fleet_keeping import keep
from ibackup.jobs.fleet.fleet_overview import look_at_fleet
from ibackup.jobs.fleet.fleet_reporting import report
from ibackup.jobs.fleet.opened_fleet import OpenedFleet
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.store.phone_folder import PhoneFolder
from ibackup.vault.unlocker import Unlocker
from support.buckets import ALL_OF_IT, Bucket, bucket_with

pytestmark = pytest.mark.peer

OTHER = "00008101-00FFFFFFFFFFFFFF"
NOWHERE = "s3:https://s3.example/phones/fleet"


@pytest.fixture
def bucket(require_tool: Callable[[str], str]) -> Iterator[Bucket]:
    require_tool("restic")
    require_tool("rclone")
    policies = {
        "keeper": ALL_OF_IT,
        "desk": policy_for(NOWHERE, [SPEC.udid]),
        "lab": policy_for(NOWHERE, [OTHER]),
    }
    with bucket_with(require_tool, "phones", policies) as made:
        yield made


def send(bucket: Bucket, keys: S3Keys, method: str, path: str, **query: str) -> HttpAnswer:
    data = b"mine now" if method == "PUT" else b""
    url = f"{bucket.url}phones/fleet/{quote(path)}"
    to, headers = signed(method, url, query, data, keys, "us-east-1", datetime.now(UTC))
    return ask(method, to, data=data or None, headers=headers)


def test_a_computer_reaches_its_own_phones_and_removes_nothing(bucket: Bucket, tmp_path: Path) -> None:
    own = [f"repos/{SPEC.udid}/data/aa/aabb", f"repos/{SPEC.udid}/config", f"status/{SPEC.udid}/1.desk.json"]
    others = [name.replace(SPEC.udid, OTHER) for name in own]
    keepers = ["hosts/desk.json", "keeper/findings.json"]
    for name in (*own, *others, *keepers):
        assert send(bucket, bucket.keys["keeper"], "PUT", name).is_done
    keys = bucket.keys["desk"]
    allowed = [(name, send(bucket, keys, "GET", name).status) for name in (*own, *keepers)]
    assert allowed == [(name, 200) for name in (*own, *keepers)]
    assert all(send(bucket, keys, "PUT", name).is_done for name in (*own, f"repos/{SPEC.udid}/locks/1"))
    assert send(bucket, keys, "DELETE", f"repos/{SPEC.udid}/locks/1").is_done
    refused = [send(bucket, keys, "GET", name) for name in others]
    refused += [
        send(bucket, keys, "PUT", name) for name in (*others, *keepers, "hosts/evil.json", "index.html")
    ]
    refused += [send(bucket, keys, "DELETE", name) for name in (*own, *others, *keepers)]
    assert {each.status for each in refused} == {403}
    # What it writes so that nobody can read it hides itself alone.
    when = [f"20261130T02000{n}Z" for n in range(2)]
    data, cold = b"x", {"x-amz-storage-class": "GLACIER"}
    kind = {"Content-Type": "application/json"}
    for ident, more in zip(when, ({}, cold), strict=True):
        url = f"{bucket.url}phones/fleet/status/{SPEC.udid}/{ident}.desk.json"
        to, headers = signed("PUT", url, {}, data, keys, "us-east-1", datetime.now(UTC))
        assert ask("PUT", to, data=data, headers={**headers, **kind, **more}).is_done
    fleet = FleetBucket.open(bucket.address("fleet"), str(bucket.key_file("keeper", tmp_path)))
    found = fleet.statuses(fleet.status_names(SPEC.udid))
    assert {name.when: data for name, data in found.items()} == {when[0]: b"x", when[1]: b""}
    # What was removed since it was listed is gone, and not an empty one that someone forged.
    gone = StatusName(SPEC.udid, "20261130T020009Z", "desk")
    assert set(fleet.statuses([*found, gone])) == set(found)
    assert fleet.program.content(KeeperRemovals.path_for(SPEC.udid), doing="look") is None


def test_what_is_wrong_with_a_bucket_is_said(bucket: Bucket, tmp_path: Path) -> None:
    keepers, strangers = str(bucket.key_file("keeper", tmp_path)), tmp_path / "strangers.env"
    strangers.write_text("AWS_ACCESS_KEY_ID=ann\nAWS_SECRET_ACCESS_KEY=wrong\n")

    def beginning(address: str, key_file: str | None) -> str:
        with pytest.raises(IbackupError) as raised:
            begin(FleetConfig(), address, key_file, str(tmp_path / "secret"), tmp_path / "keeper.toml")
        return raised.value.message

    address = bucket.address("fleet")
    elsewhere = address.replace("phones", "none")
    assert "There are no keys for the bucket" in beginning(address, None)
    assert "does not open with the credentials" in beginning(address, str(strangers))
    assert "There is no such bucket" in beginning(elsewhere, keepers)
    assert not (tmp_path / "secret").exists()
    # A fleet that was there before is not taken for one without phones.
    config = FleetConfig(bucket=elsewhere, keeper_key=SigningKey.new().public, key_file=keepers)
    with pytest.raises(CopyMissing, match="There is no fleet at"):
        look_at_fleet(OpenedFleet.open(config), Config(), datetime.now(UTC))


@pytest.mark.long
def test_a_whole_fleet_runs_with_these_keys(
    bucket: Bucket, backed_up: PhoneFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    address = bucket.address("fleet")
    keepers, desks = (bucket.key_file(user, tmp_path) for user in ("keeper", "desk"))
    path = tmp_path / "keeper.toml"
    begin(FleetConfig(), address, str(keepers), str(tmp_path / "secret"), path)
    config = config_file.load(str(path))
    fleet = OpenedFleet.open(config.fleet)
    enrolment = enrol(fleet, "desk", [SPEC.udid], ignore)
    enrol(fleet, "lab", [OTHER], ignore)
    # The computer copies and reports.
    desk = tmp_path / "desk" / "config.toml"
    join(enrolment, str(desks), Config(), desk)
    mine = config_file.load(str(desk))
    folder = PhoneFolder(str(tmp_path / "store" / SPEC.udid))
    shutil.copytree(backed_up.path, folder.path)
    copy = OpenedCopy.open(mine.copies[0], Path(str(mine.copies[0].password_file)).read_text().strip())
    done = copy_snapshots(copy, [folder], ignore)
    assert (done.held, done.damaged) == (2, ())
    assert len(report(mine, [folder], 0, print)) == 1
    repository = f"repos/{SPEC.udid}"
    found = fleet.bucket.program.listed(repository, "-R", "--files-only", doing="look")
    own = [f"{repository}/{each['Path']}" for each in found]
    # The keeper sees it, finds everything whole, and locks it for longer.
    fleet = OpenedFleet.open(replace(config.fleet, lock_days=30))
    standing = look_at_fleet(fleet, config, datetime.now(UTC))
    assert [[each.kind for each in phone.problems] for phone in standing.phones] == [[], ["silent"]]
    kept = keep(fleet, lambda _: RetentionRules(), Unlocker(), ignore)
    assert (kept.errors, [each.good for each in kept.findings.values()]) == ({}, [True, True])
    assert kept.locks_extended >= len(own)
    locked = send(bucket, bucket.keys["keeper"], "GET", own[0], retention="")
    assert locked.is_done
    assert (
        keep(fleet, lambda _: RetentionRules(), Unlocker(), ignore).locks_extended == 0
    )  # it is not time yet


def test_the_policy_names_its_own_phones_alone() -> None:
    rules = json.loads(policy_for(NOWHERE, [SPEC.udid]))["Statement"]
    assert OTHER not in json.dumps(rules)
    removes = [each for each in rules if "Delete" in str(each["Action"])]
    assert [each["Resource"] for each in removes] == [
        [f"arn:aws:s3:::phones/fleet/repos/{SPEC.udid}/locks/*"]
    ]


def test_a_keeper_says_that_it_is_at_work_during_a_step_that_takes_hours(
    require_tool: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tool("rclone")
    monkeypatch.setattr(plain_lock, "_LOOK_S", 0.01)
    monkeypatch.setattr(plain_lock, "_AGAIN_S", 0.0)
    program = FleetBucket.open(str(tmp_path), None).program
    with PlainLock(program, "keeper").held_throughout():
        mark = tmp_path / "keeper" / plain_lock.NAME
        mark.unlink()
        while not mark.exists():
            time.sleep(0.01)
    assert not mark.exists()
