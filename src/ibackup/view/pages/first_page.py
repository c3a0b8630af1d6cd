"""First run: no store and no phone yet; what `setup` asks, as three screens."""

import os
from datetime import time
from pathlib import Path

from starlette.responses import Response

from ibackup.base.errors import IbackupError, UsageError
from ibackup.config import config_file
from ibackup.config.value_kinds import EVENING, time_of_day
from ibackup.jobs.readiness.computer_checks import check_all
from ibackup.jobs.schedule.scheduled_command import job_of
from ibackup.jobs.schedule.scheduler_choice import install
from ibackup.jobs.setting_up import SetupChoices, check_name, write_config
from ibackup.view.asked import Asked
from ibackup.view.home.home_state import home_state
from ibackup.view.home.phone_cards import PhoneCard
from ibackup.view.new_password import problem_with
from ibackup.view.ordering import start_for
from ibackup.view.running.job_order import BackUpWork, EncryptionWork
from ibackup.view.way import Way

_STEPS = ("phone", "place", "password")


def first(asked: Asked) -> Response:
    """The screen that is next: the phone, the place and the nights, the password and the first backup."""
    return _screen(asked, asked.query.get("step", "phone"))


def set_up(asked: Asked) -> Response:
    """Write what was chosen, then encrypt if wanted, and make the first backup."""
    card = _chosen(asked, asked.value("phone"))
    if card is None:
        return _screen(
            asked, "phone", UsageError("That phone is not connected any more.", hint="Connect it again.")
        )
    password = asked.value("password")
    problem = problem_with(password, asked.value("again")) if asked.value("encrypt") else ""
    if problem:
        return _screen(asked, "password", UsageError(problem))
    try:
        _write(asked, card)
    except IbackupError as error:
        return _screen(asked, "place", error)
    try:
        _schedule(asked)
    except IbackupError as error:
        # The backup itself matters more: the page says what is wrong, and Nights can do it later.
        asked.house.overviews.schedule_changed()
        return _screen(asked, "password", error, scheduled=False)
    asked.house.overviews.schedule_changed()
    keep = bool(asked.value("keep_password"))
    encrypts = bool(asked.value("encrypt")) and card.connected is not None and not card.connected.encrypts
    if encrypts:
        start_for(asked, card.udid, EncryptionWork("on", new=password, keep=keep))
    else:
        start_for(asked, card.udid, BackUpWork(keep=keep), password or None)
    return asked.see(f"/run/{card.slug}")


def _screen(
    asked: Asked, step: str, error: IbackupError | None = None, *, scheduled: bool = True
) -> Response:
    house = asked.house
    home = home_state(house)
    phones = [each for each in home.cards if each.connected]
    card = _chosen(asked, asked.value("phone") or asked.query.get("phone", "")) or (
        phones[0] if len(phones) == 1 else None
    )
    if step not in _STEPS or (card is None and step != "phone"):
        step = "phone"
    given = {
        name: asked.value(name) or asked.query.get(name, "") for name in ("folder", "at", "nights", "keep")
    }
    return asked.render(
        "first.html",
        409 if error else 200,
        title="Start",
        home=home,
        phones=phones,
        card=card,
        step=step,
        number=_STEPS.index(step) + 1,
        folder=given["folder"] or house.store_path,
        fixed=bool(house.request.store or os.environ.get("IBACKUP_STORE") or house.config.store),
        at=given["at"] or f"{EVENING:%H:%M}",
        nights=(given["nights"] or "on") == "on" and scheduled,
        keep=(given["keep"] or "on") == "on",
        error=error,
        checks=[each for each in check_all(Path(house.store_path)) if each.state != "good"]
        if step == "phone" and not phones and home.has_looked
        else [],
    )


def _chosen(asked: Asked, slug: str) -> PhoneCard | None:
    card = home_state(asked.house).card(slug) if slug else None
    return card if card and card.connected else None


def _write(asked: Asked, card: PhoneCard) -> None:
    """Add the phone, the place and the rules to the config file."""
    house = asked.house
    folder = asked.value("folder") or house.store_path
    if asked.house.request.store or os.environ.get("IBACKUP_STORE"):
        folder = house.store_path
    config = house.config
    known = config.phone(card.udid)
    name = known.name if known else card.name  # as its owner calls it: its pages keep their addresses
    check_name(config, name, card.udid)
    choices = SetupChoices(
        card.udid,
        name,
        str(config_file.store_path(folder, config)),
        at=_time(asked) if asked.value("nights") == "on" else None,
        prune=asked.value("keep") == "on" and config.prune is None,
    )
    write_config(Path(house.config_path), config, choices)


def _schedule(asked: Asked) -> None:
    if asked.value("nights") == "on":
        house = asked.house
        install(job_of(house.config, _time(asked), store=house.store_path, config_path=house.request.config))


def _time(asked: Asked) -> time:
    at = time_of_day(asked.value("at")[:5])
    if at is None:
        raise UsageError("This is no time of day.", hint="Write it as in 21:30.")
    return at


WAYS = (Way("GET", "/start", first), Way("POST", "/start", set_up))
