"""Messages and WhatsApp in a real browser."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ibackup.simulator.life.hard_life import hard_life
from ibackup.simulator.life.messages_db import MadeMessages, MadeText, MadeThread, message_files
from ibackup.view.conversations.shown_conversations import PART, slug_of
from support import web
from support.minted import Mint, Spec
from support.program import Program

pytestmark = pytest.mark.peer
expect.set_options(timeout=web.PATIENCE_MS)
ADA = "+4915550000001"
LONG = 1500
HOSTILE = '<img src=x onerror=document.title="taken"><script>document.title="taken"</script>\u202eX'


def folder_of(mint: Mint, made: MadeMessages) -> str:
    specs = [Spec(each.domain, each.path, content=each.data) for each in message_files(made, 26)]
    return str(mint(specs=specs).folder)


@pytest.fixture(scope="module")
def long_talk(lived_in: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[web.View]:
    """One conversation of many messages, ten of them a day."""
    texts = tuple(
        MadeText(
            case=f"{number}", text=f"message {number}", sender="ada" if number % 3 else "", at=8640 * number
        )
        for number in range(LONG)
    )
    made = MadeMessages(
        handles={"ada": f"{ADA}/iMessage"}, threads=(MadeThread(key="ada", handles=("ada",)),), texts=texts
    )
    folder = folder_of(Mint(tmp_path_factory.mktemp("long")), made)
    with web.running(lived_in, folder) as view:
        yield view


@pytest.fixture(scope="module")
def hard(lived_in: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[web.View]:
    """What readers get wrong, and a stranger whose name, group and text are markup."""
    life = hard_life(0)
    specs = [Spec(each.domain, each.path, content=each.data) for each in life.files(26)]
    folder = str(Mint(tmp_path_factory.mktemp("hard"))(specs=specs).folder)
    with web.running(lived_in, folder) as view:
        yield view


def phone(visitor: web.Visitor) -> str:
    """The address of the first phone."""
    link = visitor.page.locator("a[href^='/phone/']").first.get_attribute("href")
    assert link is not None
    return re.sub(r"(/phone/[^/?]+).*", r"\1", link)


def test_a_conversation_and_its_picture(chromium: Browser, lived_in: Program, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/messages")
        expect(page.get_by_role("heading", name="Messages", exact=True)).to_be_visible()
        visitor.check("messages-list")
        page.get_by_role("link", name="Garden party").click()
        expect(page.get_by_role("heading", name="Garden party")).to_be_focused()
        page.wait_for_url(re.compile(r"/messages/[0-9a-f]{16}#newest"))
        expect(page.get_by_text("Who brings cake?").first).to_be_visible()
        expect(page.get_by_text("Unsent; what it said is not in this backup").last).to_be_visible()
        page.get_by_text("Edited. What it said before").click()
        expect(page.get_by_text("Half past tree")).to_be_visible()
        expect(page.get_by_title("Alan Turing liked this")).to_be_attached()
        picture = page.locator(".bubble img").first
        picture.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('.bubble img').naturalWidth > 0")
        visitor.check("messages-talk")
        whole = page.request.get(f"{visitor.origin}{page.locator('.bubble a.picture').get_attribute('href')}")
        stored = [
            each
            for each in lived_in.snapshots[-1].rglob("*")
            if each.is_file() and each.read_bytes() == whole.body()
        ]
        assert len(stored) == 1
        assert whole.headers["content-type"] == "image/jpeg"
        assert "sandbox" in whole.headers["content-security-policy"]


def test_without_scripts_all_can_be_read_and_searched(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view, scripts=False) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/messages?name=garden")
        page.get_by_role("link", name="Garden party").click()
        page.get_by_label("Search in this conversation").fill("bench pear")
        page.get_by_label("Search in this conversation").press("Enter")
        expect(page.locator("mark").first).to_have_text("bench")
        page.locator("#talk-hits a").click()
        expect(page.locator(".is-found")).to_contain_text("Who brings cake?")


def test_what_was_deleted_since_is_marked_in_the_earlier_backup(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/messages")
        page.get_by_role("link", name="Deleted since").click()
        expect(page.locator("#talk-rows .row")).to_have_count(1)
        visitor.check("messages-gone")
        page.locator("#talk-rows .row").click()
        expect(page.locator(".message.is-gone")).to_have_count(1)
        expect(page.locator(".message.is-gone .gone-line")).to_contain_text("Deleted on the phone, between")
        visitor.check("messages-gone-talk")
        page.goto(page.url.replace("/messages/", "/messages/0000"))
        expect(page.get_by_role("heading", name="This conversation is not in this backup")).to_be_visible()
        visitor.complaints.clear()
        visitor.check("messages-missing")


def test_the_printed_page_names_its_source(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/messages?name=garden")
        page.get_by_role("link", name="Garden party").click()
        expect(page.get_by_role("heading", name="Garden party")).to_be_visible()
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Print").click()
        sheet = opened.value
        expect(sheet.get_by_role("heading", name="Conversation with Garden party")).to_be_visible()
        expect(sheet.get_by_text("5 of 5 shown")).to_be_visible()
        expect(sheet.get_by_text("the backup of")).to_be_visible()
        expect(sheet.get_by_text("The owner of the phone").first).to_be_visible()
        sheet.emulate_media(media="print")
        assert not sheet.get_by_role("button", name="Print, or save as PDF").is_visible()
        address = sheet.url.removeprefix(visitor.origin)
        sheet.close()
        visitor.go(address)
        visitor.check("messages-print")
        visitor.go(f"{address}?since=2020-01-01&until=2020-01-02")
        expect(page.get_by_text("No message was sent in these days")).to_be_visible()


def test_a_conversation_is_taken_out_as_a_zip(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/messages?name=garden")
        page.get_by_role("link", name="Garden party").click()
        expect(page.get_by_role("heading", name="Garden party")).to_be_visible()
        page.get_by_text("Take out").click()
        with page.expect_download() as started:
            page.get_by_role("link", name="As a web page").click()
        download = started.value
        assert download.suggested_filename.startswith("Garden party")
        with zipfile.ZipFile(io.BytesIO(Path(download.path()).read_bytes())) as archive:
            assert archive.testzip() is None
            assert "Messages/Garden party/index.html" in archive.namelist()
            assert any(name.endswith("pear tree.jpg") for name in archive.namelist())


def test_whatsapp_has_the_same_pages(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        page = visitor.page
        visitor.go("/phone/anns-iphone/whatsapp")
        page.locator("#talk-rows .row").first.click()
        expect(page.get_by_text("The boat is in the water again")).to_be_visible()
        page.locator(".bubble img").first.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('.bubble img').naturalWidth > 0")
        visitor.check("whatsapp-talk")


def test_a_long_conversation_loads_only_what_is_seen(chromium: Browser, long_talk: web.View) -> None:
    with web.visitor(chromium, long_talk) as visitor:
        page = visitor.page
        visitor.go(f"{phone(visitor)}/messages/{slug_of(ADA)}#newest")
        expect(page.locator("#talk .said").last).to_have_text(f"message {LONG - 1}")
        at_first = page.locator(".message").count()
        assert at_first <= 2 * PART
        page.evaluate("scrollTo(0, 0)")
        expect(page.locator(".message").nth(at_first)).to_be_attached()
        days = page.locator("#talk > .day").evaluate_all("all => all.map(each => each.dataset.day)")
        assert len(days) == len(set(days)), "no day twice where two parts meet"
        numbers = page.locator("#talk .said").all_inner_texts()
        assert numbers == [f"message {number}" for number in range(LONG - len(numbers), LONG)]
        visitor.check("messages-long")


def test_scrolling_far_does_not_fill_the_page(chromium: Browser, long_talk: web.View) -> None:
    with web.visitor(chromium, long_talk) as visitor:
        page = visitor.page
        visitor.go(f"{phone(visitor)}/messages/{slug_of(ADA)}#newest")
        expect(page.locator("#talk .said").last).to_have_text(f"message {LONG - 1}")
        most = 0
        while (first := page.locator("#talk .said").first.inner_text()) != "message 0":
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_function(
                "first => document.querySelector('#talk .said').innerText !== first", arg=first
            )
            most = max(most, page.locator(".message").count())
        assert most <= 1200 + PART
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        last = page.locator("#talk .said").last.inner_text()
        page.wait_for_function(
            "last => [...document.querySelectorAll('#talk .said')].pop().innerText !== last", arg=last
        )
        numbers = page.locator("#talk .said").all_inner_texts()
        start = int(numbers[0].split()[1])
        assert numbers == [f"message {number}" for number in range(start, start + len(numbers))]


def test_a_day_and_a_message_have_an_address(chromium: Browser, long_talk: web.View) -> None:
    with web.visitor(chromium, long_talk) as visitor:
        page = visitor.page
        visitor.go(f"{phone(visitor)}/messages/{slug_of(ADA)}")
        page.locator("details.menu > summary").first.click()
        page.locator("input[name=on]").fill("2024-04-10")
        page.get_by_role("button", name="Go").click()
        page.wait_for_url("**on=2024-04-10")
        expect(page.locator("#talk > .day[data-day='2024-04-10']")).to_be_in_viewport()
        visitor.go(f"{phone(visitor)}/messages/{slug_of(ADA)}?q=message+777")
        page.locator("#talk-hits a").first.click()
        expect(page.locator(".is-found .said")).to_have_text("message 777")
        expect(page.locator(".is-found")).to_be_in_viewport()


def test_a_search_goes_on_by_itself(chromium: Browser, long_talk: web.View) -> None:
    with web.visitor(chromium, long_talk) as visitor:
        page = visitor.page
        visitor.go(f"{phone(visitor)}/messages/{slug_of(ADA)}?q=message")
        page.locator("a[data-more]").scroll_into_view_if_needed()
        expect(page.locator("#talk-hits li").nth(80)).to_be_attached()
        visitor.go(f"{phone(visitor)}/messages/{slug_of(ADA)}?q=nowhere")
        expect(page.get_by_text("was not said here")).to_be_visible()
        visitor.go(f"{phone(visitor)}/messages?name=nobody")
        expect(page.get_by_role("heading", name="No conversation with")).to_be_visible()
        visitor.check("messages-none")


def test_what_strangers_sent_does_nothing(chromium: Browser, hard: web.View) -> None:
    with web.visitor(chromium, hard) as visitor:
        page = visitor.page
        base = phone(visitor)
        for app in ("messages", "whatsapp"):
            visitor.go(f"{base}/{app}")
            links = page.locator("#talk-rows .row").evaluate_all("all => all.map(each => each.href)")
            for address in links:
                visitor.go(address.removeprefix(visitor.origin))
                expect(page.locator("#talk > li").first).to_be_attached()
        assert visitor.elsewhere == []
        unreal = [each for each in visitor.complaints if "404" not in each and "ERR" not in each]
        assert unreal == []


def test_names_and_texts_that_are_markup(chromium: Browser, lived_in: Program, tmp_path: Path) -> None:
    made = MadeMessages(
        handles={"ada": f"{ADA}/iMessage", "bob": "<b>bob</b>@example.org/iMessage"},
        threads=(MadeThread(key="crew", handles=("ada", "bob"), group=True, name=HOSTILE),),
        texts=(
            MadeText(case="1", text=HOSTILE, threads=("crew",), sender="bob"),
            MadeText(case="2", text="x" * 1_000_000, threads=("crew",), sender="ada"),
        ),
    )
    with (
        web.running(lived_in, folder_of(Mint(tmp_path), made)) as view,
        web.visitor(chromium, view) as visitor,
    ):
        page = visitor.page
        visitor.go(f"{phone(visitor)}/messages")
        page.locator("#talk-rows .row").click()
        expect(page.locator("#talk .said").first).to_have_text(HOSTILE)
        assert "taken" not in page.title().replace(HOSTILE, "")
        assert page.locator("#talk img").count() == 0
        assert len(page.content()) < 200_000
        with page.expect_download() as started:
            page.get_by_role("link", name="Save the whole text").click()
        assert Path(started.value.path()).read_text() == "x" * 1_000_000
        visitor.check("messages-hostile")
