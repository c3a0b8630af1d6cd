"""The settings that a page changes: how each is shown in a form, read from one, and written into the config file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Final, Literal

from ibackup.config import value_kinds
from ibackup.config.config_changes import ConfigChange, config_key
from ibackup.config.config_keys import keys
from ibackup.config.config_schema import TABLES, Config, PhoneConfig, PruneConfig
from ibackup.config.value_kinds import HoursWindow

FieldLook = Literal["text", "number", "check"]
_TOO_LONG: Final = 100  # characters of a value


@dataclass(frozen=True, slots=True)
class SettingField:
    """A key of the config file in a form.

    Attributes:
        table, key: where it is in the file.
        label, hint: for people.
        look: how it is asked for.
    """

    table: str
    key: str
    label: str
    hint: str = ""
    look: FieldLook = "text"


NIGHT_FIELDS: Final = (
    SettingField(
        "nightly",
        "every",
        "Back up when the newest good backup is older than",
        "20h makes one a night, 44h one every second night.",
    ),
    SettingField(
        "nightly",
        "max_age",
        "A phone is late when its newest good backup is older than",
        "Then you are told.",
    ),
    SettingField("nightly", "answer_within", "How long to wait for someone at the phone", "As in 5m."),
    SettingField(
        "nightly",
        "max_prompts",
        "How many times a night a phone may ask for its passcode",
        look="number",
    ),
    SettingField(
        "nightly", "min_free", "Tell when less than this is free on the disk", "As in 10GB; 0 for never."
    ),
    SettingField(
        "nightly",
        "power",
        "Only while the phone is connected to power",
        "So that no battery runs empty overnight.",
        "check",
    ),
)
KEEP_FIELDS: Final = (
    SettingField("prune", "keep_last", "Newest", look="number"),
    SettingField("prune", "keep_daily", "Days", look="number"),
    SettingField("prune", "keep_weekly", "Weeks", look="number"),
    SettingField("prune", "keep_monthly", "Months", look="number"),
    SettingField("prune", "keep_within", "All up to this age", "As in 30d; empty or 0 for none."),
)
TELL_FIELDS: Final = (SettingField("notify", "desktop", "On this computer’s screen", look="check"),)  # noqa: RUF001
WINDOW: Final = SettingField("nightly", "window", "Hours")
IGNORE: Final = SettingField("phones", "ignore", "Back up at night", look="check")


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field with its value and what is wrong with it."""

    setting: SettingField
    value: str
    checked: bool
    error: str = ""


def value_of(config: Config, setting: SettingField, udid: str = "") -> object:
    """The value in effect."""
    tables: dict[str, object] = {
        "nightly": config.nightly,
        "notify": config.notify,
        "prune": config.prune or PruneConfig(),
        "phones": config.phone(udid),
    }
    table = tables[setting.table]
    for field, key in keys(TABLES[setting.table]):
        if key.name == setting.key:
            return getattr(table, field, None)
    return None


def shown(
    config: Config, fields: Iterable[SettingField], sent: Mapping[str, str] | None = None
) -> list[ShownField]:
    """The fields of a form, with what was sent, or else with the values in effect."""
    found: list[ShownField] = []
    for each in fields:
        if sent is not None:
            text = sent.get(each.key, "")
            error = "" if each.look == "check" else wrong(each, text)
            found.append(ShownField(each, text, bool(text), error))
            continue
        value = value_of(config, each)
        kind = config_key(each.table, each.key).kind
        text = "" if value is None or each.look == "check" else kind.write(value)
        found.append(ShownField(each, text, value is True))
    return found


def wrong(setting: SettingField, text: str) -> str:
    """What is wrong with a value that was typed, a sentence; empty if nothing is."""
    kind = config_key(setting.table, setting.key).kind
    if not text.strip():
        return ""
    if len(text) > _TOO_LONG or kind.from_text(text.strip()) is None:
        return f"This must be {kind.takes}."
    return ""


def changes(config: Config, fields: Iterable[SettingField], sent: Mapping[str, str]) -> list[ConfigChange]:
    """What a form without wrong values changes; an empty field means the default."""
    found: list[ConfigChange] = []
    for each in fields:
        key = config_key(each.table, each.key)
        text = sent.get(each.key, "").strip()
        value: object = (
            bool(text) if each.look == "check" else key.kind.from_text(text) if text else key.default
        )
        if value != value_of(config, each):
            found.append(ConfigChange(each.table, each.key, None if value == key.default else value))
    return found


def sent_window(start: str, end: str) -> HoursWindow | None:
    """Hours as two fields give them; None if they are none."""
    first, last = value_kinds.time_of_day(start[:5]), value_kinds.time_of_day(end[:5])
    return HoursWindow(first, last) if isinstance(first, time) and isinstance(last, time) else None


def has_own_rules(phone: PhoneConfig | None) -> list[str]:
    """What a phone's own part of the file says differently, in words."""
    if phone is None:
        return []
    said = {
        "its own age of a backup": phone.every_s,
        "its own hours": phone.window,
        "its own limit for being late": phone.max_age_s,
        "its own rules for what is kept": phone.prune,
    }
    return [text for text, value in said.items() if value is not None]
