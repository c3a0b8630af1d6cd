"""One entry in the table of pages: a method, an address, and the function that answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from ibackup.view.asked import Asked

Page = Callable[[Asked], Response]
"""Answers one request, in a thread of the server's pool."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a page is.

    Attributes:
        method: GET reads and changes nothing; POST changes something and has passed the check of its form token.
        path: as Starlette writes it: ``/phone/{phone}/photos``.
        page: answers.
        gives: a page that people read, or data: what pages show, send and listen to.
    """

    method: Literal["GET", "POST"]
    path: str
    page: Page
    gives: Literal["page", "data"] = "page"
