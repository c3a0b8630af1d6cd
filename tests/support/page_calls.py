"""Pages of the view without a socket: the application over a store, called as the server calls it."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ibackup.simulator.life.life_file import LifeFile
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.guard.request_guard import SESSION
from ibackup.view.house import House
from ibackup.view.pages_app import application
from ibackup.view.view_request import ViewRequest
from support.minted import Spec
from support.search_store import SearchStore
from support.web_client import STILL_READING

PHONE = "/phone/anns-iphone"
"""The phone of a ``SearchStore``."""
_TAG = re.compile(r"<[^>]*>")
_HREF = re.compile(r'href="([^"]*)"')


@dataclass(frozen=True)
class Answer:
    """What a page answered; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def html(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def text(self) -> str:
        """What a person reads on it, with single spaces."""
        return " ".join(unescape(_TAG.sub(" ", self.html)).split())

    def links(self, part: str = "") -> list[str]:
        """The addresses that it links to, those with a part in them."""
        return [found for each in _HREF.findall(self.html) if part in (found := unescape(each))]


class PageCalls:
    """Calls pages of a store, as one browser."""

    def __init__(self, store: Path) -> None:
        config = store.parent / "config.toml"
        config.touch(0o600)
        self.house = House(ViewRequest(store=str(store), config=str(config)))
        self.session = BrowserSession()

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a request, once what it shows is read."""
        answer = self.at_once(address, headers)
        while STILL_READING in answer.body:
            answer = self.at_once(address, headers)
        return answer

    def at_once(self, address: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a request, which may be that the backup is being read."""
        parts = urlsplit(address)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": parts.path,
            "raw_path": quote(parts.path).encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "server": ("127.0.0.1", 80),
            SESSION: self.session,
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(500)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(application(self.house)(scope, receive, send))  # type: ignore[arg-type]  # as a server would
        head = sent[0]
        names = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        return Answer(head["status"], names, b"".join(each.get("body", b"") for each in sent[1:]))

    def close(self) -> None:
        """Close what is open."""
        self.house.close()


def specs(files: Iterable[LifeFile]) -> list[Spec]:
    """Files of a made life, for a snapshot."""
    return [Spec(file.domain, file.path, content=file.data) for file in files]


def store_of(folder: Path, *lives: Iterable[LifeFile], password: str | None = None) -> SearchStore:
    """A store with a snapshot of each of these lives, a day apart."""
    store = SearchStore(folder)
    for life in lives:
        store.add(specs(life), password)
    return store
