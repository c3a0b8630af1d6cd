"""The fleet in the config file: where it is, who this computer is in it, and who keeps it."""

from dataclasses import dataclass

from ibackup.config import value_kinds
from ibackup.config.config_keys import key

_JOIN = "`ibackup fleet join`"


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """The ``[fleet]`` table: many computers that copy to one place. `ibackup fleet` writes it."""

    bucket: str | None = key(
        "bucket",
        value_kinds.TEXT,
        None,
        "Where the fleet is: a bucket, or a folder that all computers reach",
        twin=_JOIN,
        example='"s3:https://s3.example/backups/fleet"',
    )
    key_file: str | None = key(
        "key_file",
        value_kinds.FILE,
        None,
        "File with `NAME=value` lines: this computer's own keys of the bucket",
        twin="`fleet join --key-file`",
        example='"fleet.env"',
    )
    keeper_key: str | None = key(
        "keeper_key",
        value_kinds.TEXT,
        None,
        "The keeper's public key, which proves who belongs to the fleet",
        twin=_JOIN,
        example='"base64"',
    )
    host: str | None = key(
        "host",
        value_kinds.COPY_NAME,
        None,
        "This computer's name in the fleet",
        twin=_JOIN,
        example='"front-desk"',
    )
    host_key_file: str | None = key(
        "host_key_file",
        value_kinds.FILE,
        None,
        "File with the key by which this computer signs what it reports",
        twin=_JOIN,
        example='"fleet/front-desk.key"',
    )
    keeper_file: str | None = key(
        "keeper_file",
        value_kinds.FILE,
        None,
        "File with the keeper's secret; on the keeper's computer alone",
        twin="`ibackup fleet init`",
        example='"keeper.fleet"',
    )
    lock_days: int = key(
        "lock_days",
        value_kinds.LOCK_DAYS,
        0,
        "Have the keeper lock everything in a bucket with object lock for N days; 0: never",
        "It moves the date when a third of the time has passed.",
        twin="`ibackup fleet keeper`",
        example="30",
    )
