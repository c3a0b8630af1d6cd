"""Nights, the settings: when backups run, what is kept, who is told. All of it is in one file that people can edit.

What runs a program or holds a secret is shown as set or not set, and changed in the file alone
(``ibackup.config.config_changes`` refuses it, whatever a form says).
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from ibackup.base.errors import IbackupError, UsageError
from ibackup.config.config_changes import ConfigChange
from ibackup.config.config_schema import Alarm, Config, NotifyConfig, PruneConfig
from ibackup.config.value_kinds import EVENING, time_of_day
from ibackup.jobs.config_writing import change_config, config_mark
from ibackup.jobs.keeping.pruning import decided
from ibackup.jobs.keeping.retention import KeepReason, RetentionRules
from ibackup.jobs.nights.night_journal import STATE_WORDS
from ibackup.jobs.nights.night_log import History
from ibackup.jobs.nights.telling.trial import Trial, try_all
from ibackup.jobs.schedule import scheduler_choice
from ibackup.jobs.schedule.next_start import next_start
from ibackup.jobs.schedule.scheduled_command import job_of
from ibackup.jobs.setting_up import has_password_source
from ibackup.store.disk.free_space import free_bytes
from ibackup.view.asked import Asked
from ibackup.view.not_shown import NotShown
from ibackup.view.ordering import start_for
from ibackup.view.running.job_order import PruneWork
from ibackup.view.setting_fields import (
    IGNORE,
    KEEP_FIELDS,
    NIGHT_FIELDS,
    TELL_FIELDS,
    SettingField,
    changes,
    has_own_rules,
    sent_window,
    shown,
    value_of,
    wrong,
)
from ibackup.view.shown_phones import ShownBackup, ShownPhone
from ibackup.view.way import Way

_NIGHTS: Final = 14
_ALARM_WORDS: Final[dict[Alarm, str]] = {
    "needs_passcode": "A phone waits for its passcode",
    "done": "A backup was made",
    "failed": "A backup failed",
    "stale": "A phone has no fresh backup",
    "damage": "Damage was found",
    "room_low": "The disk is nearly full",
}
_KEPT_WORDS: Final[dict[KeepReason, str]] = {
    "last": "one of the newest",
    "daily": "the last of its day",
    "weekly": "the last of its week",
    "monthly": "the last of its month",
    "within": "young enough",
    "newest": "the newest good one",
    "flawless": "the newest without flaws",
    "proven": "the newest proven one",
    "pinned": "kept for good",
    "in-use": "a run that did not finish needs it",
    "unreadable": "its record cannot be read",
}


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup that stays, and why; without reasons it would go."""

    backup: ShownBackup
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeepPreview:
    """What rules would do with the backups of a phone.

    Attributes:
        own: whether the phone has rules of its own in the file, which are used.
        ruled: whether there is any rule; without one nothing goes.
    """

    phone: ShownPhone
    own: bool
    ruled: bool
    backups: tuple[KeptBackup, ...]

    @property
    def going(self) -> tuple[ShownBackup, ...]:
        """What would go, oldest first."""
        return tuple(each.backup for each in self.backups if self.ruled and not each.reasons)


@dataclass(frozen=True, slots=True)
class PhoneAtNight:
    """A phone, and whether the config file has a part for it."""

    phone: ShownPhone
    in_file: bool
    on: bool
    own: tuple[str, ...]
    has_password: bool


@dataclass(frozen=True, slots=True)
class NightTurn:
    """What an unattended run did with a phone."""

    name: str
    ended: datetime
    said: str
    good: bool


# -- the page -----------------------------------------------------------------------------------------------


def settings(asked: Asked) -> Response:
    """All settings; with ``keep_…`` in the address, what these rules would do."""
    return _page(asked)


