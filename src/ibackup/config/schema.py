"""Everything the config file may say; docs/reference-config.md is made from this.

Each key stands in its dataclass with how it is written, its default, its twin on the command line or in the
environment, and what it does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, TypeVar, cast, get_args

from ibackup.config import kinds
from ibackup.config.kinds import Kind, Window, same_udid

T = TypeVar("T")
D = TypeVar("D")
_HOUR, _DAY = 3600.0, 86400.0

Alarm = Literal["needs_passcode", "done", "failed", "stale", "damage", "room_low"]
"""What people are told of while nobody looks."""
ALARMS: tuple[Alarm, ...] = get_args(Alarm)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table.

    Attributes:
        name: as it is written.
        kind: how its value is written.
        twin: what says the same without the file: an option, or the variable under ``env``.
        env: an environment variable that wins over the file; empty where there is none.
        text: what it does.
        default: for people, where the file does not say.
        example: a value, as TOML.
        needed: whether the table makes no sense without it.
    """

    name: str
    kind: Kind[object]
    twin: str
    env: str
    text: str
    default: str
    example: str
    needed: bool = False


def _key(
    name: str,
    kind: Kind[T],
    default: D,
    text: str,
    *,
    twin: str = "",
    env: str = "",
    said: str = "",
    example: str,
    secret: bool = False,
    needed: bool = False,
) -> T | D:
    """A field of one of the dataclasses below; to the type checker it is just its default."""
    known = Key(
        name, cast("Kind[object]", kind), twin or f"`${env}`", env, text, said, example, needed=needed
    )
    if needed:
        return cast("T", field(metadata={"key": known}))
    return cast("T", field(default=default, metadata={"key": known}, repr=not secret))


def keys(table: type[object]) -> Iterator[tuple[str, Key]]:
    """The keys of a table with the names of their fields, in the order of the reference."""
    for each in fields(table):  # type: ignore[arg-type]  # every table here is a dataclass
        if "key" in each.metadata:
            yield each.name, each.metadata["key"]


def _keep(name: str, of: str) -> int:
    return _key(name, kinds.COUNT, 0, of, twin=f"`prune --{name.replace('_', '-')}`", said="0", example="7")


@dataclass(frozen=True, slots=True)
class PruneConfig:
    """The ``[prune]`` table, or a phone's own: how many snapshots to keep, and all at most so many seconds old."""

    keep_last: int = _keep("keep_last", "Keep the newest so many.")
    keep_daily: int = _keep("keep_daily", "Of so many days that have snapshots, keep the newest of each.")
    keep_weekly: int = _keep("keep_weekly", "The same for weeks.")
    keep_monthly: int = _keep("keep_monthly", "The same for months.")
    keep_within_s: float = _key(
        "keep_within",
        kinds.DURATION,
        0.0,
        "Keep all that are at most so much older than the newest.",
        twin="`prune --keep-within`",
        said='"0"',
        example='"30d"',
    )


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """One ``[[phones]]`` table; what is None is as ``[nightly]`` and ``[prune]`` say."""

    name: str = _key(
        "name", kinds.TEXT, "", "What `--phone` takes.", twin="`--phone`", example='"ann"', needed=True
    )
    udid: str = _key(
        "udid",
        kinds.UDID,
        "",
        "The phone; `ibackup devices` shows it.",
        twin="`--phone`",
        example='"00008101-000A0B0C0D0E0F01"',
        needed=True,
    )
    password_file: str | None = _key(
        "password_file",
        kinds.PATH,
        None,
        "A file whose first line is the password of this phone's backups.",
        twin="`--password-file`, `$IBACKUP_PASSWORD_FILE`",
        example='"ann.password"',
    )
    password_command: str | None = _key(
        "password_command",
        kinds.TEXT,
        None,
        "A command that prints the password.",
        twin="`--password-command`",
        example='"pass show ann"',
    )
    every_s: float | None = _key(
        "every",
        kinds.DURATION,
        None,
        "As in `[nightly]`, for this phone.",
        twin="`nightly --phone NAME --every`",
        example='"44h"',
    )
    window: Window | None = _key(
        "window",
        kinds.WINDOW,
        None,
        "As in `[nightly]`, for this phone.",
        twin="`nightly --phone NAME --window`",
        example='"20:00-06:00"',
    )
    max_age_s: float | None = _key(
        "max_age",
        kinds.DURATION,
        None,
        "As in `[nightly]`, for this phone.",
        twin="`nightly --phone NAME --max-age`",
        example='"3d"',
    )
    ignore: bool = _key(
        "ignore",
        kinds.FLAG,
        False,
        "Leave this phone alone at night, and out of `status`: it was sold, or is backed up elsewhere.",
        twin="`nightly --phone`, with the others' names",
        said="false",
        example="true",
    )
    prune: PruneConfig | None = None


