"""What the keeper of a fleet decides: that there is one, which computers belong to it, and which no longer do."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.events import Observer, PhaseStarted
from ibackup.base.udids import canonical, is_udid
from ibackup.config.config_additions import with_fleet
from ibackup.config.fleet_config import FleetConfig
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.fleet import keeper_findings
from ibackup.copies.fleet.enrolments import EnrolledPhone, Enrolment
from ibackup.copies.fleet.fleet_bucket import FleetBucket
from ibackup.copies.fleet.host_policies import policy_for
from ibackup.copies.fleet.host_records import HostRecord, is_host_name
from ibackup.copies.fleet.keeper_findings import KeeperFindings
from ibackup.copies.fleet.keeper_secret import KeeperSecret
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.config_writing import rewrite
from ibackup.jobs.copying.copy_adding import identity_of, make_repository
from ibackup.jobs.fleet.opened_fleet import OpenedFleet
from ibackup.store.disk import record_times


def begin(config: FleetConfig, bucket: str, key_file: str | None, keeper_file: str, path: Path) -> str:
    """Begin a fleet that this computer keeps.

    Args:
        config: as it is.
        bucket: its place.
        key_file: the keeper's own keys of it.
        keeper_file: where to write the keeper's secret; must not exist.
        path: of the config file.

    Returns:
        The keeper's public key.

    Raises:
        UsageError: this computer belongs to a fleet, or that place has one or is a folder that does not exist, or there
            is such a file, or the config cannot be extended.
        IbackupError: the place cannot be reached.
    """
    if config.bucket is not None or config.keeper_key is not None:
        raise UsageError(
            "This computer belongs to a fleet already.",
            hint="To leave it, remove the [fleet] table from the config file.",
        )
    address = CopyAddress.parse(bucket)
    if address.kind == "folder" and not os.path.isdir(address.path):
        raise UsageError(
            f"The folder '{address.path}' does not exist.",
            hint="Check the spelling, and that its disk is mounted. For a new fleet, make the folder first.",
        )
    place = FleetBucket.open(address.text, key_file)
    if place.findings() is not None or place.hosts():
        raise UsageError(
            f"There is a fleet at {address.shown} already.",
            hint="To keep it from this computer, copy the keeper's file and the [fleet] table here.",
        )
    secret = KeeperSecret.new()
    values = {"bucket": address.text, "keeper_key": secret.key.public, "keeper_file": keeper_file}
    if key_file is not None:
        values["key_file"] = key_file
    rewrite(path, _tried(values))
    secret.keep_in_new_file(keeper_file)
    try:  # an empty folder could be one whose disk is not mounted
        place.put(keeper_findings.PATH, KeeperFindings(record_times.now(), {}).signed(secret.key))
    except IbackupError:
        os.unlink(keeper_file)
        raise
    rewrite(path, lambda text: with_fleet(text, values))
    return secret.key.public


def _tried(values: dict[str, str]) -> Callable[[str], str]:
    """Finds out whether the config can be extended, and changes nothing."""

    def change(text: str) -> str:
        with_fleet(text, values)
        return text

    return change


def enrol(fleet: OpenedFleet, host: str, udids: Sequence[str], observe: Observer) -> Enrolment:
    """Let a computer back up these phones: make their repositories, register its key, and return what it needs.

    A computer that is known keeps its key and its other phones; one that was revoked gets another key.

    Raises:
        UsageError: the name or a UDID is none.
        IbackupError: the place cannot be reached, or a repository opens with another password.
    """
    before, phones = _asked_for(fleet, host, udids)
    if not phones:
        why = "was revoked, and lost its phones with that" if before is not None else "has no phones yet"
        raise UsageError(
            f"The computer {host} {why}.", hint="Give the UDIDs of the phones that it may back up."
        )
    if before is None or before.revoked:
        # The time, so that a key that was revoked does not come back with a record that someone removed.
        generation = max(int(record_times.now().timestamp()), before.generation + 1 if before else 1)
    else:
        generation = before.generation
    enrolled = tuple(_phone(fleet, udid, observe) for udid in phones)
    key = fleet.secret.key_of(host, generation)
    repositories = {each.udid: each.repository_id for each in enrolled}
    record = HostRecord(host, key.public, repositories, generation, record_times.now())
    fleet.bucket.put(record.path, record.signed(fleet.secret.key))
    return Enrolment(fleet.address, host, key, fleet.keeper_key, enrolled)


def policy_of(fleet: OpenedFleet, host: str, udids: Sequence[str]) -> str:
    """The policy for the keys of a computer that backs up these phones, besides those that it has.

    Raises:
        UsageError: the name or a UDID is none, or the fleet is in no bucket.
        IbackupError: the place cannot be reached.
    """
    return policy_for(fleet.address, _asked_for(fleet, host, udids)[1])


def _asked_for(fleet: OpenedFleet, host: str, udids: Sequence[str]) -> tuple[HostRecord | None, list[str]]:
    """A computer's record if it has one, and the phones that it is to have, each spelled as lockdown does.

    Raises UsageError, IbackupError.
    """
    if not is_host_name(host):
        raise UsageError(
            f"{host!r} cannot be the name of a computer in a fleet.",
            hint="Use at most 32 letters from a to z, digits and hyphens.",
        )
    for udid in udids:
        if not is_udid(udid):
            raise UsageError(f"{udid!r} is not a UDID.", hint="`ibackup devices` shows it.")
    before = fleet.hosts().genuine.get(host)
    phones = [*(before.phones if before is not None and not before.revoked else ()), *map(canonical, udids)]
    return before, list(dict.fromkeys(phones))


def _phone(fleet: OpenedFleet, udid: str, observe: Observer) -> EnrolledPhone:
    """A phone's repository, which is made if it is not there."""
    observe(PhaseStarted("copy", f"Looking at the repository of {udid}."))
    password = fleet.secret.password_of(udid)
    copy = OpenedCopy.open(fleet.copy_of(udid), password)
    return EnrolledPhone(udid, identity_of(copy) or make_repository(copy, observe), password)


def revoke(fleet: OpenedFleet, host: str) -> HostRecord:
    """Say that a computer no longer belongs to the fleet: what it reports from now on counts for nothing.

    Raises:
        UsageError: there is no such computer, or it was revoked before.
        IbackupError: the place cannot be reached.
    """
    before = fleet.hosts().named(host)
    if before.revoked:
        raise UsageError(f"The computer {host} was revoked before.", hint="`ibackup fleet list` shows all.")
    record = replace(before, changed=record_times.now(), revoked=True)
    fleet.bucket.put(record.path, record.signed(fleet.secret.key))
    return record
