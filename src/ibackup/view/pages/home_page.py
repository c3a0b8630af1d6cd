"""Home: is everybody safe, and what runs; the live events of every page."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from starlette.responses import Response

from ibackup.base.udids import plain_udid
from ibackup.view.asked import Asked
from ibackup.view.home.home_state import HomeState, home_state
from ibackup.view.home.phone_cards import PhoneCard
from ibackup.view.not_shown import NotShown
from ibackup.view.ordering import start_for
from ibackup.view.running.job_order import BackUpWork, HealWork, RehearseWork, VerifyWork, Work
from ibackup.view.running.live_stream import LiveEvent
from ibackup.view.way import Way


def home(asked: Asked) -> Response:
    """Every phone in a sentence, and a card for each."""
    state = home_state(asked.house)
    return asked.render("home.html", home=state, now=time.time(), page="home")


# -- a job of a phone -----------------------------------------------------------------------------------------


def job_page(asked: Asked) -> Response:
    """What runs for a phone, or how it ended, in all its steps."""
    card = _card(asked)
    title = "Now running" if card.is_busy else card.name
    return asked.render("job.html", title=title, card=card, now=time.time(), started=started(card))


def back_up(asked: Asked) -> Response:
    """Start a backup."""
    copies = True if asked.value("copies") else None
    work = BackUpWork(full=bool(asked.value("full")), copies=copies, new_key=bool(asked.value("new_key")))
    return _start(asked, work)


def verify(asked: Asked) -> Response:
    """Read a backup again, in full."""
    level = asked.value("level")
    return _start(asked, VerifyWork(_snapshot(asked), level if level in ("quick", "deep") else "full"))


def rehearse(asked: Asked) -> Response:
    """Rehearse a restore of a backup."""
    return _start(asked, RehearseWork(_snapshot(asked)))


def heal(asked: Asked) -> Response:
    """Repair a damaged backup from a second copy."""
    return _start(asked, HealWork(asked.value("snapshot")))


def stop(asked: Asked) -> Response:
    """Stop what runs, as Ctrl-C does."""
    job = _card(asked).running
    if job is not None:
        job.stop()
    return asked.see(asked.value("next") or "/")


def seen(asked: Asked) -> Response:
    """Someone has seen how a job ended."""
    asked.house.board.seen(_card(asked).udid)
    return asked.see(asked.value("next") or "/")


def _start(asked: Asked, work: Work) -> Response:
    card = _card(asked)
    start_for(asked, card.udid, work)
    return asked.see(asked.value("next") or f"/run/{card.slug}")


def _snapshot(asked: Asked) -> str:
    return asked.value("snapshot") or "latest"


def _card(asked: Asked) -> PhoneCard:
    wanted = asked.path["card"]
    card = home_state(asked.house).card(wanted)
    if card is None:
        raise NotShown("There is no phone at this address.", hint="Home shows every phone.")
    return card


def _values(card: PhoneCard) -> dict[str, object]:
    return {"card": card, "now": time.time(), "started": started(card)}


def started(card: PhoneCard) -> datetime:
    """When the job of a phone began; now, if there is none."""
    return datetime.fromtimestamp(card.job.started, UTC) if card.job else datetime.now(UTC)


# -- live -----------------------------------------------------------------------------------------------------


def events(asked: Asked) -> Response:
    """The live events of all phones."""
    return asked.house.streams.response(_Live(asked))


def phone_events(asked: Asked) -> Response:
    """The live events of one phone."""
    return asked.house.streams.response(_Live(asked, asked.phone.udid))


class _Live:
    """What one open page was told so far; gives what has changed since.

    Args:
        asked: the request; its form token stands in what is sent.
        only: the UDID of the only phone; None for all.
    """

    def __init__(self, asked: Asked, only: str | None = None) -> None:
        # The parts are of no phone's page.
        self._asked = Asked(asked.house, asked.session, "/")
        self._only = only
        self._sent: dict[str, str] = {}
        self._unlocked = bool(asked.session.unlocked)

    def __call__(self) -> list[LiveEvent]:
        """What has changed."""
        return list(self._events(home_state(self._asked.house)))

    def _events(self, home: HomeState) -> Iterator[LiveEvent]:
        if self._unlocked and not self._asked.session.unlocked:
            yield LiveEvent("locked", "")
        self._unlocked = bool(self._asked.session.unlocked)
        cards = [each for each in home.cards if self._only in (None, each.udid) or self._is(each)]
        yield from self._changed("say", self._part("say", home=home))
        if self._note("all", " ".join(each.slug for each in home.cards)):
            yield LiveEvent("run", self._part("phones", home=home))
        yield from self._changed(
            "where", self._part("where", home=home) if home.overview or home.is_first else ""
        )
        yield from self._changed("nights", self._part("nights", home=home))
        for card in cards:
            yield from self._of(home, card)
        titles = [self._part("title", home=home, **_values(card)) for card in cards if card.is_busy]
        title = next((each for each in titles if each), "")
        if self._note("title", title):
            yield LiveEvent("title", title)

    def _of(self, home: HomeState, card: PhoneCard) -> Iterator[LiveEvent]:
        values = {"home": home, **_values(card)}
        still = self._part("card", **values, with_figures=False)
        if self._note(f"card {card.slug}", still):
            whole = self._part("card", **values, with_figures=True)
            yield LiveEvent("run", whole)
        step = (card.job.change, card.job.is_over) if card.job else None
        if self._note(f"big {card.slug}", repr(step)):
            yield LiveEvent("run", self._part("big", **values))
            said = self._part("told", **values)
            if said and self._note(f"told {card.slug}", said):
                yield LiveEvent("told", said)
        elif card.job and not card.job.is_over and self._note(f"figures {card.slug}", str(card.job.figures)):
            yield LiveEvent("progress", self._part("figures", **values))

    def _is(self, card: PhoneCard) -> bool:
        return self._only is not None and plain_udid(card.udid) == plain_udid(self._only)

    def _changed(self, name: str, html: str) -> Iterator[LiveEvent]:
        if self._note(name, html) and html:
            yield LiveEvent("run", html)

    def _note(self, name: str, text: str) -> bool:
        """Whether this is news."""
        is_news = self._sent.get(name) != text
        self._sent[name] = text
        return is_news

    def _part(self, part: str, **values: object) -> str:
        return self._asked.part("live.html", part=part, **values).strip()


WAYS = (
    Way("GET", "/", home),
    Way("GET", "/run/{card}", job_page),
    Way("POST", "/run/{card}/back-up", back_up),
    Way("POST", "/run/{card}/verify", verify),
    Way("POST", "/run/{card}/rehearse", rehearse),
    Way("POST", "/run/{card}/heal", heal),
    Way("POST", "/run/{card}/stop", stop),
    Way("POST", "/run/{card}/seen", seen),
    Way("GET", "/events", events, "data"),
    Way("GET", "/phone/{phone}/events", phone_events, "data"),
)
