"""Reports to the fleet how a phone's backups on this computer are; one signed object a run."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Note, Observer
from ibackup.config.config_schema import Config
from ibackup.config.copy_config import CopyConfig
from ibackup.config.fleet_config import FleetConfig
from ibackup.copies.copy_records import CopyLevel, CopyRecord
from ibackup.copies.fleet.fleet_bucket import FleetBucket
from ibackup.copies.fleet.fleet_keys import SigningKey, is_key
from ibackup.copies.fleet.host_policies import repository_address
from ibackup.copies.fleet.host_statuses import (
    MOST_DAMAGE,
    HostStatus,
    ReportedBackup,
    ReportedCopy,
    shown,
)
from ibackup.copies.opened_copy import alone_on
from ibackup.jobs.fleet.opened_fleet import OpenedFleet, fleet_copy
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw, read_bytes
from ibackup.store.disk.system_lock import changing
from ibackup.store.phone_folder import PhoneFolder

_SEQUENCE = "fleet.json"
_LONGEST = 1024
_MOST_LOOKED_AT = 20


def report(
    config: Config, folders: Sequence[PhoneFolder], exit_code: int, observe: Observer
) -> list[HostStatus]:
    """Report each of these phones that belongs to the fleet; what goes wrong is a warning, since silence is an alarm.

    Args:
        config: with or without a fleet.
        folders: of the phones.
        exit_code: of the run.
        observe: gets the warnings.

    Returns:
        What was reported.
    """
    host = config.fleet.host
    done: list[HostStatus] = []
    if host is None:
        return done
    try:
        fleet = OpenedFleet.open(config.fleet)
        key = _host_key(config.fleet.host_key_file or "")
        for folder in folders:
            copy = fleet_copy(config.fleet, config.copies, folder.udid)
            if copy is not None:
                done.append(_report_one(fleet.bucket, key, host, folder, copy, exit_code))
    except IbackupError as error:
        observe(Caution(f"Nothing was reported to the fleet. {error.message}", error.hint))
    return done


def _report_one(
    bucket: FleetBucket, key: SigningKey, host: str, folder: PhoneFolder, copy: CopyConfig, exit_code: int
) -> HostStatus:
    sequence = _next_sequence(bucket, key, host, folder)
    status = status_of_phone(folder, copy, host, sequence, exit_code, record_times.now())
    bucket.put(status.name.path, status.signed(key))
    return status


def status_of_phone(
    folder: PhoneFolder, copy: CopyConfig, host: str, sequence: int, exit_code: int, now: datetime
) -> HostStatus:
    """What the store and the records of the copy say about one phone."""
    standing = folder.standing()
    record = CopyRecord.read(folder.proofs_path, copy.name, copy.repository_id)
    good = standing.newest_good
    damage = [standing.damage] if standing.damage else []
    damage += [
        f"The copy: {problem}" for proof in record.proofs if not proof.good for problem in proof.problems[:1]
    ]
    newest = max(record.copied, key=lambda each: each.id, default=None)

    def last(level: CopyLevel) -> datetime | None:
        return max((each.when for each in record.proofs if each.level == level and each.good), default=None)

    return HostStatus(
        host,
        folder.udid,
        shown(folder.device_name()),
        sequence,
        now,
        exit_code,
        ReportedBackup(
            good.id,
            good.made,
            good.snapshot.meta.files,
            good.snapshot.meta.bytes,
            good.snapshot.meta.encrypted,
            good.snapshot.meta.seal,
        )
        if good
        else None,
        ReportedCopy(
            record.repository,
            newest.id if newest else "",
            newest.when if newest else None,
            last("matched"),
            last("stored"),
            last("read"),
            last("rehearsed"),
        ),
        tuple(map(shown, damage[:MOST_DAMAGE])),
    )


def _host_key(path: str) -> SigningKey:
    try:
        text = read_bytes(os.path.expanduser(path), _LONGEST).decode("ascii", "replace").strip()
    except (OSError, RecordFlaw):
        text = ""
    if not is_key(text):
        raise IbackupError(
            f"The key of this computer in the fleet cannot be read: {path!r}.",
            hint="`ibackup fleet join` writes a new one, from the keeper's enrolment.",
        )
    return SigningKey(text)


def _next_sequence(bucket: FleetBucket, key: SigningKey, host: str, folder: PhoneFolder) -> int:
    """The next number, kept with the proofs; if that is lost, the bucket has what was reported last."""
    path = os.path.join(folder.proofs_path, _SEQUENCE)
    with telling("The number of the report could not be recorded."):
        durable.make_dir(folder.proofs_path)
    with telling("The number of the report could not be recorded."), changing(path):
        try:
            last = JsonRecord.read(path).number("sequence")
        except (OSError, RecordFlaw):
            last = _last_reported(bucket, key, host, folder.udid)
        durable.write_file(path, JsonRecord({"schema": 1, "sequence": last + 1}).render())
    return last + 1


def _last_reported(bucket: FleetBucket, key: SigningKey, host: str, udid: str) -> int:
    own = [name for name in bucket.status_names(udid) if name.host == host]
    highest = 0
    for data in bucket.statuses(own[-_MOST_LOOKED_AT:]).values():
        with contextlib.suppress(ValueError):  # someone else wrote it
            highest = max(highest, HostStatus.opened(data, key.public).sequence)
    return highest


def note_removed(
    config: FleetConfig, copy: CopyConfig, folders: Sequence[PhoneFolder], observe: Observer
) -> None:
    """Before a computer copies to its fleet, note what the keeper removed: it is not missed and not copied again."""
    if config.bucket is None or not copy.to.startswith(repository_address(config.bucket, "")):
        return
    try:
        fleet = OpenedFleet.open(config)
        for folder in folders:
            removed = fleet.removals(folder.udid).ids
            with alone_on(copy.name):
                record = CopyRecord.read(folder.proofs_path, copy.name, copy.repository_id)
                retired = tuple(dict.fromkeys((*record.retired, *removed)))
                if retired != record.retired:
                    replace(record, retired=retired).write(folder.proofs_path, copy.name)
    except IbackupError as error:
        observe(Note(f"What the keeper of the fleet removed is not known now. {error.message}"))
