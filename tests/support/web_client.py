"""A browser's requests without a browser: for what pages answer, byte for byte, and what the server refuses."""

import html
import http.client
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlencode, urlsplit

from support.program import Program
from support.web import View, running

STILL_READING = b'id="reading"'
"""In the page that comes in the place of another whose backup is being read for the first time."""
_PATIENCE_S = 500.0  # only what hangs reaches it


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def heading(self) -> str:
        """The first heading of a page."""
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""

    def links(self, beginning: str) -> list[str]:
        """The addresses on a page that begin with this."""
        found = [html.unescape(each) for each in re.findall(r'(?:href|src)="([^"]*)"', self.text)]
        return [each for each in found if each.startswith(beginning)]


class WebClient:
    """Somebody who was let in."""

    def __init__(self, view: View) -> None:
        parts = urlsplit(view.url)
        self.host = parts.netloc
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._cookie = ""
        self.csrf = ""
        first = self.get(f"{parts.path}?{parts.query}")
        assert first.headers["set-cookie"], first.text
        self._cookie = str(first.headers["set-cookie"]).partition(";")[0]
        self.get("/")

    def get(self, address: str, **headers: str) -> Answer:
        """Read a page or a file, whole; raises ``http.client.IncompleteRead`` for one that breaks off."""
        answer = self._ask("GET", address, None, {"Sec-Fetch-Site": "same-origin", **headers})
        while STILL_READING in answer.body:
            answer = self._ask("GET", address, None, {"Sec-Fetch-Site": "same-origin", **headers})
        found = re.search(rb'name="csrf" value="([^"]+)"', answer.body)
        self.csrf = found[1].decode() if found else self.csrf
        return answer

    @contextmanager
    def begun(self, address: str) -> Iterator[http.client.HTTPResponse]:
        """An answer whose body is not read yet."""
        connection = http.client.HTTPConnection(self.host, timeout=_PATIENCE_S)
        try:
            connection.request(
                "GET", address, headers={"Cookie": self._cookie, "Sec-Fetch-Site": "same-origin"}
            )
            yield connection.getresponse()
        finally:
            connection.close()

    def post(self, address: str, fields: Mapping[str, str | Sequence[str]], **headers: str) -> Answer:
        """Send a form."""
        body = urlencode({"csrf": self.csrf, **fields}, doseq=True).encode()
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.origin,
            "Sec-Fetch-Site": "same-origin",
            **headers,
        }
        return self._ask("POST", address, body, sent)

    def _ask(self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self.host, timeout=_PATIENCE_S)
        try:
            connection.request(method, address, body, {"Cookie": self._cookie, **headers})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


@contextmanager
def client(program: Program, *arguments: str) -> Iterator[WebClient]:
    """Run ``ibackup open`` and let somebody in."""
    with running(program, *arguments) as view:
        yield WebClient(view)
