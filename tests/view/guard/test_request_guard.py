"""What the guard lets through to pages, asked as browsers, strangers and hostile pages ask."""

import asyncio
import json
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ibackup.view.guard.answer_headers import ALWAYS, CONTENT_SECURITY_POLICY
from ibackup.view.guard.request_guard import FORM, SESSION
from ibackup.view.guard.site import Site
from ibackup.view.guard.web_password import WebPassword
from support.raw_web import WAIT, Answer, Guarded, RawClient, guarded


async def home(request: Request) -> Response:
    return PlainTextResponse(request.scope[SESSION].csrf, headers={"Cache-Control": "public"})


async def change(request: Request) -> Response:
    return JSONResponse({name: list(values) for name, values in request.scope[FORM].items()})


async def events(request: Request) -> Response:
    async def forever() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(forever(), media_type="text/event-stream")


async def broken(request: Request) -> Response:
    raise RuntimeError("a secret in the text of an error")


async def sandboxed(request: Request) -> Response:
    return PlainTextResponse(
        "text", headers={"Content-Security-Policy": "sandbox", "X-Frame-Options": "ALLOW"}
    )


PAGES = Starlette(
    routes=[
        Route("/", home),
        Route("/change", change, methods=["POST"]),
        Route("/events", events),
        Route("/broken", broken),
        Route("/sandboxed", sandboxed),
        Route("/static/style.css", lambda _: PlainTextResponse("body {}")),
    ]
)
OWN = "same-origin"
ELSEWHERE = ("cross-site", "same-site")  # a page on another port of this computer is "same-site"


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded(PAGES) as running:
        yield running


@pytest.fixture(scope="module")
def browser(server: Guarded) -> RawClient:
    return server.enter()


def csrf(browser: RawClient) -> str:
    return browser.get("/", Sec_Fetch_Site=OWN).body


# -- in, and not in ---------------------------------------------------------------------------------------------


def test_a_token_becomes_a_cookie_and_disappears_from_the_address(server: Guarded) -> None:
    answer = server.client.get(f"/open?t={server.tokens.make()}", Sec_Fetch_Site="none")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith(f"ibackup-{server.port}=")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=strict"]


def test_a_link_in_another_program_lets_in_by_a_page_of_ours(server: Guarded) -> None:
    """A browser would not send the cookie along a redirect that another page began."""
    address = f"/open?t={server.tokens.make()}"
    answer = server.client.get(address, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert answer.status == 200
    assert 'content="0; url=/"' in answer.body
    assert RawClient(server.port, {"Cookie": answer.cookie}).get("/", Sec_Fetch_Site=OWN).status == 200


def test_a_token_lets_in_once(server: Guarded) -> None:
    address = f"/open?t={server.tokens.make()}"
    assert server.client.get(address).status == 303
    again = server.client.get(address)
    assert again.status == 403
    assert "This link was used already" in again.body
    assert "ibackup open" in again.body
    assert not again.cookie


def test_a_browser_that_is_in_already_goes_home_from_a_used_link(server: Guarded, browser: RawClient) -> None:
    answer = browser.get("/open?t=used", Sec_Fetch_Site="none")
    assert (answer.status, answer.headers["Location"], answer.cookie) == (303, "/", "")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("POST", {"Sec_Fetch_Site": OWN}),
        ("GET", {"Sec_Purpose": "prefetch;prerender"}),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}),
    ],
)
def test_what_is_no_visit_does_not_use_up_a_token(
    server: Guarded, method: str, headers: dict[str, str]
) -> None:
    token = server.tokens.make()
    answer = server.client.ask(method, f"/open?t={token}", None, **headers)
    assert answer.status >= 400
    assert not answer.cookie
    assert server.tokens.use(token)


