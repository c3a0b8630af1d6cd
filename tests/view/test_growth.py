"""The plot of growth over many backups: a part of them, evenly spread, and the page says so."""

from pathlib import Path

import pytest

from ibackup.view import backup_readings
from support.minted import Spec
from support.page_calls import PHONE, PageCalls
from support.search_store import SearchStore


def test_of_many_backups_some_are_read_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_readings, "MOST_READ", 3)
    store = SearchStore(tmp_path)
    for size in range(1, 6):
        store.add([Spec("HomeDomain", "Library/a", bytes(size))])
    calls = PageCalls(store.path)
    page = calls.get(f"{PHONE}?growth=1")
    while "data-again" in page.html:
        page = calls.get(f"{PHONE}?growth=1")
    calls.close()
    assert "3 of 5 backups, evenly spread from the first to the newest" in page.text
