"""``ibackup open`` from its start to Ctrl-C, and what somebody sees first."""

import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ibackup.view import serving
from ibackup.view.view_request import Listening, ViewRequest
from support import web
from support.program import Program

pytestmark = pytest.mark.peer


def test_the_first_look(chromium: Browser, lived_in: Program, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        assert visitor.page.get_by_text("Ann\u2019s iPhone").first.is_visible()
        assert "t=" not in visitor.page.url


def test_an_address_works_once(chromium: Browser, lived_in: Program) -> None:
    with web.running(lived_in) as view:
        with web.visitor(chromium, view):
            pass
        view.cookies.clear()
        page = chromium.new_page()
        answer = page.goto(view.url)
        assert answer is not None
        assert answer.status == 403
        assert "used already" in page.inner_text("body")
        page.context.close()


def test_a_folder_of_another_program(chromium: Browser, lived_in: Program) -> None:
    folder = next(iter(lived_in.snapshots[0].glob("0*")))
    with web.running(lived_in, str(folder)) as view, web.visitor(chromium, view) as visitor:
        assert visitor.page.get_by_text("Ann\u2019s iPhone").first.is_visible()


def test_a_folder_that_is_none_is_refused_at_once(lived_in: Program, tmp_path: Path) -> None:
    done = lived_in.run("open", "--json", "--no-browser", str(tmp_path), code=21)
    assert "not a backup" in str(done.result["message"])


def test_a_port_that_is_taken(lived_in: Program, view: web.View) -> None:
    port = view.origin.rpartition(":")[2]
    done = lived_in.run("open", "--json", "--no-browser", "--port", port, code=2)
    assert port in str(done.result["message"])


def test_unknown_addresses_are_told_in_words(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        for address in ("/nowhere", "/phone/nobodys-phone", "/static/none.css"):
            answer = visitor.page.goto(view.origin + address)
            assert answer is not None
            assert answer.status == 404
            assert visitor.page.get_by_role("heading").first.inner_text().startswith("There is no")


def test_without_a_terminal_it_ends_itself(lived_in: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_UNUSED_S", 0.2)
    told: list[Listening] = []
    request = ViewRequest(folder=str(next(iter(lived_in.snapshots[0].glob("0*")))), ends_itself=True)
    thread = threading.Thread(
        target=serving.serve, args=(request, told.append)
    )  # the browser's loop runs in this one
    thread.start()
    thread.join()
    assert len(told) == 1