@pytest.mark.parametrize(
    "cookie", ["", "ibackup-{port}=", "ibackup-{port}=wrong", "ibackup-1={good}", "{good}"]
)
def test_without_the_cookie_nothing_is_told(server: Guarded, browser: RawClient, cookie: str) -> None:
    good = browser.headers["Cookie"].partition("=")[2]
    given = cookie.format(port=server.port, good=good)
    for path in ("/", "/broken", "/events", "/no-such-page"):
        answer = server.client.get(path, Cookie=given)
        assert answer.status == 403
        assert "ibackup open" in answer.body
    assert server.client.post("/change", "a=1", Cookie=given).status == 403


def test_a_false_cookie_beside_the_right_one_does_no_harm(server: Guarded, browser: RawClient) -> None:
    both = f"ibackup-{server.port}=tossed; {browser.headers['Cookie']}; other=1"
    assert server.client.get("/", Cookie=both).status == 200


# -- asked by a hostile page ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost:{port}",
        "[::1]:{port}",
    ],
)
def test_another_name_for_this_computer_is_refused(browser: RawClient, host: str) -> None:
    answer = browser.get("/", Host=host.format(port=browser.port))
    assert answer.status == (400 if not host else 421)  # HTTP/1.1 itself forbids having none
    assert csrf(browser) not in answer.body


def test_two_hosts_are_refused(browser: RawClient) -> None:
    own = f"127.0.0.1:{browser.port}"
    asked = f"GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil\r\nCookie: {browser.headers['Cookie']}\r\n\r\n"
    assert browser.raw(asked.encode()).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize(
    ("path", "mode"),
    [("/", "navigate"), ("/", "no-cors"), ("/static/style.css", "no-cors"), ("/events", "cors")],
)
def test_other_pages_read_nothing(browser: RawClient, where: str, path: str, mode: str) -> None:
    assert browser.get(path, Sec_Fetch_Site=where, Sec_Fetch_Mode=mode).status == 403


@pytest.mark.parametrize("where", [OWN, "none", ""])
def test_what_comes_from_the_person_or_our_pages_is_read(browser: RawClient, where: str) -> None:
    assert browser.get("/", Sec_Fetch_Site=where).status == 200


@pytest.mark.parametrize("inside", ["iframe", "frame", "embed", "object", "worker", "serviceworker"])
def test_no_page_stands_inside_another(browser: RawClient, inside: str) -> None:
    assert browser.get("/", Sec_Fetch_Site=OWN, Sec_Fetch_Dest=inside).status == 403


ORIGINS = [
    (OWN, "http://127.0.0.1:{port}", True),
    (OWN, "null", True),  # after a form of a page that sends no referrer
    (OWN, "", True),
    ("", "http://127.0.0.1:{port}", True),  # a browser from before Sec-Fetch-Site
    ("", "", False),
    ("", "null", False),
    ("", "http://127.0.0.1:1", False),
    ("", "https://127.0.0.1:{port}", False),
    ("", "http://evil.example", False),
    ("", "http://127.0.0.1:{port}.evil.example", False),
    (OWN, "http://evil.example", False),
    ("none", "", False),
    ("none", "http://127.0.0.1:{port}", False),
    ("cross-site", "null", False),
    ("cross-site", "http://127.0.0.1:{port}", False),
    ("same-site", "http://127.0.0.1:1", False),
]


@pytest.mark.parametrize(("where", "origin", "right"), ORIGINS)
def test_only_our_own_pages_change_anything(
    browser: RawClient, where: str, origin: str, *, right: bool
) -> None:
    answer = browser.post(
        "/change", f"a=1&csrf={csrf(browser)}", Sec_Fetch_Site=where, Origin=origin.format(port=browser.port)
    )
    assert answer.status == (200 if right else 403)


def test_a_foreign_origin_reads_nothing_either(browser: RawClient) -> None:
    assert browser.get("/", Origin="http://evil.example").status == 403
    assert browser.get("/", Origin="null").status == 403


# -- forms ------------------------------------------------------------------------------------------------------


