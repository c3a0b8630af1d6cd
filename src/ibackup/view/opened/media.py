"""Sends a file from a backup to the browser: shown if its first bytes are of a known kind, otherwise a download.

The answer streams. A range of an encrypted file is decrypted from that position, not from the start.
"""

import os
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ibackup.base.byte_ranges import wanted_bytes
from ibackup.base.errors import IbackupError
from ibackup.view.opened.media_kinds import HEAD_BYTES, HEIC, Family, MediaKind, kind_of, size_of
from ibackup.view.opened.pictures import MOST_PIXELS, PictureRefused, as_jpeg

SANDBOXED: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""The headers of everything that comes from a backup."""
_CHUNK: Final = 256 * 1024
_MOST_NAME: Final = 150  # characters
_UNSAFE: Final = frozenset('/\\:*?"<>|')
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def media_response(
    source: BinaryIO,
    headers: Mapping[str, str],
    *,
    name: str,
    download: bool = False,
    most_side: int | None = None,
) -> Response:
    """An answer with a file's content; it closes the stream.

    Args:
        source: the plaintext, from ``Entry.open``.
        headers: of the request; ``range`` is obeyed.
        name: the file's name on the phone, for a download; nothing else is taken from it.
        download: always a download, byte for byte.
        most_side: of a picture that is turned into a JPEG, in pixels; None: as large as it is.
    """
    try:
        size = source.seek(0, os.SEEK_END)
        kind = None if download else shown_kind(source)
        if kind is HEIC:
            with suppress(PictureRefused, OSError, IbackupError):
                jpeg = as_jpeg(source, most_side)
                source.close()
                return Response(jpeg, headers=SANDBOXED, media_type="image/jpeg")
            kind = None
    except BaseException:
        source.close()
        raise
    sent = dict(SANDBOXED) | {"Accept-Ranges": "bytes"}
    if kind is None:
        sent["Content-Disposition"] = attachment(name)
    content_type = "application/octet-stream" if kind is None else kind.content_type
    return _ranged(source, size, headers, sent, content_type)


def shown_kind(source: BinaryIO) -> MediaKind | None:
    """The kind of a file that may be shown; None for all others, and for a picture with too many pixels.

    Raises OSError, IbackupError: it cannot be read. The stream's position changes.
    """
    source.seek(0)
    kind = kind_of(source.read(HEAD_BYTES))
    if kind is not None and kind.family is Family.PICTURE and kind is not HEIC:
        size = size_of(source, kind)
        if size is None or size.pixels > MOST_PIXELS:
            return None
    return kind


def streamed_download(chunks: Iterable[bytes], name: str, content_type: str) -> Response:
    """An answer that streams what is made on the way, such as a zip archive; its length is not known before."""
    headers = dict(SANDBOXED) | {"Content-Disposition": attachment(name)}
    return _Streamed(iter(chunks), 200, headers, content_type)


def attachment(name: str) -> str:
    """The header that makes a download of a name; what no file may be called is left out."""
    kept = "".join(
        "_" if char in _UNSAFE else char for char in name if unicodedata.category(char) not in _INVISIBLE
    )
    kept = kept.strip(" .")
    stem, dot, ending = kept.rpartition(".")
    if len(kept) > _MOST_NAME:
        kept = f"{stem[: _MOST_NAME - 20]}{dot}{ending[:16]}"
    kept = kept or "file"
    plain = unicodedata.normalize("NFKD", kept).encode("ascii", "ignore").decode()
    plain = "".join(char if char.isalnum() or char in " ._-()" else "_" for char in plain).strip(" .")
    return f"attachment; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(kept, safe='')}"


def _ranged(
    source: BinaryIO, size: int, headers: Mapping[str, str], sent: dict[str, str], content_type: str
) -> Response:
    # If-Range names a version, and there is none that could be named.
    wanted = None if "if-range" in headers else wanted_bytes(headers.get("range", ""), size)
    if wanted is None:
        sent["Content-Length"] = str(size)
        return _Streamed(_part(source, 0, size), 200, sent, content_type, source)
    start, end = wanted
    if start >= end:
        source.close()
        return Response(status_code=416, headers=sent | {"Content-Range": f"bytes */{size}"})
    sent |= {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
    return _Streamed(_part(source, start, end), 206, sent, content_type, source)


def _part(source: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    source.seek(start)
    left = end - start
    while left > 0:
        chunk = source.read(min(left, _CHUNK))
        if not chunk:
            raise OSError("the file has become shorter")
        left -= len(chunk)
        yield chunk


class _Streamed(StreamingResponse):
    """Streams in other threads; ends short if reading fails, so that nobody takes a part for the whole."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        status: int,
        headers: Mapping[str, str],
        content_type: str,
        source: BinaryIO | None = None,
    ) -> None:
        super().__init__(chunks, status, headers, content_type)
        self._chunks = chunks
        self._source = source

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with suppress(
            IbackupError, OSError
        ):  # without its last message, the server breaks the connection off
            async for chunk in self._until_end():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_end(self) -> AsyncIterator[bytes]:
        while (chunk := await run_in_threadpool(next, self._chunks, b"")) != b"":
            yield chunk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "HEAD":  # else everything would be read, to be thrown away
                await Response(status_code=self.status_code, headers=dict(self.headers))(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._end)

    def _end(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        if self._source is not None:
            self._source.close()
