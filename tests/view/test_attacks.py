"""Attacks on a running ``ibackup open``: by hostile pages, by other users of the computer, by odd requests."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser

from ibackup.view.guard.answer_headers import ALWAYS
from ibackup.view.routes import ways
from support import web
from support.program import Program
from support.raw_web import WAIT, Answer, RawClient

pytestmark = pytest.mark.peer
ENTRANCES = {"/static/{name}", "/static/{name:path}"}
"""These need no session."""


@pytest.fixture(scope="module")
def attacked(lived_in: Program) -> Iterator[web.View]:
    with web.running(lived_in) as view:
        yield view


@pytest.fixture(scope="module")
def stranger(attacked: web.View) -> RawClient:
    port = urlsplit(attacked.origin).port
    assert port is not None
    return RawClient(port)


@pytest.fixture(scope="module")
def owner(attacked: web.View, stranger: RawClient) -> RawClient:
    address = attacked.url.removeprefix(attacked.origin)
    answer = stranger.get(address, Sec_Fetch_Site="none")
    assert answer.status == 303
    name, _, value = answer.cookie.partition("=")
    attacked.cookies.append({"name": name, "value": value, "url": attacked.origin})
    return RawClient(stranger.port, {"Cookie": answer.cookie})


@pytest.fixture(scope="module")
def csrf(owner: RawClient) -> str:
    page = owner.get("/phone/anns-iphone/doctor", Sec_Fetch_Site="same-origin")
    found = page.body.partition('name="csrf" value="')[2].partition('"')[0]
    assert found
    return found


def addresses(method: str) -> list[str]:
    """Every address of the table of pages, with something in place of its parameters."""
    found = []
    for way in ways():
        if way.method == method and way.path not in ENTRANCES:
            path = way.path.replace("{phone}", "anns-iphone")
            while "{" in path:
                before, _, rest = path.partition("{")
                path = f"{before}1{rest.partition('}')[2]}"
            found.append(path)
    assert found
    return found


def tells_nothing(answer: Answer) -> bool:
    return answer.status in (400, 403, 421) and "Ann" not in answer.body


# -- every page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", addresses("GET"))
def test_no_page_is_shown_to_a_stranger(stranger: RawClient, owner: RawClient, path: str) -> None:
    assert tells_nothing(stranger.get(path))
    assert tells_nothing(stranger.get(path, Cookie=f"ibackup-{stranger.port}=guessed"))
    assert tells_nothing(owner.get(path, Host=f"rebound.example:{owner.port}"))
    assert tells_nothing(owner.get(path, Origin="http://evil.example"))
    for where in ("cross-site", "same-site"):
        assert tells_nothing(owner.get(path, Sec_Fetch_Site=where, Sec_Fetch_Mode="navigate"))


@pytest.mark.parametrize("path", addresses("POST"))
def test_nothing_is_changed_for_a_stranger(
    stranger: RawClient, owner: RawClient, csrf: str, path: str
) -> None:
    good = f"csrf={csrf}"
    assert tells_nothing(stranger.post(path, good))
    assert tells_nothing(owner.post(path))
    assert tells_nothing(owner.post(path, "csrf=wrong"))
    assert tells_nothing(owner.post(path, good, Sec_Fetch_Site="cross-site"))
    assert tells_nothing(owner.post(path, good, Sec_Fetch_Site="", Origin="null"))
    assert tells_nothing(owner.post(path, good, Sec_Fetch_Site="", Origin="http://evil.example"))
    assert tells_nothing(owner.post(path, good, Host="evil.example"))
    assert owner.post(path, good, Content_Type="text/plain").status == 415
    assert owner.get(path, Sec_Fetch_Site="same-origin").status in (200, 303, 403, 404, 405)


@pytest.mark.parametrize("path", addresses("GET"))
def test_every_page_has_the_headers(owner: RawClient, path: str) -> None:
    if path.endswith("events"):
        return  # never ends; tests/view/guard has it
    answer = owner.get(path, Sec_Fetch_Site="same-origin")
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert answer.headers["Cache-Control"] == "no-store"
    assert any("default-src 'none'" in each for each in answer.headers.get_all("Content-Security-Policy", []))


def test_the_link_works_once(attacked: web.View, stranger: RawClient, owner: RawClient) -> None:
    again = stranger.get(attacked.url.removeprefix(attacked.origin), Sec_Fetch_Site="none")
    assert (again.status, again.cookie) == (403, "")


def test_the_cookie_of_another_view_is_none_here(lived_in: Program, stranger: RawClient) -> None:
    with web.running(lived_in) as other:
        port = urlsplit(other.origin).port
        assert port is not None
        answer = RawClient(port).get(other.url.removeprefix(other.origin), Sec_Fetch_Site="none")
        value = answer.cookie.partition("=")[2]
        assert answer.cookie.startswith(f"ibackup-{port}=")
        assert tells_nothing(stranger.get("/", Cookie=answer.cookie))
        assert tells_nothing(stranger.get("/", Cookie=f"ibackup-{stranger.port}={value}"))


# -- odd requests -----------------------------------------------------------------------------------------------

UP = [
    "../" * 12 + "etc/passwd",
    "..%2f" * 12 + "etc/passwd",
    "%2e%2e/" * 12 + "etc/passwd",
    "..%5c" * 12 + "etc/passwd",
]
UP += ["/etc/passwd", "%2fetc%2fpasswd", "....//" * 12 + "etc/passwd", "%252e%252e%252f" * 12 + "etc/passwd"]


@pytest.mark.parametrize(
    "start", ["/static/", "/phone/", "/phone/anns-iphone/", "/phone/anns-iphone/files/", "/"]
)
@pytest.mark.parametrize("up", UP)
def test_no_address_leads_out_of_its_folder(owner: RawClient, start: str, up: str) -> None:
    answer = owner.get(start + up, Sec_Fetch_Site="same-origin")
    assert answer.status in (400, 404)
    assert "root:" not in answer.body


@pytest.mark.parametrize(
    "at", ["../../store.json", "%00", "20261122T020004Z/../../x", "x" * 5000, "'\"><script>"]
)
def test_no_backup_is_found_by_a_path(owner: RawClient, at: str) -> None:
    for page in addresses("GET"):
        if "/phone/" in page and not page.endswith("events"):
            answer = owner.get(f"{page}?at={quote(at, safe='%')}", Sec_Fetch_Site="same-origin")
            assert answer.status < 500
            assert "<script>" not in answer.body.replace("<script src=", "")
            assert "Traceback" not in answer.body


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "PROPFIND"])
def test_other_methods_are_refused(owner: RawClient, method: str) -> None:
    assert owner.ask(method, "/").status == 405


def test_a_form_has_a_largest_size(owner: RawClient, csrf: str) -> None:
    assert owner.post("/lock", f"csrf={csrf}&a=" + "x" * 70_000).status == 413


# -- many at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asks", ["", "GET /events HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"])
def test_a_thousand_open_connections_leave_room_for_home(owner: RawClient, asks: str) -> None:
    asked = asks.format(host=f"127.0.0.1:{owner.port}", cookie=owner.headers["Cookie"]).encode()
    with ExitStack() as stack:
        for _ in range(1000):
            there = socket.create_connection(("127.0.0.1", owner.port), timeout=WAIT)
            stack.enter_context(there)
            there.sendall(asked)
        assert owner.get("/", Sec_Fetch_Site="same-origin").status == 200


# -- another user of this computer ------------------------------------------------------------------------------

ASK = (
    "import sys, urllib.request, urllib.error\n"
    "asked = urllib.request.Request(sys.argv[1], headers={'Cookie': sys.argv[2]})\n"
    "try:\n    print(urllib.request.urlopen(asked).status)\n"
    "except urllib.error.HTTPError as error:\n    print(error.code, error.read().decode())\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can tell users apart")
def test_another_user_gets_nothing_even_with_the_cookie(attacked: web.View, owner: RawClient) -> None:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    python = ["/usr/bin/python3", "-c", ASK, attacked.origin, owner.headers["Cookie"]]
    if not os.path.exists(python[0]):
        pytest.skip("another user cannot run this Python")
    done = subprocess.run([*become, *python], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("403")
    assert "another user" in done.stdout
    assert "Ann" not in done.stdout


# -- a hostile page in the owner's browser ----------------------------------------------------------------------

HOSTILE = """<!doctype html><body><script>
const to = %r, found = [];
const tell = (what, value) => found.push(what + ": " + value);
const settle = async () => {
  for (const mode of ["cors", "no-cors"])
    for (const path of ["/", "/phone/anns-iphone", "/static/app.js"])
      await fetch(to + path, {mode, credentials: "include"}).then(
        async a => tell("fetch " + mode + path, a.type + (await a.text()).length), () => tell("fetch", "refused"));
  await fetch(to + "/lock", {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams("a=1")})
    .then(a => tell("post", a.type), () => tell("post", "refused"));
  for (const kind of ["img", "script", "iframe", "object", "link"]) {
    await new Promise(done => {
      const e = document.createElement(kind);
      e.onload = () => { tell(kind, "loaded"); done(); };
      e.onerror = () => { tell(kind, "refused"); done(); };
      if (kind == "link") e.rel = "stylesheet";
      const own = {img: "/static/icon.svg", script: "/static/app.js", link: "/static/base.css"};
      e[{object: "data", link: "href"}[kind] || "src"] = to + (own[kind] || "/");
      document.body.append(e);
      setTimeout(done, 3000);
    });
  }
  await new Promise(done => {
    const stream = new EventSource(to + "/events", {withCredentials: true});
    stream.onmessage = () => { tell("events", "read"); done(); };
    stream.onerror = () => { tell("events", "refused"); stream.close(); done(); };
  });
  const shown = document.querySelector("iframe");
  try { tell("frame", shown.contentDocument.body.innerText); } catch { tell("frame", "closed"); }
  return found;
};
</script>"""


class _Hostile(BaseHTTPRequestHandler):
    def __init__(self, to: str, *given: object) -> None:
        self._to = to
        super().__init__(*given)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((HOSTILE % self._to).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_hostile_page_in_the_owners_browser_gets_nothing(
    chromium: Browser, attacked: web.View, owner: RawClient, host: str
) -> None:
    """On 127.0.0.1 it is the same site to the browser, which sends our cookie along."""
    evil = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hostile, attacked.origin))
    thread = Thread(target=evil.serve_forever)
    thread.start()
    try:
        with web.visitor(chromium, attacked) as visitor:
            statuses: list[int] = []
            visitor.page.goto(f"http://{host}:{evil.server_address[1]}/")
            visitor.page.on(
                "response",
                lambda answer: (
                    statuses.append(answer.status) if answer.url.startswith(attacked.origin) else None
                ),
            )
            found = visitor.page.evaluate("settle()")  # nothing is asked before this
            assert statuses
            assert set(statuses) == {403}
            assert [each for each in found if "cors:" in each and not each.endswith("refused")] == []
            assert "script: refused" in found
            assert "img: refused" in found
            assert "events: refused" in found
            assert "Ann" not in "".join(found)
            answer = visitor.page.goto(f"{attacked.origin}/")
            assert answer is not None
            assert answer.status == 200  # typed by the person, it is still open
    finally:
        evil.shutdown()
        thread.join()
        evil.server_close()
