"""Server-Sent Events: what an open page is told while it is open."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ibackup.base.errors import IbackupError

_log = logging.getLogger("ibackup")
_LOOK_EVERY_S = 0.25
_FIGURES_EVERY_S = 0.5
_AGAIN_EVERY_S = 5.0  # for what happens outside of the server: another run, a phone that is plugged in
_ALIVE_EVERY_S = 15.0
MOST_STREAMS = 64
"""Open pages of all browsers; a browser opens at most six connections to one host."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event: its name, and the text that it carries: parts of a page, or words."""

    name: str
    data: str

    def encode(self) -> bytes:
        """As it travels: each line of the text on a line of its own."""
        lines = "".join(f"data: {line}\n" for line in self.data.splitlines() or [""])
        return f"event: {self.name}\n{lines}\n".encode()


Look = Callable[[], Iterable[LiveEvent]]
"""Gives what has changed since it was last called; at first, the whole present state. Called in a thread."""


class LiveStreams:
    """All streams of the server.

    Args:
        version: grows whenever there may be news.
        is_closed: whether the server ends.
    """

    def __init__(self, version: Callable[[], int], is_closed: Callable[[], bool]) -> None:
        self._version = version
        self._is_closed = is_closed
        self._open = 0

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open

    def response(self, look: Look, ends: Callable[[], bool] = lambda: False) -> Response:
        """A stream for one open page.

        Args:
            look: what has changed.
            ends: whether it must end, for example because the session was locked.
        """
        if self._open >= MOST_STREAMS:
            return Response(
                "Too many pages are open.", 503, {"Retry-After": "30"}, media_type="text/plain; charset=utf-8"
            )
        return StreamingResponse(self._stream(look, ends), media_type="text/event-stream")

    async def _stream(self, look: Look, ends: Callable[[], bool]) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield b"retry: 2000\n\n"
            async for part in self._parts(look, ends):
                yield part
        finally:
            self._open -= 1

    async def _parts(self, look: Look, ends: Callable[[], bool]) -> AsyncIterator[bytes]:
        seen, looked, told = -1, 0.0, time.monotonic()
        while not self._is_closed() and not ends():
            now = time.monotonic()
            version = self._version()
            news = version != seen and now - looked >= _FIGURES_EVERY_S
            if news or now - looked >= _AGAIN_EVERY_S:
                seen, looked = version, now
                parts = [event.encode() for event in await run_in_threadpool(_told, look)]
                if parts:
                    told = now
                    yield b"".join(parts)
            if now - told >= _ALIVE_EVERY_S:
                told = now
                yield b": alive\n\n"
            await asyncio.sleep(_LOOK_EVERY_S)


def _told(look: Look) -> list[LiveEvent]:
    try:
        return list(look())
    except IbackupError:
        return []  # a disk that is not there now; the page itself says so when it is loaded
    except Exception:  # noqa: BLE001 - one failed look must not end the stream
        _log.exception("an open page could not be told")
        return []
