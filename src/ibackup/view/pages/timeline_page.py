"""A phone's timeline: every backup, what proves it, what changed between two, and how the apps grew."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from ibackup.base.errors import UsageError
from ibackup.copies.whole_elsewhere import CopiesOfPhone, copies_of
from ibackup.jobs.keeping.pruning import pin, unpin
from ibackup.store.disk import record_times
from ibackup.view import known_nights, plots, thread_beads
from ibackup.view.asked import Asked
from ibackup.view.backup_facts import facts_of, headline, proofs_of
from ibackup.view.backup_readings import changes_between, growth_of, whole_elsewhere
from ibackup.view.home.home_state import home_state
from ibackup.view.not_shown import NotShown
from ibackup.view.shown_phones import ShownBackup, ShownPhone
from ibackup.view.way import Way

_SPANS = {"30": ("30 days", 30), "90": ("3 months", 90), "all": ("Everything", None)}
_LONGEST_NOTE = 200


def timeline(asked: Asked) -> Response:
    """The page.

    Its parameters: ``span`` is how far back the plot goes, ``before`` the backup to compare with, ``growth`` asks for
    the sizes of the apps, ``open`` for the password.
    """
    phone = asked.phone
    copies = copies_of(phone.folder, asked.house.config.copies) if phone.folder else CopiesOfPhone({})
    only_there = _only_there(phone, copies)
    if phone.newest is None:
        return asked.render(
            "timeline.html",
            title="Timeline",
            page="",
            chosen=None,
            only_there=only_there,
            copies=copies.names,
        )
    chosen = asked.backup
    missed = known_nights.missed_by(phone, asked.house.config)
    beads = {
        item.id: item for item in thread_beads.thread_of(phone, missed) if isinstance(item, thread_beads.Bead)
    }
    span = _span(asked, phone)
    shown = [
        (beads[each.id], each.made, each.snapshot.meta.bytes)
        for each in phone.backups
        if each.made and each.snapshot and _within(each.made, span)
    ]
    others = [each for each in reversed(phone.backups) if each is not chosen]
    before = phone.by_id.get(asked.query.get("before", ""))
    encrypted = chosen.snapshot.meta.encrypted if chosen.snapshot else False
    is_locked = encrypted and phone.udid not in asked.session.unlocked
    if is_locked and asked.query.get("open"):
        with asked.open():  # the page that asks for the password comes in the place of this one
            pass
    return asked.render(
        "timeline.html",
        title="Timeline",
        page="",
        chosen=chosen,
        bead=beads[chosen.id],
        beads=beads,
        said=headline(asked, missed),
        plot=plots.size_plot(shown, missed),
        spans=[(name, text, name == span) for name, (text, _) in _SPANS.items()],
        facts=facts_of(chosen),
        proofs=proofs_of(chosen),
        is_locked=is_locked,
        others=others,
        before=before if before in others else None,
        changes=changes_between(asked, before, chosen) if before in others else None,
        growth=growth_of(asked),
        whole=whole_elsewhere(asked, chosen),
        copies=copies.names,
        copied=copies.names.get(chosen.id, ()),
        is_damaged=chosen.known is None or bool(chosen.known.damage),
        only_there=only_there,
        card=home_state(asked.house).card(phone.slug),
        now=time.time(),
        is_folder=asked.house.is_folder,
    )


def _span(asked: Asked, phone: ShownPhone) -> str:
    """The span that was asked for; else three months if there is more than that, for the plot to have room."""
    wanted = asked.query.get("span", "")
    if wanted in _SPANS:
        return wanted
    first = next((each.made for each in phone.backups if each.made), None)
    return "90" if first and not _within(first, "90") and _within_any(phone, "90") else "all"


@dataclass(frozen=True, slots=True)
class OnlyThere:
    """A backup that only second copies have: their names, and when it began, UTC."""

    id: str
    begun: datetime
    names: tuple[str, ...]


def _only_there(phone: ShownPhone, copies: CopiesOfPhone) -> list[OnlyThere]:
    """The newest first."""
    here = {*phone.by_id, *(each.id for each in phone.broken)}
    found = copies.only_there(here)
    return [OnlyThere(id_, record_times.from_id(id_), found[id_]) for id_ in sorted(found, reverse=True)]


def _within(made: datetime, span: str) -> bool:
    days = _SPANS[span][1]
    return days is None or datetime.now(UTC) - made <= timedelta(days=days)


def _within_any(phone: ShownPhone, span: str) -> bool:
    return sum(_within(each.made, span) for each in phone.backups if each.made) > 1


# -- what can be done ---------------------------------------------------------------------------------------


def keep_for_good(asked: Asked) -> Response:
    """Pin the backup, or let the rules decide again."""
    backup = _chosen(asked)
    folder = asked.phone.folder
    if folder is None or backup.snapshot is None:
        raise UsageError("This backup is not in a store, so no rule removes it.")
    if asked.value("keep") == "yes":
        pin(folder, backup.snapshot, " ".join(asked.value("note").split())[:_LONGEST_NOTE])
    else:
        unpin(folder, backup.snapshot)
    return asked.see(asked.link("", at=_at(asked, backup)))


def _chosen(asked: Asked) -> ShownBackup:
    found = asked.phone.by_id.get(asked.value("backup"))
    if found is None:
        raise NotShown("This backup is not here any more.", hint="The timeline shows all that are there.")
    return found


def _at(asked: Asked, backup: ShownBackup) -> str:
    return "" if backup is asked.phone.newest else backup.id


WAYS = (
    Way("GET", "/phone/{phone}", timeline),
    Way("POST", "/phone/{phone}/keep", keep_for_good),
)
