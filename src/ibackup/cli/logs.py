"""The log: ``--log-file FILE`` and ``-v``, with what identifies a phone or its owner taken out.

Secrets never reach a logger at all; this filter is for identities, and the second line of defence.
"""

import logging
import os
import re
import sys
import time

_PATTERNS = [
    # UDIDs: 8-16 since 2018, 40 hex before; also below a folder name.
    (re.compile(r"\b[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{16}\b"), "<udid>"),
    (re.compile(r"\b[0-9a-fA-F]{40}\b"), "<id>"),
    # Phone numbers, IMEI, ICCID.
    (re.compile(r"\+\d[\d ()-]{6,}\d"), "<number>"),
    (re.compile(r"\b\d{14,20}\b"), "<number>"),
]
_known: set[str] = set()


def redact_value(value: str | None) -> None:
    """Have one value (a serial number, a device name) taken out of every later line."""
    if value and len(value) >= 4:
        _known.add(value)


def redacted(text: str) -> str:
    """The text without what identifies a phone or its owner."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, "<redacted>")
    for pattern, name in _PATTERNS:
        text = pattern.sub(name, text)
    return text


class _Formatter(logging.Formatter):
    def __init__(self, *, redact: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._redact = redact

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return redacted(text) if self._redact else text


def start_log(file: str | None, *, verbose: bool, redact: bool) -> logging.Handler:
    """Begin to log; the file is made for its owner alone.

    Raises:
        UsageError: the file cannot be written.
    """
    from ibackup.errors import UsageError

    handler: logging.Handler
    if file:
        try:
            path = os.path.expanduser(file)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
            handler = logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"The log file {file} cannot be written: {error.strerror}.") from None
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(redact=redact))
    logger = logging.getLogger("ibackup")
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    return handler
