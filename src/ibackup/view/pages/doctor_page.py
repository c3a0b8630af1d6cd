"""Why iCloud Backup fails: the doctor's verdict for one phone, its questions, and the page for Apple Support."""

import time
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from ibackup.base.errors import UsageError
from ibackup.base.udids import same_udid
from ibackup.config import value_kinds
from ibackup.doctor.gather.gathering import DoctorRequest
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, Step
from ibackup.doctor.tables.thresholds import LIMITS
from ibackup.doctor.verdict import verdict_words
from ibackup.doctor.verdict.doctor_memory import Memories
from ibackup.doctor.verdict.person_questions import TRIED, next_question
from ibackup.doctor.verdict.support_packet import packet
from ibackup.doctor.verdict.verdict import DoctorVerdict
from ibackup.view.asked import Asked
from ibackup.view.doctor_visits import DoctorVisit
from ibackup.view.way import Way

_AT_ONCE_S = 1.0  # how long the page waits, so that a quick answer needs no second look
_NEXT_LOOK_S = 2
_KINDS = {FindingLevel.BLOCKER: "bad", FindingLevel.LIKELY: "wait"}
_HEAD = {"working": "good", "blocked": "bad", "suspect": "wait", "unknown": "plain"}


@dataclass(frozen=True)
class ShownStep:
    """One thing to do.

    Attributes:
        text: what, and its price.
        places: the way through Settings, from the outside in; empty if it is not there.
        risky: something can be lost by it.
    """

    text: str
    places: tuple[str, ...]
    risky: bool


@dataclass(frozen=True)
class ShownCause:
    """One cause: how sure it is, how it is known, and what to do about it."""

    kind: str
    how_sure: str
    title: str
    evidence: tuple[tuple[str, str], ...]
    steps: tuple[ShownStep, ...]


def doctor(asked: Asked) -> Response:
    """The page, in the state that the newest look at this phone has."""
    if asked.query.get("unlock"):
        with asked.open():  # while it is locked, the page that asks for the password is shown instead
            return asked.see(asked.link("doctor"))
    visit = asked.house.doctor.of(asked.session, asked.phone.udid)
    locked = _is_locked(asked)
    if visit is None:
        return asked.render("doctor.html", page="doctor", title="iCloud", state="new", locked=locked)
    if not visit.is_over and visit.until:
        return asked.render(
            "doctor.html",
            page="doctor",
            title="Watching",
            state="watching",
            locked=locked,
            tap_now=verdict_words.TAP_NOW,
            until=visit.until,
            now=time.time(),
            seen=[_begun(each) for each in verdict_words.live_words(visit.live)] if visit.live else [],
        )
    if not visit.wait(_AT_ONCE_S):
        response = asked.render(
            "doctor.html", page="doctor", title="Looking", state="looking", doing=visit.doing, locked=locked
        )
        response.headers["Refresh"] = str(_NEXT_LOOK_S)  # without a script the page asks again by itself
        return response
    if visit.verdict is None:
        return asked.render(
            "doctor.html", page="doctor", title="iCloud", state="failed", error=visit.error, locked=locked
        )
    return _verdict_page(asked, visit, visit.verdict, locked=locked)


def look(asked: Asked) -> Response:
    """Begin a look at this phone."""
    house, phone = asked.house, asked.phone
    request = DoctorRequest(
        udid=phone.udid,
        store=house.store_if_there(),
        from_backup=asked.backup.path if house.is_folder else None,
        unlocker=asked.session.unlocker_for(phone.udid),
        offline=not asked.value("ask_apple"),
        watch_seconds=LIMITS.watch_seconds if asked.value("watch") else None,
        watch_network=bool(asked.value("watch") and asked.value("count")),
        limits=house.config.limits,
    )
    house.doctor.begin(asked.session, phone.udid, request)
    return asked.see(asked.link("doctor"))


def stop_watching(asked: Asked) -> Response:
    """Watch no longer, and judge by what was seen."""
    visit = asked.house.doctor.of(asked.session, asked.phone.udid)
    if visit is not None:
        visit.stop()
    return asked.see(asked.link("doctor"))


def answer(asked: Asked) -> Response:
    """Take the answer to a question; an empty one leaves it out."""
    visit = asked.house.doctor.of(asked.session, asked.phone.udid)
    kind, given = asked.value("kind"), asked.value("answer").strip()
    if visit is not None:
        said: str | int | None = given or None
        if kind == "used" and given:
            said = _bytes(given)
        asked.house.doctor.answer(visit, kind, said)
    return asked.see(asked.link("doctor"))