@dataclass(frozen=True, slots=True)
class NightlyConfig:
    """The ``[nightly]`` table: unattended runs of every phone."""

    every_s: float = _key(
        "every",
        kinds.DURATION,
        20 * _HOUR,
        "A phone is due when its newest good backup is so old.",
        twin="`nightly --every`",
        said='"20h"',
        example='"20h"',
    )
    window: Window | None = _key(
        "window",
        kinds.WINDOW,
        None,
        "Hours in which phones are waited for and backups begin, by this computer's clock.",
        twin="`nightly --window`",
        said="none: each phone is tried once",
        example='"21:00-07:00"',
    )
    max_age_s: float = _key(
        "max_age",
        kinds.DURATION,
        7 * _DAY,
        "A phone is stale, and people are told once a day, when its newest good backup is older.",
        twin="`nightly --max-age`, `status --max-age`",
        said='"7d"',
        example='"7d"',
    )
    max_prompts: int = _key(
        "max_prompts",
        kinds.COUNT,
        3,
        "How often a night a phone may ask for its passcode.",
        twin="`nightly --max-prompts`",
        said="3",
        example="3",
    )
    answer_within_s: float = _key(
        "answer_within",
        kinds.DURATION,
        300.0,
        "How long somebody is waited for at a phone before the next phone's turn.",
        twin="`nightly --answer-within`",
        said='"5m"',
        example='"5m"',
    )
    power: bool = _key(
        "power",
        kinds.FLAG,
        True,
        "Back up only while the phone has external power, charging or not.",
        twin="`nightly --power`, `--no-power`",
        said="true",
        example="true",
    )
    min_free_bytes: int = _key(
        "min_free",
        kinds.SIZE,
        10 * 10**9,
        "Tell people once a day when the store's disk has less room than this.",
        twin="`nightly --min-free`",
        said='"10GB"',
        example='"50GB"',
    )


@dataclass(frozen=True, slots=True)
class ProofConfig:
    """The ``[proof]`` table: the newest snapshot is proven ``quick`` after each night, and all are read in turn."""

    full_every_s: float = _key(
        "full_every",
        kinds.DURATION,
        30 * _DAY,
        "Read every byte of every snapshot once in so long, a share of them each night; `0` never.",
        twin="`nightly --full-every`",
        said='"30d"',
        example='"30d"',
    )
    deep: bool = _key(
        "deep",
        kinds.FLAG,
        True,
        "Also decrypt it all then, where the password of the backups is stored.",
        twin="`nightly --deep`, `--no-deep`",
        said="true",
        example="true",
    )


