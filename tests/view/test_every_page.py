"""What holds for every page: everybody can read it, in both schemes and at all widths, and all of it comes from here.

The list of pages is held against the table of routes, so that no page is forgotten. A page's own tests say what it
shows. Pictures of all are kept (support/web.py).
"""

import re

import pytest
from playwright.sync_api import Browser

from ibackup.view.routes import ways
from support import web
from support.program import Program
from support.runs import PASSWORD

pytestmark = pytest.mark.peer

_TO_CHOOSE = "/phone/{phone}/photos/photo"
"""A page of one thing that has to be chosen first."""


def _readable(path: str) -> str:
    return path.strip("/").replace("/", "-").replace("{phone}", "phone") or "home"


def _pages() -> list[str]:
    """The addresses of pages that are shown whole without any choice: every one but those with more parameters."""
    found = [way.path for way in ways() if way.method == "GET" and way.gives == "page"]
    return [path for path in found if path != _TO_CHOOSE and set(re.findall(r"{(\w+)", path)) <= {"phone"}]


@pytest.mark.parametrize("path", _pages(), ids=_readable)
def test_everybody_can_read_it(path: str, chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(path.replace("{phone}", "anns-iphone"))
        visitor.check(_readable(path))


@pytest.mark.parametrize("path", _pages(), ids=_readable)
def test_it_needs_no_script(path: str, chromium: Browser, view: web.View) -> None:
    """What there is to read is there without scripts, too."""
    with web.visitor(chromium, view) as visitor:
        visitor.go(path.replace("{phone}", "anns-iphone"))
        heading = visitor.page.locator("h1").first.inner_text()
    with web.visitor(chromium, view, scripts=False) as visitor:
        visitor.go(path.replace("{phone}", "anns-iphone"))
        assert visitor.page.locator("h1").first.inner_text() == heading


def test_a_locked_backup_shows_where_its_password_goes(
    chromium: Browser, lived_in_encrypted: Program
) -> None:
    with web.running(lived_in_encrypted) as view, web.visitor(chromium, view) as visitor:
        visitor.go("/phone/bobs-iphone/messages")
        visitor.check("locked")
        visitor.page.get_by_label("Backup password").fill("not this one")
        visitor.page.keyboard.press("Enter")
        visitor.page.get_by_text("does not open").first.wait_for()
        visitor.page.get_by_label("Backup password").fill(PASSWORD)
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_url("**/messages")
        visitor.page.get_by_role("button", name="Lock").click()
        visitor.page.wait_for_url(view.origin + "/")
        visitor.go("/phone/bobs-iphone/messages")
        assert visitor.page.get_by_label("Backup password").is_visible()


def test_no_two_pages_have_one_address() -> None:
    """Whatever stands in the place of a parameter: the first page that fits would hide the second."""
    shapes = [(way.method, re.sub(r"{\w+(:\w+)?}", "*", way.path)) for way in ways()]
    assert sorted(shapes) == sorted(set(shapes))