def test_a_form_arrives_with_all_its_values(browser: RawClient) -> None:
    answer = browser.post("/change", f"csrf={csrf(browser)}&a=1&a=%C3%A9&b=")
    assert json.loads(answer.body) == {"csrf": [csrf(browser)], "a": ["1", "é"], "b": [""]}


def test_the_token_of_a_form_may_come_in_a_header(browser: RawClient) -> None:
    assert browser.post("/change", "a=1", X_CSRF_Token=csrf(browser)).status == 200
    assert browser.ask("POST", "/change", Sec_Fetch_Site=OWN, X_CSRF_Token=csrf(browser)).status == 200


def test_a_form_without_this_browsers_token_changes_nothing(server: Guarded, browser: RawClient) -> None:
    other = csrf(server.enter())
    for body in ("a=1", "csrf=", f"csrf={other}", f"csrf={other}&csrf={csrf(browser)}", "csrf=%ED%A0%80"):
        assert browser.post("/change", body).status in (403, 415)
    assert browser.post(f"/change?csrf={csrf(browser)}", "a=1").status == 403
    assert browser.post("/change", f"csrf={csrf(browser)}", X_CSRF_Token="wrong").status == 403


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/x-www-form-urlencoded; charset=UTF-8", 200),
        ("text/plain", 415),
        ("application/json", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/x-www-form-urlencoded; charset=utf-7", 415),
        ("", 415),
    ],
)
def test_only_plain_forms_are_read(browser: RawClient, kind: str, status: int) -> None:
    assert browser.post("/change", f"csrf={csrf(browser)}", Content_Type=kind).status == status


def test_a_form_has_a_largest_size_also_when_it_does_not_say_it(browser: RawClient) -> None:
    start = f"csrf={csrf(browser)}&a="
    fits = start + "x" * (64 * 1024 - len(start))
    assert browser.post("/change", fits).status == 200
    assert browser.post("/change", fits + "x").status == 413
    head = (
        f"POST /change HTTP/1.1\r\nHost: 127.0.0.1:{browser.port}\r\nCookie: {browser.headers['Cookie']}\r\n"
        "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    chunk = f"{len(fits) + 1:x}\r\n{fits}x\r\n0\r\n\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}"
    assert browser.raw(chunked.encode()).startswith(b"HTTP/1.1 413")
    assert browser.raw(f"{head}Content-Length: 99999999999\r\nConnection: close\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 413"
    )
    assert browser.post("/change", "&".join(["a=1"] * 5000)).status == 415


