"""Keeps the objects of a repository locked: a lock counts from the upload, and what is old is still needed.

A bucket with object lock refuses to remove the versions of an object until a date. restic never moves that date, so the
keeper does, for everything in a repository, when a third of the time has passed.
"""

import base64
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from ibackup.base.errors import IbackupError
from ibackup.copies.bucket_place import region_in
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.fleet.host_policies import REPOSITORIES
from ibackup.copies.rights.http_asking import ask
from ibackup.copies.rights.s3_signing import S3Keys, signed
from ibackup.jobs.fleet.opened_fleet import OpenedFleet
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.phone_folder import PhoneFolder

_NAME = "locked.json"
_AT_ONCE = 16
_BODY = (
    '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>{mode}</Mode>'
    "<RetainUntilDate>{until}</RetainUntilDate></Retention>"
)


def extend_locks(fleet: OpenedFleet, udid: str, folder: PhoneFolder, now: datetime) -> int:
    """Lock everything in a phone's repository for ``lock_days`` from now, if it is time for that.

    Args:
        fleet: with or without ``lock_days``.
        udid: of the phone.
        folder: has the keeper's records of it.
        now: the time.

    Returns:
        How many objects.

    Raises:
        IbackupError: the place is no bucket with object lock, or refuses.
    """
    days = fleet.config.lock_days
    if not days or now - _last(folder) < timedelta(days=days) / 3:
        return 0
    lock = _Lock(fleet, now + timedelta(days=days))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        count = sum(pool.map(lock.put, _objects(fleet, udid)))
    with telling("The time of the locks could not be recorded."):
        durable.write_file(
            _path(folder), JsonRecord({"schema": 1, "when": record_times.written(now)}).render()
        )
    return count


class _Lock:
    """Sets the date of one object after the other."""

    def __init__(self, fleet: OpenedFleet, until: datetime) -> None:
        variables = {**os.environ, **fleet.bucket.program.variables}
        keys = S3Keys.found_in(variables)
        place = CopyAddress.parse(fleet.address).bucket
        if place is None or keys is None:
            raise IbackupError(
                "The fleet's objects cannot be locked: that takes a bucket (s3:) and its keys in `key_file`.",
                hint="Take `lock_days` out of the [fleet] table, or give the keys.",
            )
        self._place = place
        self._keys = keys
        self._region = region_in(variables)
        self._body = _BODY.format(mode="COMPLIANCE", until=record_times.written(until)).encode()

    def put(self, path: str) -> int:
        """Lock one object. Raises IbackupError."""
        url = f"{self._place.endpoint}{self._place.object_path(path)}"
        url, headers = signed(
            "PUT", url, {"retention": ""}, self._body, self._keys, self._region, datetime.now(UTC)
        )
        headers["Content-Type"] = "application/xml"
        headers["Content-MD5"] = base64.b64encode(
            hashlib.md5(self._body, usedforsecurity=False).digest()
        ).decode()
        answer = ask("PUT", url, data=self._body, headers=headers)
        if not answer.is_done:
            raise IbackupError(
                f"An object of the fleet could not be locked: the server answered {answer.status}.",
                hint="The bucket needs object lock, and the keeper's keys the right s3:PutObjectRetention.",
            )
        return 1


def _objects(fleet: OpenedFleet, udid: str) -> Iterator[str]:
    """The paths of everything in a repository that has to stay; its own locks come and go."""
    folder = f"{REPOSITORIES}/{udid}"
    for each in fleet.bucket.program.listed(
        folder, "--recursive", "--files-only", doing="list the repository"
    ):
        path = str(each.get("Path"))
        if not path.startswith("locks/"):
            yield f"{folder}/{path}"


def _last(folder: PhoneFolder) -> datetime:
    try:
        return JsonRecord.read(_path(folder)).time("when")
    except (OSError, RecordFlaw):
        return datetime.min.replace(tzinfo=UTC)


def _path(folder: PhoneFolder) -> str:
    return os.path.join(folder.proofs_path, _NAME)
