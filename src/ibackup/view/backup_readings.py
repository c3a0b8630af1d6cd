"""What the timeline reads inside of backups: the changes between two, and the sizes of the apps over time."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from ibackup.explore.backup_diff import Change, compare_by_app
from ibackup.explore.listing import sizes_by_app
from ibackup.jobs.proving.backup_proof import intact_elsewhere
from ibackup.view.asked import Asked
from ibackup.view.plots import GrowthPlot, growth_plot
from ibackup.view.reckonings import RECKONINGS, Reckoning
from ibackup.view.shown_phones import ShownBackup

MOST_READ = 24
"""Backups that the plot of growth reads: reading a large one takes more than a second."""
_MOST_APPS = 12


@dataclass(frozen=True, slots=True)
class AppChange:
    """What changed in one app."""

    name: str
    added: int
    removed: int
    changed: int
    growth: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between two backups: the apps with most bytes first, ``more`` apps left out.

    Attributes:
        unreadable: rows of the lists of files that could not be compared.
    """

    added: int
    removed: int
    changed: int
    growth: int
    apps: tuple[AppChange, ...]
    more: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How the apps grew.

    Attributes:
        wanted: whether it was asked for; if not, only ``locked``, ``count`` and ``all`` are true.
        count: backups to read, evenly spread.
        all: backups that could be read.
        locked: backups that stay out because they are not unlocked.
        reading: how far it is; None if it was not asked for.
        plot: None until it was read, or if there are fewer than two to compare.
        sizes: the newest size of each app, the largest first.
    """

    wanted: bool
    count: int
    all: int
    locked: int
    reading: Reckoning | None = None
    plot: GrowthPlot | None = None
    sizes: tuple[tuple[str, int], ...] = ()


def changes_between(asked: Asked, one: ShownBackup | None, other: ShownBackup) -> Reckoning | None:
    """What changed from the older to the newer of two backups; the result is ``Changes``."""
    if one is None:
        return None
    before, after = sorted((one, other), key=lambda each: _moment(each).timestamp())
    house, session = asked.house, asked.session

    def make(reckoning: Reckoning) -> Changes:
        bad: list[object] = []
        with house.opened.use_two(before, after, session) as (old, new):
            found = compare_by_app(old.backup, new.backup, bad.append, lambda _: None)
        counts: Counter[Change] = Counter()
        for each in found:
            counts.update(each.counts)
        reckoning.done = reckoning.total = 1
        apps = tuple(
            AppChange(
                each.owner.name,
                each.counts["added"],
                each.counts["removed"],
                each.counts["changed"] + each.counts["grown"],
                each.growth,
            )
            for each in found[:_MOST_APPS]
        )
        return Changes(
            counts["added"],
            counts["removed"],
            counts["changed"] + counts["grown"],
            sum(each.growth for each in found),
            apps,
            max(len(found) - _MOST_APPS, 0),
            len(bad),
        )

    return RECKONINGS.get(session, ("changes", before.path, after.path), make)


def whole_elsewhere(asked: Asked, shown: ShownBackup) -> Reckoning | None:
    """In which other backups the damaged files of one are whole: how many in each, by its id. None without damage."""
    known, folder = shown.known, asked.phone.folder
    if known is None or folder is None or not known.proofs.damaged:
        return None
    damaged = sorted(known.proofs.damaged)

    def make(_reckoning: Reckoning) -> dict[str, int]:
        return dict(Counter(intact_elsewhere(folder, known.snapshot, damaged).values()))

    return RECKONINGS.get(asked.session, ("whole", shown.path, tuple(damaged)), make)


def growth_of(asked: Asked) -> Growth:
    """How the apps grew, over at most ``MOST_READ`` of the phone's backups, the first and the newest among them."""
    phone, session = asked.phone, asked.session
    is_open = phone.udid in session.unlocked
    readable = [each for each in phone.backups if each.made and (is_open or not _encrypted(each))]
    locked = len([each for each in phone.backups if each.made]) - len(readable)
    spread = _spread(readable)
    key = ("growth", tuple(each.path for each in spread))
    wanted = bool(asked.query.get("growth")) or RECKONINGS.peek(session, key) is not None
    if not wanted or len(spread) < 2:
        return Growth(wanted, len(spread), len(readable), locked)
    house = asked.house

    def make(reckoning: Reckoning) -> tuple[list[tuple[datetime, dict[str, int]]], dict[str, str]]:
        totals: list[tuple[datetime, dict[str, int]]] = []
        names: dict[str, str] = {}
        reckoning.total = len(spread)
        for shown in spread:
            with house.opened.use(shown, session) as opened:
                found = sizes_by_app(opened.backup, lambda _bad: None)
            totals.append((_moment(shown), {each.key: each.bytes for each in found}))
            names |= {each.key: each.name for each in found}
            reckoning.done += 1
        return totals, names

    reckoning = RECKONINGS.get(session, key, make)
    if reckoning.value is None:
        return Growth(True, len(spread), len(readable), locked, reckoning)
    totals, names = reckoning.value
    newest = totals[-1][1]
    sizes = tuple(
        (names[each], newest[each]) for each in sorted(newest, key=lambda each: -newest[each])[:_MOST_APPS]
    )
    plot = growth_plot(totals, names)
    return Growth(True, len(spread), len(readable), locked, reckoning, plot, sizes)


def _spread(backups: list[ShownBackup]) -> list[ShownBackup]:
    """At most ``MOST_READ``, as evenly in time as they are."""
    if len(backups) <= MOST_READ:
        return backups
    first, last = _moment(backups[0]), _moment(backups[-1])
    chosen = {0, len(backups) - 1}
    for n in range(1, MOST_READ - 1):
        wanted = first + (last - first) * n / (MOST_READ - 1)
        chosen.add(min(range(len(backups)), key=lambda at: abs(_moment(backups[at]) - wanted)))
    return [backups[at] for at in sorted(chosen)]


def _encrypted(backup: ShownBackup) -> bool:
    return backup.snapshot is not None and backup.snapshot.meta.encrypted


def _moment(backup: ShownBackup) -> datetime:
    return backup.made or datetime.min.replace(tzinfo=UTC)
