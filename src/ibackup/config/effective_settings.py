"""The settings in effect, key by key, each with its source: the file, the environment, an option, or the default."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ibackup.base.loopback import is_loopback
from ibackup.base.masked_addresses import masked
from ibackup.base.programs import installing
from ibackup.config import value_kinds
from ibackup.config.config_keys import keys
from ibackup.config.config_schema import (
    ALARMS,
    Config,
    NightlyConfig,
    NotifyConfig,
    PhoneConfig,
    ProofConfig,
    PruneConfig,
)
from ibackup.config.copy_config import CopyConfig
from ibackup.config.fleet_config import FleetConfig
from ibackup.config.mqtt_config import MQTT, MqttConfig
from ibackup.config.stall_limits import Limits

APPRISE = "apprise>=2.3"  # the extra `notify`
Origin = Literal["option", "environment", "file", "default"]
NOT_SHOWN = '"(not shown)"'


@dataclass(frozen=True, slots=True)
class Setting:
    """One key.

    Attributes:
        table: as the file names it; empty for the keys before the first table.
        value: as TOML, without secrets.
        origin: where it comes from.
    """

    table: str
    name: str
    value: str
    origin: Origin


def settings(config: Config, store: Path, *, from_option: bool = False) -> list[Setting]:
    """Every key that has a value, in the order of the reference.

    Args:
        config: as read from the file.
        store: the store that is used.
        from_option: whether an option chose it.
    """
    origin: Origin = (
        "option"
        if from_option
        else "environment"
        if os.environ.get("IBACKUP_STORE")
        else "file"
        if config.store
        else "default"
    )
    found = [Setting("", "store", value_kinds.FOLDER.in_toml(str(store)), origin)]
    for phone in config.phones:
        found += _table("[[phones]]", phone)
        if phone.prune is not None:
            found += _table("[phones.prune]", phone.prune)
    for copy in config.copies:
        found += _table("[[copies]]", copy)
    if config.fleet.bucket is not None:
        found += _table("[fleet]", config.fleet)
    found += _table("[nightly]", config.nightly)
    found += _table("[proof]", config.proof)
    found += _table("[notify]", config.notify)
    if config.mqtt is not None:
        found += _table("[mqtt]", config.mqtt)
    found += _table("[limits]", config.limits)
    if config.prune is not None:
        found += _table("[prune]", config.prune)
    return found


def _table(
    name: str,
    table: PhoneConfig
    | CopyConfig
    | FleetConfig
    | NightlyConfig
    | ProofConfig
    | NotifyConfig
    | MqttConfig
    | Limits
    | PruneConfig,
) -> Iterator[Setting]:
    known = {field.name: field for field in fields(table)}
    for field, key in keys(type(table)):
        value: object = getattr(table, field)
        if value is None:
            continue
        hidden = key.is_private and value != ()
        if (isinstance(table, CopyConfig) and key.name == "to") or key.name == "bucket":
            value = masked(str(value))
        origin: Origin = (
            "environment"
            if key.env and os.environ.get(key.env)
            else "default"
            if value == known[field].default
            else "file"
        )
        yield Setting(name, key.name, NOT_SHOWN if hidden else key.kind.in_toml(value), origin)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem in a config file that is valid but will not work as intended.

    Attributes:
        text: what is wrong, a sentence.
        hint: what to do.
        fatal: whether the config cannot work at all.
    """

    text: str
    hint: str
    fatal: bool


def flaws(config: Config) -> Iterator[Flaw]:
    """Problems outside the file itself: its password files, missing packages, and permissions."""
    for phone in config.phones:
        if phone.password_file is not None:
            yield from _password_file(phone.name, os.path.expanduser(phone.password_file))
    for copy in config.copies:
        if copy.password_file is not None:
            yield from _password_file(f"the copy {copy.name}", os.path.expanduser(copy.password_file))
    if config.notify.heartbeat_url is not None and _is_open(config.notify.heartbeat_url):
        yield Flaw(
            "The heartbeat's address is sent unencrypted, so anyone on the network can read it and ping in your place.",
            "Use its https:// address if it has one.",
            fatal=False,
        )
    if any(config.notify.urls_for(alarm) for alarm in ALARMS) and find_spec("apprise") is None:
        yield Flaw(
            "The addresses in [notify] cannot be used: apprise is not installed.",
            f"Install it: {installing(APPRISE)}",
            fatal=True,
        )
    if config.mqtt is not None:
        yield from _mqtt(config.mqtt)
    if config.path is not None and config.notify.secrets() and _read_by_others(config.path):
        yield Flaw(
            f"Others can read {config.path}, and the addresses in it are secrets.",
            f"Run: chmod 600 '{config.path}'",
            fatal=False,
        )


def _mqtt(mqtt: MqttConfig) -> Iterator[Flaw]:
    if mqtt.password_file is not None:
        yield from _password_file("the MQTT broker", os.path.expanduser(mqtt.password_file))
    if mqtt.is_open:
        yield Flaw(
            "The MQTT broker is reached without encryption: others on the network can read the password, and press "
            "the button.",
            "Remove `tls = false` from [mqtt] if the broker can encrypt.",
            fatal=False,
        )
    if find_spec("paho") is None:
        yield Flaw(
            "[mqtt] cannot be used: paho-mqtt (ibackup[mqtt]) is not installed.",
            f"Install it: {installing(MQTT)}",
            fatal=True,
        )


def _is_open(url: str) -> bool:
    """Whether others on the network can read an address when it is used."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def _password_file(phone: str, path: str) -> Iterator[Flaw]:
    try:
        with open(path, "rb") as file:
            empty = not file.readline(4096).strip(b"\r\n")
    except OSError as error:
        yield Flaw(f"The password file of {phone} cannot be read: {path} ({error.strerror}).", "", fatal=True)
        return
    if empty:
        yield Flaw(f"The first line of the password file of {phone} is empty: {path}.", "", fatal=True)
    if _read_by_others(Path(path)):
        yield Flaw(f"Others can read the password file of {phone}.", f"Run: chmod 600 '{path}'", fatal=False)


def _read_by_others(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & 0o077)
