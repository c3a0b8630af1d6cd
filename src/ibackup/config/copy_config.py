"""A second copy in the config file: where it is, how it is opened, what goes there."""

from dataclasses import dataclass

from ibackup.config import value_kinds
from ibackup.config.config_keys import key

_ADD = "`ibackup copy add`"


@dataclass(frozen=True, slots=True)
class CopyConfig:
    """One ``[[copies]]`` table: a second copy of the snapshots elsewhere. `ibackup copy add` writes it."""

    name: str = key(
        "name",
        value_kinds.COPY_NAME,
        "",
        "Short name of the copy, for `ibackup copy`",
        twin=_ADD,
        example='"usb"',
        needed=True,
    )
    to: str = key(
        "to",
        value_kinds.TEXT,
        "",
        "Where the copy is: a folder on another disk, or an address of restic's",
        "If the address itself contains a password, close the config file to others.",
        twin="`copy add --to`",
        example='"/mnt/usb/ibackup-copy"',
        needed=True,
    )
    repository_id: str = key(
        "repository_id",
        value_kinds.REPOSITORY_ID,
        "",
        "Id of the repository there; ibackup writes to no other one",
        twin=_ADD,
        example=f'"{"c76a0e34" * 8}"',
        needed=True,
    )
    engine: str = key(
        "engine",
        value_kinds.ENGINE,
        "restic",
        "Program that keeps the copy: `restic`, or `rclone` for plain files of each phone's newest snapshot",
        twin="`copy add --engine`",
        example='"rclone"',
    )
    password_file: str | None = key(
        "password_file",
        value_kinds.FILE,
        None,
        "File whose first line is the copy's own password",
        "Without this and `password_command`, it is in the system's keychain.",
        twin="`copy add --copy-password-file`",
        example='"usb.password"',
    )
    password_command: str | None = key(
        "password_command",
        value_kinds.COMMAND,
        None,
        "Command whose first line of output is the copy's own password",
        twin="`copy add --copy-password-command`",
        example='"pass show copy-usb"',
    )
    key_file: str | None = key(
        "key_file",
        value_kinds.FILE,
        None,
        "File with `NAME=value` lines for the program that copies, such as the keys of a cloud",
        twin="`copy add --key-file`",
        example='"s3.env"',
    )
    phones: tuple[str, ...] = key(
        "phones",
        value_kinds.NAMES,
        (),
        "Names or UDIDs of the phones whose snapshots go there; all of them without it",
        twin="`copy run --phone`",
        example='["ann"]',
    )
    every_s: float = key(
        "every",
        value_kinds.DURATION,
        20 * 3600.0,
        "Have `nightly` run this copy when it was last proven more than TIME ago",
        "`ibackup copy run` runs it at any time.",
        twin="`copy run`",
    )
    max_age_s: float = key(
        "max_age",
        value_kinds.DURATION,
        14 * 86400.0,
        "How long this copy may be away before `nightly` fails",
        "While it is away for less than TIME, the night goes well without it.",
        twin="none",
    )
    rehearse_every_s: float = key(
        "rehearse_every",
        value_kinds.DURATION,
        0.0,
        "Have `nightly` test a restore from this copy when it was last tested more than TIME ago; 0: never",
        "All of the newest snapshot is fetched for it. With several phones, one of them each night.",
        twin="`copy rehearse`",
        example='"30d"',
    )
    prune: bool = key(
        "prune",
        value_kinds.FLAG,
        False,
        "Have `nightly` remove old snapshots from this copy, by the rules in [prune]",
        "A computer that may only add to the copy cannot.",
        twin="`copy prune`",
    )
    read_parts: int = key(
        "read_parts",
        value_kinds.PARTS,
        90,
        "Read the copy's data back in N parts, one each time that it is proven; 0: never",
        twin="`copy prove --all`",
    )
