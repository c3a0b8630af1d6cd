"""The MQTT broker in the config file: where Home Assistant hears about the backups."""

import re
from dataclasses import dataclass

from ibackup.base.loopback import is_loopback
from ibackup.config import value_kinds
from ibackup.config.config_keys import key
from ibackup.config.value_kinds import ValueKind

MQTT = "paho-mqtt>=2.1"  # the extra `mqtt`

_NONE = "none"
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}(/[A-Za-z0-9._-]{1,64}){0,7}")


def _host(value: object) -> str | None:
    return value if isinstance(value, str) and _HOST.fullmatch(value) else None


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None


def _prefix(value: object) -> str | None:
    return value if isinstance(value, str) and _PREFIX.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The ``[mqtt]`` table: an MQTT broker through which Home Assistant shows the backups and starts one."""

    host: str = key(
        "host",
        ValueKind("the broker's name or address", _host),
        "",
        "The broker's name or address; needs the extra `mqtt`",
        "Without this table, ibackup connects to no broker.",
        twin=_NONE,
        example='"homeassistant.local"',
        needed=True,
    )
    port: int | None = key(
        "port",
        ValueKind("a port from 1 to 65535", _port, is_bare=True),
        None,
        "The broker's port",
        unset="8883 with TLS, else 1883",
        twin=_NONE,
        example="8883",
    )
    tls: bool | None = key(
        "tls",
        value_kinds.FLAG,
        None,
        "Encrypt the connection and check the broker's certificate",
        "With `false`, others on the network can read the password and press the button.",
        unset="`true`, but `false` for a broker on this computer",
        twin=_NONE,
        example="true",
    )
    ca_file: str | None = key(
        "ca_file",
        value_kinds.FILE,
        None,
        "File with the only authority to trust, in PEM, for a broker with a certificate of your own",
        unset="the system's authorities",
        twin=_NONE,
        example='"broker-ca.pem"',
    )
    user: str | None = key(
        "user", value_kinds.TEXT, None, "User at the broker", twin=_NONE, example='"ibackup"'
    )
    password_file: str | None = key(
        "password_file",
        value_kinds.FILE,
        None,
        "File whose first line is this user's password",
        twin=_NONE,
        example='"mqtt.password"',
    )
    password_command: str | None = key(
        "password_command",
        value_kinds.COMMAND,
        None,
        "Command whose first line of output is this user's password",
        twin=_NONE,
        example='"pass show mqtt"',
    )
    discovery_prefix: str = key(
        "discovery_prefix",
        ValueKind("a topic such as homeassistant", _prefix),
        "homeassistant",
        "Topic under which Home Assistant looks for devices",
        twin=_NONE,
    )

    @property
    def encrypts(self) -> bool:
        """Whether the connection is by TLS: always, except to this computer or where the file says not to."""
        return not is_loopback(self.host) if self.tls is None else self.tls

    @property
    def is_open(self) -> bool:
        """Whether others on the network can read along."""
        return not self.encrypts and not is_loopback(self.host)

    @property
    def port_used(self) -> int:
        """The port, given or usual."""
        return self.port or (8883 if self.encrypts else 1883)
