"""Search: what is found, what is gone, what could not be looked into, and where each hit leads."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support import hostile_names, web
from support.program import Program
from support.runs import PASSWORD
from support.web_client import Answer, WebClient, client

pytestmark = pytest.mark.peer
PHONE = "/phone/anns-iphone"


@pytest.fixture(scope="module")
def lived(lived_in: Program) -> Iterator[WebClient]:
    with client(lived_in) as found:
        yield found


def found(asked: WebClient, address: str) -> Answer:
    """A page once all backups are read; until then it asks to be asked again."""
    for _ in range(2000):
        answer = asked.get(address)
        assert answer.status == 200
        if "data-again=" not in answer.text:
            return answer
        assert 'http-equiv="refresh"' in answer.text  # without a script, the page asks itself
    raise AssertionError("the search does not end")


def test_hits_lead_to_the_pages_that_show_them(lived: WebClient) -> None:
    answer = found(lived, "/search?q=tree")
    assert "6 hits in 2 backups" in answer.text
    assert "<mark>tree</mark>" in answer.text
    addresses = answer.links(PHONE)
    for page in ("messages?message=", "notes?id=", "calendar?id=", "files?in="):
        assert any(each.startswith(f"{PHONE}/{page}") for each in addresses), page
    file = next(each for each in addresses if "/files?in=" in each)
    assert "pear tree" in lived.get(file).heading


def test_what_is_gone_is_marked_and_leads_to_the_backup_that_has_it(lived: WebClient) -> None:
    everything = found(lived, "/search?q=img&kind-files=on")
    gone = found(lived, "/search?q=img&kind-files=on&gone=on")
    links = gone.links(f"{PHONE}/files")
    assert links
    assert all("at=" in each for each in links)
    assert "Gone from Ann" in gone.text
    assert len(links) < len(everything.links(f"{PHONE}/files"))
    assert lived.get(links[0]).status == 200


def test_a_search_can_be_narrowed(lived: WebClient) -> None:
    assert "Messages" in found(lived, "/search?q=tree").text
    only = found(lived, "/search?q=tree&kind-notes=on&phone-anns-iphone=on")
    assert "1 hit " in only.text
    assert 'id="kind-messages"' not in only.text
    assert "Nothing was found" in found(lived, "/search?q=tree&since=1990-01-01&until=1990-12-31").text
    assert "2026-11-28" in lived.get("/search?q=tree&since=yesterday").text  # how a day is written


@pytest.mark.parametrize("words", ["", "x", '""', "?!", "a " * 200, *hostile_names.NAMES[:-1]])
def test_any_text_is_searched_or_refused_in_words(lived: WebClient, words: str) -> None:
    from urllib.parse import quote

    answer = found(lived, f"/search?q={quote(words.encode('utf-8', 'replace'))}")
    assert answer.heading == "Search"
    assert "<b onload" not in answer.text


def test_a_locked_phone_is_named_and_joins_in_when_it_is_opened(lived_in_encrypted: Program) -> None:
    with client(lived_in_encrypted) as asked:
        locked = found(asked, "/search?q=tree")
        assert "was not searched" in locked.text
        assert "0 hits" not in locked.text
        address = "/phone/bobs-iphone/unlock"
        assert f'action="{address}"' in locked.text
        done = asked.post(address, {"password": PASSWORD, "next": "/search?q=tree"})
        assert (done.status, done.headers["location"]) == (303, "/search?q=tree")
        assert "<mark>tree</mark>" in found(asked, "/search?q=tree").text
        asked.get("/search?q=tree")
        assert asked.post("/lock", {}).status == 303
        again = found(asked, "/search?q=tree")
        assert "was not searched" in again.text
        assert "<mark>" not in again.text


def test_results_follow_what_is_typed(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go("/search")
        field = visitor.page.get_by_role("searchbox", name="Search all phones and all backups").last
        field.press_sequentially("pear")
        visitor.page.locator("#found mark").first.wait_for()
        assert "q=pear" in visitor.page.url
        visitor.check("search")