def _page(asked: Asked, status: int = 200, **changed: Any) -> Response:
    house, config = asked.house, asked.house.config
    preview = {each.key: asked.query[each.key] for each in KEEP_FIELDS if each.key in asked.query}
    keep_sent = {each.key: preview.get(each.key, "") for each in KEEP_FIELDS} if preview else None
    start = next_start(datetime.now(UTC))
    window = config.nightly.window
    values: dict[str, object] = {
        "title": "Nights",
        "page": "nights",
        "mark": config_mark(Path(house.config_path)),
        "config_path": house.config_path,
        "start": start,
        "starts_at": next((each.at for each in start.installed if each.at), EVENING),
        "window": {
            "any": window is None or window.always,
            "start": f"{window.start:%H:%M}" if window else "21:00",
            "end": f"{window.end:%H:%M}" if window else "07:00",
            "error": "",
        },
        "night_fields": shown(config, NIGHT_FIELDS),
        "phones": [_at_night(config, each) for each in asked.phones if not house.is_folder],
        "turns": _turns(asked.phones),
        "keep_fields": shown(config, KEEP_FIELDS, keep_sent),
        "is_preview": keep_sent is not None,
        "previews": _previews(asked, keep_sent),
        "tell_fields": shown(config, TELL_FIELDS),
        "told_from_outside": bool(os.environ.get("IBACKUP_NOTIFY_DESKTOP")),
        "alarms": [(text, _addresses(config.notify, alarm)) for alarm, text in _ALARM_WORDS.items()],
        "heartbeat": config.notify.heartbeat_url is not None,
        "trial": None,
        "copies": [each.name for each in config.copies],
        "store_path": house.store_path,
        "free": _free(house.store_path),
        "asks_prune": asked.query.get("remove", ""),
        "saved": asked.query.get("saved", ""),
        "error": None,
        "error_at": "",
    }
    return asked.render("settings.html", status, **values | changed)


def _at_night(config: Config, phone: ShownPhone) -> PhoneAtNight:
    own = config.phone(phone.udid)
    has_password = own is not None and has_password_source(own)
    return PhoneAtNight(
        phone, own is not None, own is None or not own.ignore, tuple(has_own_rules(own)), has_password
    )


def _turns(phones: tuple[ShownPhone, ...]) -> list[NightTurn]:
    """The last turns of unattended runs, the newest first."""
    names = {each.udid: each.name for each in phones}
    found: list[NightTurn] = []
    for entry in reversed(History().turns()):
        state = str(entry.get("state"))
        said = next((words for name, words in STATE_WORDS.items() if name == state), None)
        try:
            ended = datetime.fromisoformat(str(entry.get("ended")))
        except ValueError:
            continue
        if said is not None and ended.tzinfo is not None and entry.get("udid") in names:
            found.append(NightTurn(names[str(entry["udid"])], ended, said, state in ("done", "not_due")))
        if len(found) == _NIGHTS:
            break
    return found


def _addresses(config: NotifyConfig, alarm: Alarm) -> int:
    return len(config.urls_for(alarm))


def _free(store: str) -> int | None:
    try:
        return free_bytes(store)
    except OSError:
        return None


# -- what is kept -------------------------------------------------------------------------------------------


def _previews(asked: Asked, sent: dict[str, str] | None) -> list[KeepPreview]:
    config = asked.house.config
    general = _rule(sent) if sent is not None else None
    found: list[KeepPreview] = []
    for phone in asked.phones:
        if phone.folder is None or not phone.backups:
            continue
        own = config.phone(phone.udid)
        has_own = own is not None and own.prune is not None
        rule = config.rules(phone.udid).prune if has_own or sent is None else general
        rules = RetentionRules.configured(rule)
        reasons = decided(phone.folder, rules) if rules.any else {}
        kept = tuple(
            KeptBackup(each, tuple(_KEPT_WORDS[why] for why in reasons.get(each.id, ("unreadable",))))
            for each in phone.backups
        )
        found.append(KeepPreview(phone, has_own, rules.any, kept))
    return found


def _rule(sent: dict[str, str]) -> PruneConfig | None:
    """The rule that a form gives; None if it is none, or has a wrong value."""
    if any(wrong(each, sent.get(each.key, "")) for each in KEEP_FIELDS):
        return None
    from ibackup.config.config_keys import keys

    values: dict[str, Any] = {}
    for field, key in keys(PruneConfig):
        text = sent.get(key.name, "").strip()
        values[field] = key.kind.from_text(text) if text else key.default
    return PruneConfig(**values)


# -- saving -------------------------------------------------------------------------------------------------


def _sent(asked: Asked, fields: tuple[SettingField, ...]) -> dict[str, str]:
    return {each.key: asked.value(each.key) for each in fields}


def _save(asked: Asked, wanted: list[ConfigChange], part: str, **shown_again: object) -> Response:
    """Change the file and show the page; an error stands in its part of the page, with what was typed."""
    try:
        change_config(Path(asked.house.config_path), wanted, asked.value("seen") or "none")
    except IbackupError as error:
        return _page(asked, 409, error=error, error_at=part, **shown_again)
    return asked.see(f"/settings?saved={part}#{part}")


