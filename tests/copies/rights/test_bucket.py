"""A copy in a bucket with the keys that the documentation advises: what a thief can do with them, and the way back."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from copies.conftest import PASSWORD
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.rclone_program import version_of
from ibackup.copies.rights.copy_rights import RightsTrial
from ibackup.copies.rights.http_asking import ask
from ibackup.copies.rights.s3_signing import S3Keys, signed
from ibackup.copies.rights.s3_trial import try_on_s3
from ibackup.jobs.copying.copy_adding import add
from ibackup.jobs.copying.copy_getting import get
from ibackup.jobs.copying.copy_rights_check import check_rights
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.store.phone_folder import PhoneFolder
from support.buckets import ALL_OF_IT, Bucket, bucket_with
from support.copy_servers import serving

pytestmark = pytest.mark.peer

BUCKET = "ann-copies"
WITHOUT_VERSIONS = "without-versions"


@pytest.fixture
def bucket(require_tool: Callable[[str], str], pytestconfig: pytest.Config) -> Iterator[Bucket]:
    page = (pytestconfig.rootpath / "docs" / "howto-second-copy.md").read_text("utf-8")
    found = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert found
    policies = {"computer": found[1].replace("BUCKET", BUCKET), "keeper": ALL_OF_IT}
    with bucket_with(require_tool, BUCKET, policies, WITHOUT_VERSIONS) as made:
        yield made


def answers(trial: RightsTrial) -> dict[str, str]:
    return {each.act: each.answer for each in trial.acts}


def test_the_rights_of_keys_are_told_apart(bucket: Bucket) -> None:
    address = CopyAddress.parse(bucket.address("ann")).bucket
    plain = CopyAddress.parse(replace(bucket, name=WITHOUT_VERSIONS).address("ann")).bucket
    assert address
    assert plain
    for _ in range(2):
        trial = try_on_s3(address, bucket.keys["computer"], {})
        assert answers(trial) == {"overwrite": "kept", "remove": "refused", "remove_versions": "refused"}
        assert trial.left == f"/{BUCKET}/ann/data/ibackup-rights-test"
    trial = try_on_s3(address, bucket.keys["keeper"], {})
    assert answers(trial) == {"overwrite": "kept", "remove": "kept", "remove_versions": "done"}
    assert answers(try_on_s3(plain, bucket.keys["keeper"], {})) == {"overwrite": "done", "remove": "done"}
    with pytest.raises(IbackupError, match="the server answered 403"):
        try_on_s3(plain, bucket.keys["computer"], {})
    wrong = S3Keys(bucket.keys["computer"].ident, "wrong")
    with pytest.raises(IbackupError, match="the server answered 403"):
        try_on_s3(address, wrong, {})


@pytest.mark.long
def test_a_bucket_that_a_thief_wrote_over_comes_back(
    bucket: Bucket,
    backed_up: PhoneFolder,
    tmp_path: Path,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_tool("restic")
    require_tool("rclone")
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    folder = PhoneFolder(str(tmp_path / "store" / backed_up.udid))
    shutil.copytree(backed_up.path, folder.path)
    keys = bucket.key_file("computer", tmp_path)
    planned = CopyConfig("cloud", bucket.address("ann"), repository_id="", key_file=str(keys))
    copy = OpenedCopy.open(add(planned, PASSWORD, tmp_path / "config.toml", ignore).config, PASSWORD)
    done = copy_snapshots(copy, [folder], ignore)
    assert (done.held, done.damaged) == (2, ())
    assert not check_rights(copy, ignore).destroys
    # The thief has this computer's keys, and writes over everything.
    before = datetime.now(UTC)
    wait = threading.Event()
    while (datetime.now(UTC) - before).total_seconds() < 2:
        wait.wait(0.2)
    names = _names(bucket)
    assert len(names) > 8
    for name in names:
        url = f"{bucket.url}{BUCKET}/{quote(name)}"
        to, headers = signed("PUT", url, {}, b"pay", bucket.keys["computer"], "us-east-1", datetime.now(UTC))
        assert ask("PUT", to, data=b"pay", headers=headers).is_done
    with pytest.raises(IbackupError):
        copy_snapshots(copy, [folder], ignore)
    with _as_it_was(bucket, f"{before:%Y-%m-%dT%H:%M:%SZ}", tmp_path / "before") as address:
        planned = CopyConfig("before", address, repository_id="")
        back = OpenedCopy.open(
            add(planned, PASSWORD, tmp_path / "back.toml", ignore, adopt=True).config, PASSWORD
        )
        got = get(back, back.engine.held()[-1], str(tmp_path / "back"), ignore)
    assert (got.held.id, got.verdict.status) == (folder.snapshots()[-1].id, "good")


def _names(bucket: Bucket) -> list[str]:
    """What is in the bucket, as rclone lists it."""
    command = ["rclone", "lsf", "-R", "--files-only", f"REMOTE:{BUCKET}"]
    environment = os.environ | _rclone(bucket, bucket.keys["computer"])
    environment.pop("AWS_CA_BUNDLE", None)
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.splitlines()


def _rclone(bucket: Bucket, keys: S3Keys) -> dict[str, str]:
    return {
        "RCLONE_CONFIG": "/nonexistent",
        "RCLONE_CONFIG_REMOTE_TYPE": "s3",
        "RCLONE_CONFIG_REMOTE_PROVIDER": "Other",
        "RCLONE_CONFIG_REMOTE_ENDPOINT": bucket.url,
        "RCLONE_CONFIG_REMOTE_ACCESS_KEY_ID": keys.ident,
        "RCLONE_CONFIG_REMOTE_SECRET_ACCESS_KEY": keys.secret,
    }


@contextmanager
def _as_it_was(bucket: Bucket, moment: str, folder: Path) -> Iterator[str]:
    """The repository at a moment: served by an rclone that can, else copied into a folder."""
    place = ["--s3-version-at", moment, f"REMOTE:{BUCKET}/ann"]
    environment = _rclone(bucket, bucket.keys["keeper"])
    if version_of("rclone") >= (1, 75):
        command = ["rclone", "serve", "restic", "--addr", "127.0.0.1:0", *place]
        with serving(command, r"http://(127\.0\.0\.1:\d+)/", environment) as server:
            yield f"rest:{server.address}"
    else:
        rest = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        subprocess.run(["rclone", "copy", *place, str(folder)], check=True, env=rest | environment)
        yield str(folder)
