"""Where things stand in the plots: near days get more room, axes have round numbers, names do not cover each other."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest

from ibackup.view.plots import TimeScale, growth_plot, size_plot
from ibackup.view.thread_beads import Bead

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GB = 10**9


def bead(ident: str) -> Bead:
    return Bead(ident, 3, False, False, False, False, False, "", ident)


def test_the_last_month_has_two_thirds_of_the_width() -> None:
    scale = TimeScale(NOW - timedelta(days=300), NOW, 0, 900)
    assert scale.x(NOW - timedelta(days=300)) == 0
    assert scale.x(NOW - timedelta(days=30)) == 300
    assert scale.x(NOW) == 900
    assert scale.x(NOW - timedelta(days=15)) == 600


def test_a_short_time_is_not_bent() -> None:
    scale = TimeScale(NOW - timedelta(days=40), NOW, 0, 900)
    assert scale.x(NOW - timedelta(days=20)) == 450


def test_one_backup_has_a_place() -> None:
    scale = TimeScale(NOW, NOW, 0, 900)
    assert 0 <= scale.x(NOW) <= 900


def test_labels_leave_each_other_room() -> None:
    marks = [each for each in TimeScale(NOW - timedelta(days=2000), NOW).marks() if each.text]
    assert len(marks) > 5
    assert all(after.at - before.at >= 8 * len(before.text) for before, after in itertools.pairwise(marks))


def test_points_are_in_the_plot_and_larger_is_higher() -> None:
    plot = size_plot([(bead("a"), NOW - timedelta(days=2), 35 * GB), (bead("b"), NOW, 38 * GB)], ())
    assert plot is not None
    low, high = plot.points
    assert low.x < high.x
    assert low.y > high.y
    texts = [each.text for each in plot.sizes if each.text]
    assert texts[0] == "35\u00a0GB"
    assert texts[-1] == "38\u00a0GB"
    assert all(40 <= each.y <= 196 for each in plot.points)


def test_equal_sizes_and_a_single_backup_have_an_axis() -> None:
    for count in (1, 2):
        plot = size_plot([(bead(str(n)), NOW - timedelta(days=n), 35 * GB) for n in range(count)][::-1], ())
        assert plot is not None
        assert len({each.y for each in plot.points}) == 1
        assert len(plot.lines) == count - 1
    assert size_plot([], ()) is None


def test_a_line_over_missed_nights_says_how_many() -> None:
    plot = size_plot(
        [
            (bead("a"), NOW - timedelta(days=4), GB),
            (bead("b"), NOW - timedelta(days=1), GB),
            (bead("c"), NOW, GB),
        ],
        [date(2026, 11, 22), date(2026, 11, 23)],
    )
    assert plot is not None
    assert [(each.missed, each.text) for each in plot.lines] == [(2, "2 nights"), (0, "")]


@pytest.mark.parametrize("apps", [1, 3, 12])
def test_growth_shows_the_largest_apps_with_names_apart(apps: int) -> None:
    newest = {f"app{n:02}": GB + n for n in range(apps)}
    plot = growth_plot([(NOW - timedelta(days=9), {"app00": GB // 2}), (NOW, newest)], {"app00": "Photos"})
    assert plot is not None
    assert len(plot.series) == min(apps, 7)
    heights = [each.text_y for each in plot.series]
    assert all(after - before >= 19 - 1e-6 for before, after in itertools.pairwise(heights))
    assert all(0 < each <= 280 for each in heights)
    shown = {each.name: len(each.dots) for each in plot.series}
    if apps <= 7:
        assert shown["Photos"] == 2
    assert plot.sizes[0].text == "0\u00a0bytes"


def test_growth_needs_two_backups() -> None:
    assert growth_plot([(NOW, {"a": 1})], {}) is None
    assert growth_plot([], {}) is None
