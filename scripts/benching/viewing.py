"""The figures of the web view: how soon it answers, and how much memory it takes, with a large store."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from benching.measure import MIB, ContenderFailed, run
from benching.racing import IBACKUP, Scale
from playwright.sync_api import Browser, sync_playwright

_HERE = os.path.dirname(os.path.abspath(__file__))
_SNAPSHOTS, _FILES, _PHOTOS, _MESSAGES = 60, 300_000, 50_000, 500_000
_PHONE = "/phone/anns-iphone"
_STILL_READING = 'id="reading"'
_ASKED_AGAIN_S = 0.5
_PAGES = ("", "photos", "messages", "people", "calls", "notes", "calendar", "files", "restore")
_FIRST_SCREEN_IS_THERE = """() => {
  const seen = Array.from(document.querySelectorAll("main img")).filter(each => {
    const box = each.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  return seen.length > 0 && seen.every(each => each.complete);
}"""


@dataclass
class _Server:
    """A running ``ibackup open`` and the cookie of the one who is in."""

    process: "subprocess.Popen[str]"
    url: str
    began: float
    cookie: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def first_byte(self, address: str) -> tuple[float, str]:
        """Seconds until an answer begins, and its body."""
        connection = http.client.HTTPConnection(self.host, timeout=600)
        began = time.monotonic()
        connection.request("GET", address, headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        seconds = time.monotonic() - began
        if set_cookie := answer.getheader("Set-Cookie"):
            self.cookie = set_cookie.partition(";")[0]
        body = answer.read().decode("utf-8", "replace")
        if answer.status >= 400:
            raise ContenderFailed(f"{address}: {answer.status} {body[:300]}")
        connection.close()
        return seconds, body

    def page(self, address: str) -> tuple[float, str]:
        """The same once the backup is read: until then another page says how far that is, and a browser asks again."""
        first, body = self.first_byte(address)
        while _STILL_READING in body:
            time.sleep(_ASKED_AGAIN_S)
            _, body = self.first_byte(address)
        return first, body

    def cpu_seconds(self) -> float:
        """How long the server has used processors; 0 where the system does not say."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as source:
                user, system = source.read().rpartition(")")[2].split()[11:13]
        except OSError:
            return 0.0
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def most_memory(self) -> int:
        """The most that the server had in memory so far, in bytes; 0 where the system does not say."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as source:
                found = re.search(r"VmHWM:\s+(\d+) kB", source.read())
        except OSError:
            return 0
        return int(found[1]) * 1024 if found else 0


def report(folder: str, scale: Scale) -> Iterator[str]:
    """The web view, 60 snapshots of 300,000 files with 50,000 photos and 500,000 messages."""
    store = os.path.join(folder, "store")
    counts = [_SNAPSHOTS, scale.of(_FILES), scale.of(_PHOTOS), scale.of(_MESSAGES)]
    make = [sys.executable, os.path.join(_HERE, "make_view_store.py"), store, *map(str, counts)]
    run(make, {"PYTHONPATH": os.path.dirname(_HERE)}, log=os.path.join(folder, "make.log"))
    yield "| what | seconds | CPU s of the server |"
    yield "|---|--:|--:|"
    server = _start(folder, store)
    try:
        server.first_byte(server.url.removeprefix(f"http://{server.host}"))
        server.first_byte("/")
        yield f"| started, and home is there | {time.monotonic() - server.began:.2f} | {server.cpu_seconds():.2f} |"
        for name in _PAGES:
            address = f"{_PHONE}/{name}".rstrip("/")
            yield from _visit(server, f"{name or 'timeline'}", address)
            if name == "messages":
                yield from _longest_conversation(server, address)
        older = re.findall(r"at=([0-9TZ]+)", server.page(_PHONE)[1])
        if older:
            yield from _visit(server, "messages of an older backup", f"{_PHONE}/messages?at={older[0]}")
        yield from _in_a_browser(server)
        yield f"| most memory of the server | {server.most_memory() / MIB:.0f} MiB | |"
    finally:
        server.process.send_signal(2)
        server.process.wait()


def _visit(server: _Server, name: str, address: str) -> Iterator[str]:
    """A page for the first time, until it is there, and once more."""
    began, used = time.monotonic(), server.cpu_seconds()
    first, _ = server.page(address)
    whole, reading = time.monotonic() - began, server.cpu_seconds() - used
    again, _ = server.page(address)
    yield f"| {name}: first byte of the first look | {first:.3f} | |"
    yield f"| {name}: there | {whole:.2f} | {reading:.2f} |"
    yield f"| {name}: first byte, once it is read | {again:.3f} | |"


def _longest_conversation(server: _Server, address: str) -> Iterator[str]:
    """The conversation with most messages, and a search through a part of it for what nobody said."""
    _, body = server.page(address)
    threads = dict.fromkeys(re.findall(r'href="(/phone/[^"]*messages/[0-9a-f]{16})', body))
    longest, most = "", 0
    for thread in threads:
        found = re.search(r'class="small">([\d,]+) messages', server.page(thread)[1])
        if found and (count := int(found[1].replace(",", ""))) > most:
            longest, most = thread, count
    if not longest:
        return
    yield from _visit(server, f"a conversation of {most:,}", longest)
    yield from _visit(server, "a part of a search in it", f"{longest}?q=zzzzqq")


def _start(folder: str, store: str) -> _Server:
    home, state = os.path.join(folder, "home"), os.path.join(folder, "state")
    environment = {**os.environ, "HOME": home, "IBACKUP_STATE_DIR": state}
    began = time.monotonic()
    process = subprocess.Popen(
        [*IBACKUP, "--store", store, "open", "--json", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ContenderFailed("ibackup open did not start")
    return _Server(process, json.loads(line)["url"], began)


def _in_a_browser(server: _Server) -> Iterator[str]:
    program = shutil.which("chromium")
    if program is None:
        return
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield from _grid(server, chromium)
        chromium.close()


def _grid(server: _Server, chromium: Browser) -> Iterator[str]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    name, _, value = server.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": f"http://{server.host}"}])
    page = context.new_page()
    page.goto(f"http://{server.host}/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    began = time.monotonic()
    page.goto(f"http://{server.host}{_PHONE}/photos", wait_until="commit")
    page.wait_for_function(_FIRST_SCREEN_IS_THERE)
    yield f"| photos: the first screen, in a browser | {time.monotonic() - began:.2f} | |"
    pictures = sum(1 for url in asked if "/static/" not in url)
    yield f"| requests for that | {pictures} | |"
    context.close()
