"""Every key of the config file; docs/reference-config.md is generated from this.

Each key is a dataclass field that says how it is written, its default, its environment variable, and what it does. If
it has an option, ``cli.shell.config_options`` makes the option from the key: help and reference use one sentence. In
that sentence, N, TIME and SIZE stand for the value.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, TypeVar, get_args

from ibackup.base.identities import plain_name
from ibackup.base.udids import same_udid
from ibackup.config import value_kinds
from ibackup.config.config_keys import key
from ibackup.config.copy_config import CopyConfig
from ibackup.config.fleet_config import FleetConfig
from ibackup.config.mqtt_config import MqttConfig
from ibackup.config.stall_limits import Limits
from ibackup.config.value_kinds import HoursWindow, ValueKind

T = TypeVar("T")
_HOUR, _DAY = 3600.0, 86400.0

Alarm = Literal["needs_passcode", "done", "failed", "stale", "damage", "room_low"]
"""The events that cause a notification."""
ALARMS: tuple[Alarm, ...] = get_args(Alarm)


DEFAULT_STORE = "~/ibackup"


def _keep(name: str, text: str, example: str = "7") -> int:
    return key(name, value_kinds.COUNT, 0, text, has_option=True, example=example)


@dataclass(frozen=True, slots=True)
class PruneConfig:
    """The ``[prune]`` table, or a phone's own.

    How many snapshots to keep, and the age in seconds up to which all are kept.
    """

    keep_last: int = _keep("keep_last", "Keep the newest N snapshots")
    keep_daily: int = _keep(
        "keep_daily", "Keep the newest snapshot of each of the last N days that have one", "14"
    )
    keep_weekly: int = _keep("keep_weekly", "The same for N weeks", "8")
    keep_monthly: int = _keep("keep_monthly", "The same for N months", "12")
    keep_within_s: float = key(
        "keep_within",
        value_kinds.DURATION,
        0.0,
        "Keep all snapshots up to TIME older than the newest, as in 30d",
        has_option=True,
        example='"30d"',
    )


@dataclass(frozen=True, slots=True)
class NightlyConfig:
    """The ``[nightly]`` table: unattended runs of every phone."""

    every_s: float = key(
        "every",
        value_kinds.DURATION,
        20 * _HOUR,
        "Back up when the newest good backup is older than TIME",
        has_option=True,
    )
    window: HoursWindow | None = key(
        "window",
        value_kinds.WINDOW,
        None,
        "Hours during which backups may begin, as in 21:00-07:00",
        "In this computer's local time. Without it, `nightly` tries each phone once.",
        unset="any time",
        example='"21:00-07:00"',
        has_option=True,
    )
    max_age_s: float = key(
        "max_age",
        value_kinds.DURATION,
        7 * _DAY,
        "Age from which a backup is stale",
        "While a phone has no good backup that is newer, ibackup sends one notification a day.",
        has_option=True,
    )
    max_prompts: int = key(
        "max_prompts",
        value_kinds.COUNT,
        3,
        "How many times a night a phone may ask for its passcode",
        has_option=True,
    )
    answer_within_s: float = key(
        "answer_within",
        value_kinds.DURATION,
        300.0,
        "How long to wait for someone at the phone",
        "Then it is the next phone's turn.",
        has_option=True,
    )
    power: bool = key(
        "power",
        value_kinds.FLAG,
        True,
        "Back up only while the phone is connected to power",
        "It need not be charging.",
        has_option=True,
    )
    min_free_bytes: int = key(
        "min_free",
        value_kinds.SIZE,
        10 * 10**9,
        "Send a notification when less than SIZE is free on the disk",
        "At most once a day.",
        example='"50GB"',
        has_option=True,
    )


def _as_for_all(name: str, kind: ValueKind[T], example: str) -> T | None:
    twin = f"`nightly --phone NAME --{name.replace('_', '-')}`"
    return key(name, kind, None, "As in `[nightly]`, for this phone", example=example, twin=twin)


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """One ``[[phones]]`` table. Keys you leave out fall back to ``[nightly]`` and ``[prune]``."""

    name: str = key(
        "name",
        value_kinds.TEXT,
        "",
        "Short name for `--phone`",
        "You can also give the UDID.",
        twin="`--phone`",
        example='"ann"',
        needed=True,
    )
    udid: str = key(
        "udid",
        value_kinds.UDID,
        "",
        "The phone's UDID; `ibackup devices` shows it",
        twin="`--phone`",
        example='"00008101-000A0B0C0D0E0F01"',
        needed=True,
    )
    password_file: str | None = key(
        "password_file",
        value_kinds.FILE,
        None,
        "File whose first line is the backup password",
        twin="`--password-file`, `$IBACKUP_PASSWORD_FILE`",
        example='"ann.password"',
        has_option=True,
    )
    password_command: str | None = key(
        "password_command",
        value_kinds.COMMAND,
        None,
        "Command whose first line of output is the backup password",
        twin="`--password-command`",
        example='"pass show ann"',
        has_option=True,
    )
    every_s: float | None = _as_for_all("every", value_kinds.DURATION, '"44h"')
    window: HoursWindow | None = _as_for_all("window", value_kinds.WINDOW, '"20:00-06:00"')
    max_age_s: float | None = _as_for_all("max_age", value_kinds.DURATION, '"3d"')
    ignore: bool = key(
        "ignore",
        value_kinds.FLAG,
        False,
        "Skip this phone at night and in `status`, for example because it was sold or is backed up elsewhere",
        twin="`nightly --phone`, with the others' names",
        example="true",
    )
    prune: PruneConfig | None = None


@dataclass(frozen=True, slots=True)
class ProofConfig:
    """The ``[proof]`` table.

    After each night, a quick check of the newest snapshot, and a full check of all snapshots in turn.
    """

    full_every_s: float = key(
        "full_every",
        value_kinds.DURATION,
        30 * _DAY,
        "Read every byte of every snapshot within TIME; 0: never",
        "Some of them each night.",
        has_option=True,
    )
    deep: bool = key(
        "deep",
        value_kinds.FLAG,
        True,
        "Also decrypt them in that check, if a password is stored",
        has_option=True,
    )


def _urls(alarm: Alarm, when: str) -> tuple[str, ...] | None:
    return key(
        alarm,
        value_kinds.URLS,
        None,
        f"Addresses for this event only, instead of `urls`: {when}",
        env=f"IBACKUP_NOTIFY_{alarm.upper()}",
        unset="as `urls`",
        example="[]",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """The ``[notify]`` table: where notifications go. Addresses contain secrets and are never shown."""

    desktop: bool = key(
        "desktop",
        value_kinds.FLAG,
        True,
        "Show notifications on this computer's screen.",
        env="IBACKUP_NOTIFY_DESKTOP",
    )
    urls: tuple[str, ...] = key(
        "urls",
        value_kinds.URLS,
        (),
        "Addresses for notifications, in [apprise](https://github.com/caronc/apprise) format; needs the "
        "extra `notify`.",
        env="IBACKUP_NOTIFY_URLS",
        example='["ntfys://ntfy.sh/topic"]',
        secret=True,
    )
    needs_passcode: tuple[str, ...] | None = _urls("needs_passcode", "a phone waits for its passcode.")
    done: tuple[str, ...] | None = _urls("done", "a backup was made.")
    failed: tuple[str, ...] | None = _urls("failed", "a backup failed.")
    stale: tuple[str, ...] | None = _urls("stale", "a phone has no good backup within `max_age`.")
    damage: tuple[str, ...] | None = _urls("damage", "a snapshot is damaged.")
    room_low: tuple[str, ...] | None = _urls(
        "room_low", "the store's disk has less free space than `min_free`."
    )
    heartbeat_url: str | None = key(
        "heartbeat_url",
        value_kinds.URL,
        None,
        "Address to ping, in the Healthchecks style: `/start` at the start, the address itself on success, "
        "`/fail` on failure.",
        env="IBACKUP_HEARTBEAT_URL",
        example='"https://hc-ping.com/…"',
        secret=True,
    )

    def urls_for(self, alarm: Alarm) -> tuple[str, ...]:
        """The addresses for a message about this event."""
        own: dict[Alarm, tuple[str, ...] | None] = {
            "needs_passcode": self.needs_passcode,
            "done": self.done,
            "failed": self.failed,
            "stale": self.stale,
            "damage": self.damage,
            "room_low": self.room_low,
        }
        chosen = own[alarm]
        return self.urls if chosen is None else chosen

    def secrets(self) -> tuple[str, ...]:
        """Every address, so that logs can leave them out."""
        found = [*self.urls, *(url for alarm in ALARMS for url in self.urls_for(alarm))]
        return tuple(dict.fromkeys([*found, *([self.heartbeat_url] if self.heartbeat_url else [])]))


@dataclass(frozen=True, slots=True)
class PhoneRules:
    """The settings in effect for one phone, its own table first, then the general ones. No window means any hour."""

    every_s: float
    window: HoursWindow | None
    max_age_s: float
    prune: PruneConfig | None


@dataclass(frozen=True, slots=True)
class Config:
    """The contents of the file; everything is optional."""

    path: Path | None = None
    store: str | None = key(
        "store",
        value_kinds.FOLDER,
        None,
        "Folder for the backups",
        unset=value_kinds.FOLDER.in_toml(DEFAULT_STORE),
        twin="`--store`, `$IBACKUP_STORE`",
        example='"/mnt/disk/ibackup"',
        has_option=True,
    )
    phones: tuple[PhoneConfig, ...] = ()
    copies: tuple[CopyConfig, ...] = ()
    fleet: FleetConfig = FleetConfig()
    nightly: NightlyConfig = NightlyConfig()
    proof: ProofConfig = ProofConfig()
    notify: NotifyConfig = NotifyConfig()
    mqtt: MqttConfig | None = None
    limits: Limits = Limits()
    prune: PruneConfig | None = None

    def phone(self, name_or_udid: str) -> PhoneConfig | None:
        """The phone of that name (in normal form) or UDID (with or without its dash)."""
        for phone in self.phones:
            if plain_name(phone.name) == plain_name(name_or_udid) or same_udid(phone.udid, name_or_udid):
                return phone
        return None

    def ignores(self, udid: str) -> bool:
        """Whether nothing is to be said or done about a phone by itself."""
        phone = self.phone(udid)
        return phone is not None and phone.ignore

    def rules(self, udid: str) -> PhoneRules:
        """The settings in effect for a phone, whether it has a table of its own or not."""
        own = self.phone(udid)
        every, window, max_age = (own.every_s, own.window, own.max_age_s) if own else (None, None, None)
        window = self.nightly.window if window is None else window
        return PhoneRules(
            self.nightly.every_s if every is None else every,
            None if window is None or window.always else window,
            self.nightly.max_age_s if max_age is None else max_age,
            self.prune if own is None or own.prune is None else own.prune,
        )

    def overridden(self, **given: object) -> "Config":
        """A copy with these fields of ``[nightly]`` and ``[proof]``, for every phone."""
        nightly, proof, phone = (
            {each.name: given[each.name] for each in fields(table) if each.name in given}
            for table in (NightlyConfig, ProofConfig, PhoneConfig)
        )
        return replace(
            self,
            nightly=replace(self.nightly, **nightly),  # type: ignore[arg-type]  # each has its field's type
            proof=replace(self.proof, **proof),  # type: ignore[arg-type]
            phones=tuple(replace(each, **dict.fromkeys(phone)) for each in self.phones),  # type: ignore[arg-type]
        )


TABLES: dict[str, type[object]] = {
    "": Config,
    "phones": PhoneConfig,
    "nightly": NightlyConfig,
    "proof": ProofConfig,
    "notify": NotifyConfig,
    "mqtt": MqttConfig,
    "limits": Limits,
    "prune": PruneConfig,
    "copies": CopyConfig,
    "fleet": FleetConfig,
}
"""Every table by its name in the file; a ``[phones.prune]`` has the keys of ``[prune]``."""
