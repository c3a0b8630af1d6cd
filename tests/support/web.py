"""``ibackup open`` as its user has it: the program, its address, and a real browser that looks at it."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from support.program import Program

if TYPE_CHECKING:
    import subprocess

    from playwright._impl._api_structures import SetCookieParam

PATIENCE_MS = 180_000.0  # only what hangs reaches it, however busy the machine is
WIDTHS = (360, 768, 1280)
Scheme = Literal["light", "dark"]
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class View:
    """A running ``ibackup open``.

    Attributes:
        url: lets the first who opens it in, within a minute.
        process: the program.
        cookies: of the first visitor, with which later ones are in, too.
    """

    url: str
    process: "subprocess.Popen[str]"
    cookies: "list[SetCookieParam]" = field(default_factory=list)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def running(
    program: Program, *arguments: str, environment: Mapping[str, str | None] | None = None
) -> Iterator[View]:
    """Run ``ibackup open`` until the block ends, and see that it ends in order."""
    process = program.start("open", "--json", "--no-browser", *arguments, environment=environment)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["event"] == "listening", first
    yield View(first["url"], process)
    process.send_signal(2)
    program.finish(process, 0)


@dataclass
class Visitor:
    """Somebody in front of a browser.

    Attributes:
        page: Playwright's page; it waits as long as the machine needs.
        origin: of the view.
        elsewhere: addresses of other hosts that a page asked for; must stay empty.
        complaints: what the browser's console calls an error: a refused script or style among it.
    """

    page: Page
    origin: str
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def go(self, address: str) -> None:
        """Open a page of the view by its path, and wait until what it shows is read."""
        self.page.goto(self.origin + address)
        expect(self.page.locator("#reading")).to_have_count(0)

    def look(self, scheme: Scheme) -> None:
        """Switch the system's colours."""
        self.page.emulate_media(color_scheme=scheme)

    def violations(self) -> list[str]:
        """What axe finds on this page, in words."""
        found = Axe().run(
            self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
        )
        return [
            f"{each['id']}: {node['html'][:200]}"
            for each in found.response["violations"]
            for node in each["nodes"]
        ]

    def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(
            self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )

    def check(self, name: str) -> None:
        """What holds for every page: readable in both schemes and at all widths, and quiet; keeps pictures of it.

        Args:
            name: of the pictures, which stay in the folder that $IBACKUP_SCREENSHOTS names, if any.
        """
        folder = os.environ.get("IBACKUP_SCREENSHOTS")
        found: list[str] = []
        for scheme in ("light", "dark"):
            self.look(scheme)
            for width in WIDTHS:
                self.page.set_viewport_size({"width": width, "height": 900})
                if self.sideways() > 0:
                    found.append(f"{scheme}, {width} px: {self.sideways()} px too wide")
                if folder:
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    self.page.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)
            found += [f"{scheme}: {each}" for each in self.violations()]
        assert found == [], found
        assert self.elsewhere == [], self.elsewhere
        assert self.complaints == [], self.complaints


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield made
        finally:
            made.close()


@contextmanager
def visitor(chromium: Browser, view: View, *, scripts: bool = True) -> Iterator[Visitor]:
    """Somebody who opens the view's address in a fresh browser profile."""
    context = chromium.new_context(
        java_script_enabled=scripts, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    found = Visitor(page, view.origin)

    def requested(request: Request) -> None:
        if not request.url.startswith((view.origin, "data:", "blob:", "about:")):
            found.elsewhere.append(request.url)

    context.on("request", requested)
    page.on("console", lambda said: found.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    if view.cookies:
        context.add_cookies(view.cookies)
        page.goto(f"{view.origin}/")
    else:
        page.goto(view.url)
        page.wait_for_url(f"{view.origin}/")
        view.cookies += [
            {"name": each["name"], "value": each["value"], "url": view.origin} for each in context.cookies()
        ]
    try:
        yield found
    finally:
        context.close()