def support_page(asked: Asked) -> Response:
    """The page for Apple Support, as a download."""
    visit = asked.house.doctor.of(asked.session, asked.phone.udid)
    verdict = (
        asked.house.doctor.for_support(visit, asked.value("since").strip(), asked.form.get("tried", ()))
        if visit
        else None
    )
    if verdict is None:  # locked, or started again, since the page was shown
        return asked.see(asked.link("doctor"))
    identity = verdict.case.evidence.phone.identity
    runs = Memories().of(identity.udid).runs if identity else ()
    text = packet(verdict, runs, full=bool(asked.value("full")))
    name = 'attachment; filename="icloud-backup-for-apple-support.txt"'
    return Response(text, media_type="text/plain", headers={"Content-Disposition": name})


WAYS = (
    Way("GET", "/phone/{phone}/doctor", doctor),
    Way("POST", "/phone/{phone}/doctor", look),
    Way("POST", "/phone/{phone}/doctor/stop", stop_watching),
    Way("POST", "/phone/{phone}/doctor/answer", answer),
    Way("POST", "/phone/{phone}/doctor/support", support_page),
)


# -- the verdict ------------------------------------------------------------------------------------------------


def _verdict_page(asked: Asked, visit: DoctorVisit, verdict: DoctorVerdict, *, locked: bool) -> Response:
    shown, rest = verdict_words.told_causes(verdict)
    to_look = verdict_words.where_to_look(verdict)
    return asked.render(
        "doctor.html",
        page="doctor",
        title="iCloud",
        state="found",
        locked=locked,
        kind=_HEAD[verdict.status],
        headline=verdict_words.whole_headline(verdict),
        known=verdict_words.what_is_known(verdict),
        meanwhile=_meanwhile(verdict),
        first=_step(verdict, verdict.first_fix) if verdict.first_fix else None,
        causes=[_cause(verdict, each) for each in (*shown, *verdict_words.told_advice(verdict))],
        less_likely=[each.title for each in rest],
        fallback=[_step(verdict, each) for each in verdict.fallback],
        question=next_question(verdict, visit.skipped),
        how_large=verdict_words.how_large(verdict),
        fine=[_begun(each) for each in verdict_words.what_is_fine(verdict)],
        look_at=[
            (_begun(what or path), _places(path if what else ""))
            for what, path in to_look
            if not _for_helpers(what + path)
        ],
        not_seen=[_begun(what or path) for what, path in to_look if _for_helpers(what + path)],
        sources=[each.label for each in verdict.sources],
        not_connected=not _has_phone(verdict),
        tried=[(key, _begun(text)) for key, text in TRIED.items()],
        looked=verdict.case.now,
    )


def _cause(verdict: DoctorVerdict, finding: CheckFinding) -> ShownCause:
    return ShownCause(
        "plain" if finding.advice else _KINDS.get(finding.level, "plain"),
        verdict_words.how_sure(finding),
        _begun(finding.title),
        tuple((said.text, said.source) for said in finding.evidence),
        tuple(map(partial(_step, verdict), finding.steps)),
    )


def _step(verdict: DoctorVerdict, step: Step) -> ShownStep:
    told = verdict.told(step)
    return ShownStep(told.text, _places(told.settings_path), step.risky)


def _begun(text: str) -> str:
    """A part of a sentence as the beginning of one; not if its first word is a name, such as iCloud."""
    return text if text.startswith(("iC", "iO", "iP")) else text[:1].upper() + text[1:]


def _for_helpers(text: str) -> bool:
    """Whether it names commands or files, which only those who help understand."""
    return "`" in text or "com.apple" in text


def _places(path: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in path.split(">")) if path else ()


def _meanwhile(verdict: DoctorVerdict) -> str:
    """What the terminal says, without its commands: here there are buttons."""
    return verdict_words.meanwhile(verdict) if verdict.protected else ""


def _has_phone(verdict: DoctorVerdict) -> bool:
    return any(each.kind == "usb" for each in verdict.sources)


def _bytes(text: str) -> int:
    count = value_kinds.size_bytes(text)
    if count is None:
        raise UsageError(f"{text[:40]!r} is not a size.", hint="Go back and enter one such as 4.2 GB.")
    return count


def _is_locked(asked: Asked) -> bool:
    """Whether the newest backup holds notes that only its password opens."""
    newest = asked.phone.newest
    snapshot = newest.snapshot if newest else None
    unlocked = any(same_udid(each, asked.phone.udid) for each in asked.session.unlocked)
    return snapshot is not None and snapshot.meta.encrypted and not unlocked
