"""Numbers of things, and their names one after the other."""

from ibackup.base.counts import count_text, listed


def test_counts() -> None:
    assert [count_text(count, "file") for count in (0, 1, 2345)] == ["0 files", "1 file", "2,345 files"]
    assert count_text(2, "memory", "memories") == "2 memories"


def test_lists() -> None:
    assert [listed(list(each)) for each in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
