"""Pages from templates: everything is escaped, and nothing that a template forgets goes unnoticed."""

import hashlib
from functools import cache
from importlib import resources

import jinja2

from ibackup import __version__
from ibackup.view import known_nights, words


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("ibackup.view"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= words.FILTERS
    made.globals |= {"static": static_address, "version": __version__, "thread_of": known_nights.thread_of}
    return made


def page(template: str, **values: object) -> str:
    """A page, or a part of one.

    Args:
        template: a file in ``templates``; pages extend ``frame.html``.
        values: what it shows. ``Asked.render`` adds what every page needs.
    """
    return _environment().get_template(template).render(values)


@cache
def static_files() -> dict[str, bytes]:
    """The files beside the pages, by name: style sheets, scripts, pictures of ours."""
    folder = resources.files("ibackup.view").joinpath("static")
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


@cache
def static_mark() -> str:
    """Changes with any of these files, so that browsers may keep them."""
    whole = hashlib.sha256()
    for name, data in sorted(static_files().items()):
        whole.update(name.encode() + b"\0" + data)
    return whole.hexdigest()[:16]


def static_address(name: str) -> str:
    """Where one of these files is."""
    if name not in static_files():
        raise KeyError(name)
    return f"/static/{name}?v={static_mark()}"
