"""The tree as a read-only WebDAV server on loopback, for systems without FUSE.

It is our own: the servers that there are take files from a disk of theirs, or read XML from strangers.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import BinaryIO, Final

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ibackup.base.byte_ranges import wanted_bytes
from ibackup.base.errors import IbackupError
from ibackup.base.listening import listen
from ibackup.mount.mount_nodes import MountedFile
from ibackup.mount.path_lookup import PathLookup
from ibackup.mount.webdav_answers import content_type, folder_page, modified_text, properties
from ibackup.mount.webdav_site import WebDavSite

_ALLOWED: Final = "OPTIONS, GET, HEAD, PROPFIND"
_CHUNK: Final = 256 * 1024
_LAST_WORDS_S: Final = 2
_MOST_AT_ONCE: Final = 100
_HEADERS: Final = {
    # A page from a backup may show its own pictures, and runs nothing.
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; "
    "style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "DAV": "1",
}
_NO_DEPTH: Final = (
    '<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>'
)


def serve_webdav(
    lookup: PathLookup,
    ready: Callable[[WebDavSite], object],
    *,
    over: Callable[[], object] = lambda: None,
    idle_s: float = 0.0,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Serve a tree on a free port of loopback until Ctrl-C.

    Args:
        lookup: the tree.
        ready: called in a thread once it answers; an error of it ends the server.
        over: called in a thread at the end, while it still answers.
        idle_s: end after so many seconds without a request; 0: never.
        is_over: asked now and then whether to end.

    Raises:
        IbackupError: as ``ready`` raised it.
    """
    with listen("127.0.0.1", 0, _MOST_AT_ONCE) as listening:
        site = WebDavSite(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        app = _WebDavApp(lookup, site)
        server = _WebDavServer(
            uvicorn.Config(
                app,
                log_config=None,
                lifespan="off",
                access_log=False,  # addresses contain what people look for
                server_header=False,
                proxy_headers=False,
                ws="none",
                limit_concurrency=_MOST_AT_ONCE,
                timeout_graceful_shutdown=_LAST_WORDS_S,
            )
        )
        server.when_ready = partial(ready, site)
        server.when_over = over
        server.ends = lambda: is_over() or bool(idle_s and monotonic() - app.used > idle_s)
        with suppress(KeyboardInterrupt):  # uvicorn ended in order, and then passes Ctrl-C on
            server.run(sockets=[listening])
        if server.failed is not None:
            raise server.failed


class _WebDavServer(uvicorn.Server):
    """Tells when it is ready and when it is over, and ends itself."""

    when_ready: Callable[[], object]
    when_over: Callable[[], object]
    ends: Callable[[], bool]
    failed: IbackupError | None = None
    _getting_ready: "asyncio.Task[object]"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What mounts it sends requests meanwhile.
        self._getting_ready = asyncio.create_task(asyncio.to_thread(self.when_ready))

    async def on_tick(self, counter: int) -> bool:
        is_ready = self._getting_ready.done()
        if is_ready and self._getting_ready.exception() is not None:
            return True
        return await super().on_tick(counter) or (is_ready and counter % 5 == 0 and self.ends())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await self._getting_ready
        except IbackupError as error:
            self.failed = error
        await asyncio.to_thread(self.when_over)
        await super().shutdown(sockets)


class _WebDavApp:
    """The answers, each in a thread of its own."""

    def __init__(self, lookup: PathLookup, site: WebDavSite) -> None:
        self._lookup = lookup
        self._site = site
        self.used = monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = self._refused(request)
        if response is None:
            self._note_use()
            try:
                response = await run_in_threadpool(self._answer, request)
            except IbackupError as error:
                response = Response(f"{error.message}\n", 500, media_type="text/plain")
            except OSError:
                response = Response("It cannot be read.\n", 500, media_type="text/plain")
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    def _note_use(self) -> None:
        self.used = monotonic()

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("host", "").lower() not in self._site.hosts:
            return Response("This address is not the one that ibackup showed.\n", 421)
        # Windows asks without a password what there is, and takes a refusal for the end.
        if request.method == "OPTIONS" or self._site.lets_in(
            request.method, request.headers.get("authorization", "")
        ):
            return None
        refusal = Response("Give the user and the password that ibackup showed.\n", 401)
        for challenge in self._site.challenges:
            refusal.headers.append("WWW-Authenticate", challenge)
        return refusal

    def _answer(self, request: Request) -> Response:
        path = _path(request)
        if request.method == "OPTIONS":
            return Response(headers={"Allow": _ALLOWED})
        if request.method not in ("GET", "HEAD", "PROPFIND"):
            return Response("This is read-only.\n", 405, {"Allow": _ALLOWED})
        node = self._lookup.find(path)
        if node is None:
            return Response("There is no such file.\n", 404)
        if request.method == "PROPFIND":
            return self._properties(path, request.headers.get("depth", "infinity"))
        if not isinstance(node, MountedFile):
            children = self._lookup.children(path)
            return HTMLResponse(folder_page(path, children or {}))
        source = node.open()
        return _content(source, node, path, request, self._note_use)

    def _properties(self, path: str, depth: str) -> Response:
        if depth not in ("0", "1"):
            return Response(_NO_DEPTH, 403, media_type="application/xml")
        node = self._lookup.find(path)
        found = [(path, node)] if node is not None else []
        if depth == "1" and node is not None and not isinstance(node, MountedFile):
            children = self._lookup.children(path) or {}
            found += [(f"{path.rstrip('/')}/{name}", child) for name, child in children.items()]
        return Response(properties(found), 207, media_type="application/xml; charset=utf-8")


def _path(request: Request) -> str:
    """The path of a request, with one slash before each of its parts."""
    return "/" + "/".join(part for part in str(request.scope["path"]).split("/") if part)


def _content(
    source: BinaryIO, node: MountedFile, path: str, request: Request, use: Callable[[], object]
) -> Response:
    """A file, or the part of it that was asked for; ``use`` is called while it is sent."""
    size = source.seek(0, os.SEEK_END)
    headers = {"Accept-Ranges": "bytes", "Last-Modified": modified_text(node)}
    wanted = None if "if-range" in request.headers else wanted_bytes(request.headers.get("range", ""), size)
    start, end = wanted or (0, size)
    if wanted is not None and start >= end:
        source.close()
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Length"] = str(end - start)
    status = 200
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status = 206
    kind = content_type(path)
    if request.method == "HEAD":
        source.close()
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(_pieces(source, start, end, use), status, headers, kind)


def _pieces(source: BinaryIO, start: int, end: int, use: Callable[[], object]) -> Iterator[bytes]:
    """A part of a file; ends with an error if it became shorter, so that nobody takes a part for the whole."""
    with source:
        source.seek(start)
        left = end - start
        while left > 0:
            piece = source.read(min(left, _CHUNK))
            if not piece:
                raise OSError("the file has become shorter")
            left -= len(piece)
            use()
            yield piece
