"""HTML pages that open anywhere: one file each, no script, nothing from the network, everything escaped.

What the texts of a backup say comes from strangers. Templates escape it, and each page carries a
Content-Security-Policy that allows its own style and the pictures, films and sounds beside it.
"""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

_TEMPLATES = "templates"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ibackup.export", _TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def style() -> str:
    """The style of every page."""
    return (
        resources.files("ibackup.export")
        .joinpath(_TEMPLATES, "export.css")
        .read_text(encoding="utf-8")
        .strip()
    )


@cache
def policy() -> str:
    """The Content-Security-Policy of every page."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    beside = "'self' file:"  # a page on a disk is not the origin of what is beside it
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src {beside}; media-src {beside}; "
        "base-uri 'none'; form-action 'none'"
    )


def page(template: str, **values: object) -> Iterator[str]:
    """A page in pieces, so that a long one needs little memory.

    Args:
        template: the name of a file in ``templates``; it extends ``page.html``.
        values: what the template shows; iterators are read as the page is made.
    """
    own = escaped_already(style())
    return _environment().get_template(template).generate(style=own, policy=policy(), **values)


def escaped_already(text: str) -> Markup:
    """A text that a template takes as it is: our own HTML, in which everything from a backup is escaped."""
    return Markup(text)  # noqa: S704 - its callers escape
