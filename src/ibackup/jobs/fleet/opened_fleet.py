"""The fleet of the config file, ready for use: its place, and on the keeper's computer the keeper's secret."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from ibackup.base.errors import UsageError
from ibackup.base.udids import plain_udid
from ibackup.config.copy_config import CopyConfig
from ibackup.config.fleet_config import FleetConfig
from ibackup.copies import copy_errors
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.fleet.fleet_bucket import FleetBucket
from ibackup.copies.fleet.fleet_keys import NotGenuine
from ibackup.copies.fleet.host_policies import repository_address
from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.keeper_removals import KeeperRemovals
from ibackup.copies.fleet.keeper_secret import KeeperSecret
from ibackup.store.disk.json_records import RecordFlaw


@dataclass(frozen=True)
class OpenedFleet:
    """A fleet; nothing was asked there yet."""

    config: FleetConfig
    address: str
    keeper_key: str
    bucket: FleetBucket

    @classmethod
    def open(cls, config: FleetConfig) -> Self:
        """Prepare to use it.

        Raises:
            UsageError: the config has no fleet.
            CopyMissing: its folder is not there, or empty; it may be on another disk.
            IbackupError: rclone is missing.
        """
        if config.bucket is None or config.keeper_key is None:
            raise UsageError(
                "This computer belongs to no fleet.",
                hint="`ibackup fleet init` begins one here; `ibackup fleet join FILE` joins one. The page "
                "howto-fleet.md explains both.",
            )
        address = CopyAddress.parse(config.bucket)
        if address.unmounted():
            raise copy_errors.not_there(copy_errors.FLEET, address)
        return cls(config, config.bucket, config.keeper_key, FleetBucket.open(config.bucket, config.key_file))

    @cached_property
    def secret(self) -> KeeperSecret:
        """The keeper's secret. Raises UsageError on other computers, IbackupError if it cannot be read."""
        if self.config.keeper_file is None:
            raise UsageError(
                "This computer does not keep the fleet.", hint="Run the command on the keeper's computer."
            )
        secret = KeeperSecret.read(self.config.keeper_file)
        if secret.key.public != self.keeper_key:
            raise UsageError(
                "The keeper's file belongs to another fleet: its key is not the `keeper_key` of the [fleet] table.",
                hint="Name the right file in `keeper_file`.",
            )
        return secret

    def hosts(self) -> "Hosts":
        """Who belongs to the fleet. Raises CopyMissing if there is none, IbackupError."""
        genuine: dict[str, HostRecord] = {}
        forged: list[str] = []
        records = self.bucket.hosts()
        if not records and self.bucket.findings() is None:  # which are there from the beginning
            raise copy_errors.not_there(copy_errors.FLEET, self.bucket.program.address)
        for host, data in sorted(records.items()):
            try:
                record = HostRecord.opened(data, self.keeper_key)
            except (NotGenuine, RecordFlaw):
                forged.append(host)
                continue
            if record.host == host:
                genuine[host] = record
            else:
                forged.append(host)
        return Hosts(genuine, tuple(forged))

    def removals(self, udid: str) -> KeeperRemovals:
        """What the keeper removed of a phone; what it did not sign counts as nothing. Raises IbackupError."""
        data = self.bucket.program.content(KeeperRemovals.path_for(udid), doing="look at the fleet")
        try:
            return KeeperRemovals.opened(data or b"", self.keeper_key, udid)
        except (NotGenuine, RecordFlaw):
            return KeeperRemovals(udid)

    def copy_of(self, udid: str, repository_id: str = "") -> CopyConfig:
        """The second copy of one phone in the fleet."""
        return CopyConfig(
            copy_name(udid),
            repository_address(self.address, udid),
            repository_id=repository_id,
            key_file=self.config.key_file,
            phones=(udid,),
        )


@dataclass(frozen=True, slots=True)
class Hosts:
    """The computers of a fleet; ``forged``: names of records that the keeper did not sign."""

    genuine: dict[str, HostRecord]
    forged: tuple[str, ...]

    def named(self, host: str) -> HostRecord:
        """The record of a computer. Raises UsageError."""
        found = self.genuine.get(host)
        if found is None:
            known = ", ".join(self.genuine) or "none"
            raise UsageError(f"The fleet has no computer {host!r}.", hint=f"Known: {known}.")
        return found

    def phones(self) -> dict[str, tuple[str, ...]]:
        """The UDID of every phone, and the computers that may back it up."""
        found: dict[str, list[str]] = {}
        for record in self.genuine.values():
            for udid in record.phones:
                found.setdefault(udid, [])
                if not record.revoked:
                    found[udid].append(record.host)
        return {udid: tuple(hosts) for udid, hosts in sorted(found.items())}

    def repositories(self) -> dict[str, str]:
        """The id of every phone's repository, by UDID."""
        return {
            udid: ident
            for record in self.genuine.values()
            for udid, ident in sorted(record.repositories.items())
        }


def copy_name(udid: str) -> str:
    """The name of a phone's copy in the fleet, which is part of file names."""
    return f"fleet-{plain_udid(udid)[-24:]}"


def fleet_copy(config: FleetConfig, copies: tuple[CopyConfig, ...], udid: str) -> CopyConfig | None:
    """The copy of the config file that is a phone's repository in the fleet."""
    if config.bucket is None:
        return None
    folder, name = repository_address(config.bucket, ""), copy_name(udid)
    return next((each for each in copies if each.name == name and each.to.startswith(folder)), None)