# -- odd requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "PROPFIND", "get", "X"]
)
def test_other_methods_are_refused(browser: RawClient, method: str) -> None:
    answer = browser.ask(method, "/")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../style.css",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/static/..%5c..%5csecrets",
        "/static//etc/passwd/..",
        "/a/./b",
        "//evil.example/",
        "/a%00b",
        "/a%0d%0aSet-Cookie:x=1",
        "/a%ff",
        "http://evil.example/",
        "*",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(browser: RawClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status == 400
    assert "Set-Cookie" not in answer.headers


def test_a_head_that_is_too_large_is_refused(browser: RawClient) -> None:
    assert browser.get("/", A="x" * 20_000).status == 431
    assert browser.get(f"/?{'x' * 20_000}").status == 431
    asked = f"GET / HTTP/1.1\r\nHost: x\r\nA: {'x' * 30_000}"
    assert browser.raw(asked.encode()).startswith(b"HTTP/1.1 400")


def test_a_web_socket_is_refused(browser: RawClient) -> None:
    answer = browser.get(
        "/", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Key="x", Sec_WebSocket_Version="13"
    )
    assert answer.status != 101


# -- answers ----------------------------------------------------------------------------------------------------


def policies(answer: Answer) -> list[str]:
    return answer.headers.get_all("Content-Security-Policy") or []


@pytest.mark.parametrize(
    "path",
    ["/", "/no-such-page", "/broken", "/open?t=x", "/%ff", "/static/style.css", "/static/none", "/sandboxed"],
)
def test_every_answer_has_the_headers(server: Guarded, browser: RawClient, path: str) -> None:
    for answer in (browser.get(path), server.client.get(path), server.client.get(path, Host="evil")):
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
        assert CONTENT_SECURITY_POLICY in policies(answer)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers


def test_a_page_can_make_its_policy_stricter_and_nothing_weaker(browser: RawClient) -> None:
    answer = browser.get("/sandboxed")
    assert policies(answer) == ["sandbox", CONTENT_SECURITY_POLICY]
    assert answer.headers.get_all("X-Frame-Options") == ["DENY"]


def test_only_static_files_are_kept_by_browsers_and_only_by_version(server: Guarded) -> None:
    assert "immutable" in server.client.get("/static/style.css?v=1").headers["Cache-Control"]
    assert server.client.get("/static/style.css").headers["Cache-Control"] == "no-store"
    assert server.client.get("/static/none?v=1").headers["Cache-Control"] == "no-store"


def test_a_page_that_fails_tells_nothing_of_its_error(browser: RawClient) -> None:
    answer = browser.get("/broken")
    assert answer.status == 500
    assert "secret" not in answer.body


# -- many at once -----------------------------------------------------------------------------------------------


def opened(client: RawClient, path: str) -> socket.socket:
    """A connection that has asked and got the first bytes of its answer."""
    there = socket.create_connection(("127.0.0.1", client.port), timeout=WAIT)
    cookie = client.headers.get("Cookie", "none=1")
    there.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nCookie: {cookie}\r\n\r\n".encode()
    )
    assert there.recv(12).startswith(b"HTTP/1.1 ")
    return there


def test_many_streams_of_one_browser_leave_room_for_others(server: Guarded) -> None:
    greedy, other = server.enter(), server.enter()
    streams = [opened(greedy, "/events") for _ in range(20)]
    assert greedy.get("/events").status == 503
    assert greedy.get("/").status == 200
    opened(other, "/events").close()
    streams.pop().close()
    for each in streams:
        each.close()


def test_a_thousand_silent_connections_do_not_keep_others_out(server: Guarded, browser: RawClient) -> None:
    there: list[socket.socket] = []
    try:
        there.extend(socket.create_connection(("127.0.0.1", server.port), timeout=WAIT) for _ in range(1000))
        assert browser.get("/").status == 200
    finally:
        for each in there:
            each.close()


def test_who_asks_too_slowly_is_cut_off() -> None:
    with guarded(PAGES, seconds=0.05) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT) as there:
            there.sendall(b"GET / HTTP/1.1\r\nHo")
            assert_closed(there)
        stream = opened(server.enter(), "/events")  # what is being answered may take as long as it likes
        said = b""
        while b"first" not in said:
            said += stream.recv(4096)
        stream.close()


