"""Addresses that may contain a password, as they may be shown."""

import re

_SECRET = re.compile(r"(//[^/@:\s]*):[^/@\s]*@")
# As in rclone's :sftp,host=nas,pass=…:/path
_OPTION = re.compile(r"(,\w*(?:pass|secret|token|key)\w*=)(?:\"[^\"]*\"|'[^']*'|[^,:\s]*)")


def masked(text: str) -> str:
    """A text with the passwords of the addresses in it made unreadable: ``rest:https://ann:***@host/``."""
    return _OPTION.sub(r"\1***", _SECRET.sub(r"\1:***@", text))
