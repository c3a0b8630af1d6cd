"""Restore: first it only looks; nothing is sent until the phone's name was typed."""

import time
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ibackup.base.errors import NoPhone, UsageError
from ibackup.base.identities import is_name_typed
from ibackup.view.asked import Asked
from ibackup.view.home.home_state import HomeState, home_state
from ibackup.view.home.job_endings import without_commands
from ibackup.view.home.phone_cards import PhoneCard
from ibackup.view.not_shown import NotShown
from ibackup.view.ordering import start_for
from ibackup.view.pages.home_page import started
from ibackup.view.running.job_order import RestoreWork
from ibackup.view.running.job_outcome import JobOutcome
from ibackup.view.shown_phones import FOLDER_ID
from ibackup.view.way import Way

_ORDER = ("failed", "warning", "skipped", "ok")
_CHOICES = ("keep_settings", "skip_apps", "remove", "may_erase", "despite_flaws")


@dataclass(frozen=True, slots=True)
class FoundBackup:
    """What the look before a restore found, for the page.

    Attributes:
        checks: stops first, then things to know, then what is fine; without what is replaced.
        replaced: what happens to what is on the phone.
        device_name: the phone that is restored; its name must be typed.
        is_ready: whether nothing stands against it.
        may_allow: what the person can allow, so that a stop becomes a warning: ``may_erase``, ``despite_flaws``.
    """

    checks: tuple[dict[str, Any], ...]
    replaced: str
    device_name: str
    is_ready: bool
    may_allow: str
    has_ios_27: bool


def restore(asked: Asked) -> Response:
    """What would be restored, what a look found, and the way to do it."""
    with asked.open():
        pass  # a locked backup is unlocked first: the page for that comes in place of this one
    home = home_state(asked.house)
    card = _card(asked, home)
    job = card.job if card.job and card.job.kind == "restore" else None
    found = _found(card, asked) if job else None
    return asked.render(
        "restore.html",
        page="restore",
        title="Restore",
        card=card,
        job=job,
        found=found,
        started=started(card),
        now=time.time(),
        targets=[each for each in home.cards if each.connected],
        chosen={name: asked.query.get(name, "") for name in (*_CHOICES, "onto")},
    )


def look(asked: Asked) -> Response:
    """Look whether it would work; sends nothing."""
    _begin(asked, only_check=True)
    return asked.see(_back(asked))


def start(asked: Asked) -> Response:
    """Restore, if the phone's name was typed and the look found nothing against it."""
    card = _card(asked, home_state(asked.house))
    found = _found(card, asked)
    if found is None or not found.is_ready:
        raise UsageError("Nothing was sent: let ibackup look first whether it would work.")
    if not is_name_typed(asked.value("name"), found.device_name):
        raise UsageError(
            f"Nothing was sent: what was typed is not {found.device_name}.",
            hint="Go back and type the name of the phone. Any apostrophe will do.",
        )
    _begin(asked, only_check=False)
    return asked.see(_back(asked))


def _begin(asked: Asked, *, only_check: bool) -> None:
    with asked.open():
        pass
    home = home_state(asked.house)
    onto = asked.value("onto")
    target = next((each for each in home.cards if each.slug == onto), None) if onto else None
    if onto and (target is None or target.connected is None):
        raise NoPhone("That phone is not connected any more.", hint="Connect it, then look again.")
    udid = target.udid if target else asked.phone.udid
    work = RestoreWork(
        "latest" if asked.backup.id == FOLDER_ID else asked.backup.id,
        target=udid,
        only_check=only_check,
        settings=not asked.value("keep_settings"),
        install_apps=not asked.value("skip_apps"),
        remove=bool(asked.value("remove")),
        may_erase=bool(asked.value("may_erase")),
        despite_flaws=bool(asked.value("despite_flaws")),
        new_key=bool(asked.value("new_key")),
    )
    start_for(asked, asked.phone.udid, work)


def _back(asked: Asked) -> str:
    """The same page, with what was chosen in its address."""
    chosen = {name: asked.value(name) for name in (*_CHOICES, "onto")}
    return asked.link("restore", **chosen)


def _card(asked: Asked, home: HomeState) -> PhoneCard:
    card = home.card(asked.phone.slug)
    if card is None:
        raise NotShown("There is no phone at this address.", hint="Home shows every phone.")
    return card


def _found(card: PhoneCard, asked: Asked) -> FoundBackup | None:
    """What the last look found, if it was at this backup."""
    outcome = card.job.outcome if card.job and card.job.kind == "restore" else None
    if outcome is None or "checks" not in outcome.result or not outcome.result["only_check"]:
        return None
    if asked.backup.id not in (FOLDER_ID, outcome.result["snapshot"]):
        return None
    return _in_words(outcome)


def _in_words(outcome: JobOutcome) -> FoundBackup:
    result = outcome.result
    checks = [
        {**each, "text": without_commands(each["text"]), "hint": without_commands(each["hint"])}
        for each in sorted(result["checks"], key=lambda each: _ORDER.index(each["outcome"]))
    ]
    failed = {each["name"] for each in checks if each["outcome"] == "failed"}
    allows = {"erasing": "may_erase", "flaws": "despite_flaws"}
    only = next(iter(failed)) if len(failed) == 1 else ""
    return FoundBackup(
        tuple(each for each in checks if each["name"] != "replaced"),
        next((each["text"] for each in checks if each["name"] == "replaced"), ""),
        result["device_name"],
        is_ready=outcome.is_good,
        may_allow=allows.get(only, ""),
        has_ios_27=any(each["name"] == "erasing" for each in checks),
    )


WAYS = (
    Way("GET", "/phone/{phone}/restore", restore),
    Way("POST", "/phone/{phone}/restore/look", look),
    Way("POST", "/phone/{phone}/restore/start", start),
)
