"""What open pages are told: the whole present state first, then changes, and a limit of streams."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from ibackup.view.running import live_stream
from ibackup.view.running.live_stream import LiveEvent, LiveStreams


class News:
    """A version that grows, and what is told at each."""

    def __init__(self) -> None:
        self.version = 0
        self.closed = False
        self.looks = 0

    def look(self) -> list[LiveEvent]:
        self.looks += 1
        return [LiveEvent("run", f"<p>\nlook {self.looks}")]


async def parts(streams: LiveStreams, news: News, count: int) -> list[str]:
    response = streams.response(news.look)
    assert isinstance(response, StreamingResponse)
    assert response.media_type == "text/event-stream"
    body = response.body_iterator
    assert isinstance(body, AsyncIterator)
    said = []
    async for part in body:
        said.append(bytes(part).decode())
        news.version += 1
        if len(said) == count:
            news.closed = True
    return said


def test_the_state_comes_first_and_then_each_change_until_the_server_ends() -> None:
    news = News()
    streams = LiveStreams(lambda: news.version, lambda: news.closed)
    said = asyncio.run(parts(streams, news, 3))
    assert said[1:] == [
        "event: run\ndata: <p>\ndata: look 1\n\n",
        "event: run\ndata: <p>\ndata: look 2\n\n",
    ]
    assert streams.count == 0


def test_two_listeners_see_the_same_from_the_beginning() -> None:
    one, other = News(), News()
    streams = LiveStreams(lambda: one.version, lambda: one.closed and other.closed)

    async def both() -> list[list[str]]:
        return list(await asyncio.gather(parts(streams, one, 2), parts(streams, other, 2)))

    first, second = asyncio.run(both())
    assert first[1] == second[1]


def test_there_is_a_limit_of_streams() -> None:
    news = News()
    streams = LiveStreams(lambda: 0, lambda: False)

    async def crowd() -> int:
        bodies = []
        for _ in range(live_stream.MOST_STREAMS):
            response = streams.response(news.look)
            assert isinstance(response, StreamingResponse)
            body = response.body_iterator
            assert isinstance(body, AsyncIterator)
            await anext(body)
            bodies.append(body)
        refused = streams.response(news.look).status_code
        for body in bodies:
            await body.aclose()  # type: ignore[attr-defined]
        assert streams.count == 0
        return refused

    assert asyncio.run(crowd()) == 503