def _urls(alarm: Alarm, when: str) -> tuple[str, ...] | None:
    return _key(
        alarm,
        kinds.URLS,
        None,
        f"Addresses for this alone, instead of `urls`: {when}",
        env=f"IBACKUP_NOTIFY_{alarm.upper()}",
        said="as `urls`",
        example="[]",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """The ``[notify]`` table: who is told, and how. Addresses hold secrets and are shown nowhere."""

    desktop: bool = _key(
        "desktop",
        kinds.FLAG,
        True,
        "Show notifications on this computer's own screen.",
        env="IBACKUP_NOTIFY_DESKTOP",
        said="true",
        example="true",
    )
    urls: tuple[str, ...] = _key(
        "urls",
        kinds.URLS,
        (),
        "Where messages go, written as [apprise](https://github.com/caronc/apprise) does; needs the extra `notify`.",
        env="IBACKUP_NOTIFY_URLS",
        said="none",
        example='["ntfys://ntfy.sh/topic"]',
        secret=True,
    )
    needs_passcode: tuple[str, ...] | None = _urls("needs_passcode", "a phone waits for its passcode.")
    done: tuple[str, ...] | None = _urls("done", "a backup was made.")
    failed: tuple[str, ...] | None = _urls("failed", "a backup failed.")
    stale: tuple[str, ...] | None = _urls("stale", "a phone has no good backup within `max_age`.")
    damage: tuple[str, ...] | None = _urls("damage", "a snapshot is damaged.")
    room_low: tuple[str, ...] | None = _urls("room_low", "the store's disk has less than `min_free`.")
    heartbeat_url: str | None = _key(
        "heartbeat_url",
        kinds.URL,
        None,
        "Pinged as Healthchecks wants it: `/start`, the address itself when all is well, `/fail`.",
        env="IBACKUP_HEARTBEAT_URL",
        example='"https://hc-ping.com/…"',
        secret=True,
    )

    def urls_for(self, alarm: Alarm) -> tuple[str, ...]:
        """Where a message about this goes."""
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
        """Every address, so that a log can leave them out."""
        found = [*self.urls, *(url for alarm in ALARMS for url in self.urls_for(alarm))]
        return tuple(dict.fromkeys([*found, *([self.heartbeat_url] if self.heartbeat_url else [])]))


@dataclass(frozen=True, slots=True)
class PhoneRules:
    """What holds for one phone, its own table before the general ones; without a window any hour will do."""

    every_s: float
    window: Window | None
    max_age_s: float
    prune: PruneConfig | None


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says; all of it optional."""

    path: Path | None = None
    store: str | None = _key(
        "store",
        kinds.PATH,
        None,
        "The folder with the backups.",
        twin="`--store`, `$IBACKUP_STORE`",
        said='"~/ibackup"',
        example='"/mnt/disk/ibackup"',
    )
    phones: tuple[PhoneConfig, ...] = ()
    nightly: NightlyConfig = NightlyConfig()
    proof: ProofConfig = ProofConfig()
    notify: NotifyConfig = NotifyConfig()
    prune: PruneConfig | None = None

    def phone(self, name_or_udid: str) -> PhoneConfig | None:
        """The phone of that name (any case) or UDID (with or without its dash)."""
        for phone in self.phones:
            if phone.name.casefold() == name_or_udid.casefold() or same_udid(phone.udid, name_or_udid):
                return phone
        return None

    def rules(self, udid: str) -> PhoneRules:
        """What holds for a phone, whether it has a table of its own or not."""
        own = self.phone(udid)
        every, window, max_age = (own.every_s, own.window, own.max_age_s) if own else (None, None, None)
        window = self.nightly.window if window is None else window
        return PhoneRules(
            self.nightly.every_s if every is None else every,
            None if window is None or window.always else window,
            self.nightly.max_age_s if max_age is None else max_age,
            self.prune if own is None or own.prune is None else own.prune,
        )

    def overridden(
        self, *, every_s: float | None = None, window: Window | None = None, max_age_s: float | None = None
    ) -> "Config":
        """The same with what options say for every phone; None leaves it as it is."""
        given = {
            name: value
            for name, value in (("every_s", every_s), ("window", window), ("max_age_s", max_age_s))
            if value is not None
        }
        nothing = dict.fromkeys(given)
        return replace(
            self,
            nightly=replace(self.nightly, **given),  # type: ignore[arg-type]  # each has its field's type
            phones=tuple(replace(phone, **nothing) for phone in self.phones),  # type: ignore[arg-type]
        )


TABLES: dict[str, type[object]] = {
    "": Config,
    "phones": PhoneConfig,
    "nightly": NightlyConfig,
    "proof": ProofConfig,
    "notify": NotifyConfig,
    "prune": PruneConfig,
}
"""Every table by its name in the file; a ``[phones.prune]`` takes what ``[prune]`` takes."""