def assert_closed(there: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert there.recv(100) == b""


def test_live_events_do_not_count_as_use(server: Guarded) -> None:
    browser = server.enter()
    cookie = browser.headers["Cookie"].partition("=")[2]
    session = server.sessions.find(cookie)
    assert session is not None
    before = session._used
    opened(browser, "/events").close()
    assert session._used == before
    browser.get("/")
    assert session._used > before


# -- another user of this computer ------------------------------------------------------------------------------


def test_another_user_of_this_computer_is_told_so_and_nothing_else() -> None:
    with guarded(PAGES, allowed=frozenset({123456})) as server:
        token = server.tokens.make()
        for path in ("/", f"/open?t={token}", "/static/style.css"):
            answer = server.client.get(path, Sec_Fetch_Site="none")
            assert answer.status == 403
            assert "another user" in answer.body
            assert CONTENT_SECURITY_POLICY in policies(answer)
        assert server.tokens.use(token)


# -- the web password -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home_server() -> Iterator[Guarded]:
    def site(port: int) -> Site:
        return Site("https", ("backup.example",), port, proxy="127.0.0.1")

    with guarded(PAGES, site=site, password=WebPassword("open sesame")) as running:
        running.client.headers.update({"Host": "backup.example", "X-Forwarded-Proto": "https"})
        yield running


def test_the_web_password_lets_in_and_out_again(home_server: Guarded) -> None:
    client = home_server.client
    asked = client.get("/", Sec_Fetch_Site="none")
    assert (asked.status, asked.headers["Location"]) == (303, "/login")
    assert 'type="password"' in client.get("/login").body
    answer = client.post("/login", "password=open+sesame", X_Forwarded_For="192.0.2.1")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert answer.cookie.startswith("__Host-ibackup-")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")
    browser = RawClient(client.port, client.headers | {"Cookie": answer.cookie})
    token = csrf(browser)
    assert browser.post("/logout").status == 403
    assert browser.post("/logout", f"csrf={token}").status == 303
    assert browser.get("/").status == 303


def _until_refused(server: Guarded, *froms: str) -> list[Answer]:
    """Wrong passwords until one comes too early: on a slow machine the first waits pass while a password is tried."""
    answers: list[Answer] = []
    for each in froms:
        answers.append(server.client.post("/login", "password=wrong", X_Forwarded_For=each))
        if answers[-1].status == 429:
            break
    return answers


def test_a_wrong_web_password_lets_nobody_in(home_server: Guarded) -> None:
    *wrong, refused = _until_refused(home_server, *["192.0.2.2"] * 40)
    assert [each.status for each in wrong] == [403] * len(wrong)
    assert len(wrong) >= 4
    assert refused.status == 429
    assert not any(each.cookie for each in (*wrong, refused))
    assert int(refused.headers["Retry-After"]) >= 1
    # Only what the proxy itself adds counts, and not what a browser puts before it.
    forged = _until_refused(home_server, *(f"198.51.100.{number}, 192.0.2.2" for number in range(40)))
    assert forged[-1].status == 429
    right = home_server.client.post("/login", "password=open+sesame", X_Forwarded_For="192.0.2.3")
    assert right.status == 303


def test_one_address_that_sends_slowly_keeps_nobody_else_waiting(home_server: Guarded) -> None:
    client = home_server.client
    head = (
        "POST /login HTTP/1.1\r\nHost: backup.example\r\nX-Forwarded-Proto: https\r\nSec-Fetch-Site: same-origin\r\n"
        "X-Forwarded-For: 192.0.2.50\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 99\r\n\r\npass"
    )
    slow = [socket.create_connection(("127.0.0.1", client.port), timeout=WAIT) for _ in range(40)]
    for each in slow:
        each.sendall(head.encode())
    waiting = list(slow)
    while len(waiting) > 4:
        for each in select.select(waiting, [], [], WAIT)[0]:
            assert each.recv(12) == b"HTTP/1.1 503"
            waiting.remove(each)
    right = client.post("/login", "password=open+sesame", X_Forwarded_For="192.0.2.51")
    assert right.status == 303
    for each in slow:
        each.close()


def test_another_page_cannot_log_in(home_server: Guarded) -> None:
    answer = home_server.client.post("/login", "password=open+sesame", Sec_Fetch_Site="cross-site")
    assert (answer.status, answer.cookie) == (403, "")


@pytest.mark.parametrize(
    "headers", [{"X_Forwarded_Proto": "http"}, {"X_Forwarded_Proto": ""}, {"Host": "127.0.0.1"}]
)
def test_a_proxy_that_was_reached_in_the_clear_is_refused(
    home_server: Guarded, headers: dict[str, str]
) -> None:
    assert home_server.client.get("/login", **headers).status in (403, 421)


def test_only_the_proxy_may_connect() -> None:
    def site(port: int) -> Site:
        return Site("https", ("backup.example",), port, proxy="192.0.2.1")

    with guarded(PAGES, site=site, password=WebPassword("open sesame")) as server:
        answer = server.client.get("/login", Host="backup.example", X_Forwarded_Proto="https")
        assert answer.status == 403
        assert "proxy" in answer.body
