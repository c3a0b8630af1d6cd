"""What the WebDAV face answers: properties as XML for programs, a folder as a page for browsers.

Requests' own XML is not read: every answer has all properties that there are, as a client may expect.
"""

import mimetypes
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from urllib.parse import quote

from ibackup.mount.mount_nodes import MountedFile, MountedNode

_LATEST = 253402300799  # seconds since 1970, the last that a date can have


def address(path: str, node: MountedNode) -> str:
    """A path as a link has it; a folder's ends with a slash."""
    quoted = quote(path, safe="/")
    return quoted if isinstance(node, MountedFile) or quoted.endswith("/") else f"{quoted}/"


def content_type(name: str) -> str:
    """What a browser does with a file of this name; texts of ours are UTF-8."""
    kind, _ = mimetypes.guess_type(name)
    if kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def modified_text(node: MountedNode) -> str:
    """When it was changed, as HTTP has it."""
    moment = datetime.fromtimestamp(min(max(node.modified, 0), _LATEST), UTC)
    return format_datetime(moment, usegmt=True)


def properties(nodes: Iterable[tuple[str, MountedNode]]) -> str:
    """The answer to PROPFIND.

    Args:
        nodes: each with its path.
    """
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">']
    for path, node in nodes:
        name = path.rstrip("/").rpartition("/")[2]
        if isinstance(node, MountedFile):
            kind = (
                f"<D:resourcetype/><D:getcontentlength>{node.size}</D:getcontentlength>"
                f"<D:getcontenttype>{escape(content_type(name))}</D:getcontenttype>"
            )
        else:
            kind = "<D:resourcetype><D:collection/></D:resourcetype>"
        parts.append(
            f"<D:response><D:href>{escape(address(path, node))}</D:href><D:propstat><D:prop>"
            f"<D:displayname>{escape(name)}</D:displayname>{kind}"
            f"<D:getlastmodified>{modified_text(node)}</D:getlastmodified><D:supportedlock/>"
            "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
    parts.append("</D:multistatus>\n")
    return "".join(parts)


def folder_page(path: str, children: Mapping[str, MountedNode]) -> str:
    """A folder for a browser."""
    title = escape(path.strip("/") or "ibackup")
    rows = [
        f'<li><a href="{escape(quote(path.rstrip("/").rpartition("/")[0] or "", safe="/"))}/">..</a></li>'
    ]
    for name, node in children.items():
        slash = "" if isinstance(node, MountedFile) else "/"
        href = address(f"{path.rstrip('/')}/{name}", node)
        size = f" ({node.size:,} bytes)" if isinstance(node, MountedFile) else ""
        rows.append(f'<li><a href="{escape(href)}">{escape(name)}{slash}</a>{size}</li>')
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><ul>{''.join(rows)}</ul></html>"
    )