def save_nights(asked: Asked) -> Response:
    """Save when backups run, and of which phones."""
    config, sent = asked.house.config, _sent(asked, NIGHT_FIELDS)
    fields = shown(config, NIGHT_FIELDS, sent)
    any_time = bool(asked.value("any_time"))
    start, end = asked.value("window_start"), asked.value("window_end")
    window = None if any_time else sent_window(start, end)
    error = "" if any_time or window is not None else "Write both as hours and minutes: 21:00 and 07:00."
    again = {"any": any_time, "start": start, "end": end, "error": error}
    if error or any(each.error for each in fields):
        return _page(asked, 422, night_fields=fields, window=again)
    wanted = changes(config, NIGHT_FIELDS, sent)
    if window != config.nightly.window and not (window is None and _is_any_time(config)):
        wanted.append(ConfigChange("nightly", "window", window))
    for phone in config.phones:
        slug = next((each.slug for each in asked.phones if each.udid == phone.udid), "")
        ignore = not asked.value(f"night-{slug}")
        if slug and ignore is not value_of(config, IGNORE, phone.udid):
            wanted.append(ConfigChange("phones", "ignore", True if ignore else None, phone.udid))
    return _save(asked, wanted, "when", night_fields=fields, window=again)


def _is_any_time(config: Config) -> bool:
    return config.nightly.window is None or config.nightly.window.always


def save_schedule(asked: Asked) -> Response:
    """Have the system start the nights, or no longer."""
    house = asked.house
    try:
        if asked.value("on"):
            at = time_of_day(asked.value("at")[:5])
            if at is None:
                raise UsageError("This is no time of day.", hint="Write it as in 21:30.")
            scheduler_choice.install(
                job_of(house.config, at, store=house.store_path, config_path=house.request.config)
            )
        else:
            scheduler_choice.remove()
    except IbackupError as error:
        return _page(asked, 409, error=error, error_at="schedule")
    return asked.see("/settings?saved=schedule#schedule")


def preview_keep(asked: Asked) -> Response:
    """Show what the rules of a form would do; they stand in the address then, and nothing is saved."""
    query = {each.key: asked.value(each.key)[:40] or "0" for each in KEEP_FIELDS}
    return asked.see(f"/settings?{urlencode(query)}#would-go")


def save_keep(asked: Asked) -> Response:
    """Save what is kept; nothing is removed by that alone."""
    config, sent = asked.house.config, _sent(asked, KEEP_FIELDS)
    fields = shown(config, KEEP_FIELDS, sent)
    if any(each.error for each in fields):
        return _page(asked, 422, keep_fields=fields)
    return _save(asked, changes(config, KEEP_FIELDS, sent), "keep", keep_fields=fields)


def save_told(asked: Asked) -> Response:
    """Save whether this computer's screen shows messages."""
    sent = _sent(asked, TELL_FIELDS)
    return _save(asked, changes(asked.house.config, TELL_FIELDS, sent), "told")


def try_telling(asked: Asked) -> Response:
    """Send a test message everywhere, and show who accepted it."""
    trial: Trial = try_all(asked.house.config.notify)
    return _page(asked, trial=trial)


def remove_old(asked: Asked) -> Response:
    """Remove what a person saw and agreed to, and nothing else."""
    house = asked.house
    phone = next((each for each in asked.phones if each.slug == asked.value("phone")), None)
    if phone is None or phone.folder is None:
        raise NotShown("There is no such phone in the store.", hint="Home shows every phone.")
    chosen = tuple(each for each in asked.form.get("shown", ()) if each in phone.by_id)
    if asked.value("sure") != "yes" or not chosen:
        return asked.see("/settings#keep")
    try:
        house.opened.close_phone(phone.udid)  # Windows removes no file that is open
        start_for(asked, phone.udid, PruneWork(chosen))
    except IbackupError as error:
        return _page(asked, 409, error=error, error_at="keep")
    return asked.see("/")


WAYS = (
    Way("GET", "/settings", settings),
    Way("POST", "/settings/nights", save_nights),
    Way("POST", "/settings/schedule", save_schedule),
    Way("POST", "/settings/preview", preview_keep),
    Way("POST", "/settings/keep", save_keep),
    Way("POST", "/settings/told", save_told),
    Way("POST", "/settings/test", try_telling),
    Way("POST", "/settings/remove", remove_old),
)
