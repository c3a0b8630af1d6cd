"""Makes this computer part of a fleet: keeps what the keeper gave it, and adds the phones' copies to the config."""

import os
from dataclasses import dataclass
from pathlib import Path

from ibackup.base.errors import UsageError
from ibackup.config import config_file
from ibackup.config.config_additions import with_changed_copy, with_copy, with_fleet
from ibackup.config.config_schema import Config
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.fleet.enrolments import Enrolment
from ibackup.copies.fleet.host_policies import repository_address
from ibackup.jobs.config_writing import rewrite
from ibackup.jobs.fleet.opened_fleet import copy_name
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling


@dataclass(frozen=True, slots=True)
class Joined:
    """What was added: the names of the copies, and of those that were there before."""

    host: str
    added: tuple[str, ...]
    known: tuple[str, ...]


def join(enrolment: Enrolment, key_file: str | None, config: Config, path: Path) -> Joined:
    """Join, or take up phones that an enrolment adds.

    Args:
        enrolment: from the keeper.
        key_file: this computer's own keys of the bucket.
        config: as it is.
        path: of its file.

    Raises:
        UsageError: this computer belongs to another fleet, or has not mounted its folder, or the config cannot be
            extended.
        IbackupError: something could not be written.
    """
    if config.fleet.bucket not in (None, enrolment.bucket) or config.fleet.host not in (None, enrolment.host):
        raise UsageError(
            "This computer belongs to a fleet already, with another place or another name.",
            hint="To leave it, remove the [fleet] table from the config file.",
        )
    place = CopyAddress.parse(enrolment.bucket)
    if place.kind == "folder" and not os.path.isdir(place.path):
        raise UsageError(
            f"The fleet's folder '{place.path}' is not on this computer.",
            hint="Mount it there: each computer must reach it under the same path as the keeper.",
        )
    folder = os.path.join(os.path.dirname(os.path.abspath(path)), "fleet")
    host_key = os.path.join(folder, f"{enrolment.host}.key")
    values = {
        "bucket": enrolment.bucket,
        "host": enrolment.host,
        "host_key_file": host_key,
        "keeper_key": enrolment.keeper_key,
    }
    if key_file is not None:
        values["key_file"] = key_file
    known = {each.name for each in config.copies}
    key_file = key_file or config.fleet.key_file
    tables: list[dict[str, object]] = []
    secrets = {host_key: enrolment.key.text}
    for phone in enrolment.phones:
        kept = os.path.join(folder, f"{phone.udid}.password")
        secrets[kept] = phone.password
        table: dict[str, object] = {
            "name": copy_name(phone.udid),
            "to": repository_address(enrolment.bucket, phone.udid),
            "repository_id": phone.repository_id,
            "password_file": kept,
            "phones": [phone.udid],
        }
        if key_file is not None:
            table["key_file"] = key_file
        tables.append(table)

    def change(text: str) -> str:
        text = with_fleet(text, values)
        for (
            table
        ) in tables:  # a newer enrolment may have other keys, or a repository that had to be made again
            text = with_changed_copy(text, table) if table["name"] in known else with_copy(text, table)
        config_file.parse(text, path)
        return text

    with telling(f"The secrets of the fleet could not be written to {folder!r}."):
        durable.make_dir(folder, parents=True)
        for file, text in secrets.items():
            durable.write_file(file, f"{text}\n".encode())
    rewrite(path, change)
    names = [copy_name(each.udid) for each in enrolment.phones]
    return Joined(
        enrolment.host,
        tuple(name for name in names if name not in known),
        tuple(name for name in names if name in known),
    )
