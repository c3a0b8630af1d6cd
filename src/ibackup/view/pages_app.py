"""The server's application: each address to its page, and each error to words."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ibackup.base.errors import DamageFound, IbackupError, NotABackup, PasswordNeeded
from ibackup.base.exit_codes import ExitCode
from ibackup.view.asked import Asked
from ibackup.view.first_readings import StillReading
from ibackup.view.guard.request_guard import FORM, SESSION
from ibackup.view.house import House
from ibackup.view.not_shown import NotShown
from ibackup.view.pages.unlock_page import unlock_page
from ibackup.view.routes import ways
from ibackup.view.way import Page, Way

_log = logging.getLogger("ibackup")
_STATUS = {
    ExitCode.USAGE: 400,
    ExitCode.BUSY: 409,
    ExitCode.STORE_MISSING: 503,
    ExitCode.NO_PHONE: 409,
    ExitCode.PERSON_NEEDED: 409,
}
"""What HTTP calls an error; scripts of a page look at it, people read the words."""


def application(house: House) -> Starlette:
    """The application, without the guard around it."""
    return Starlette(
        routes=[Route(way.path, _endpoint(house, way), methods=[way.method]) for way in ways()],
        exception_handlers={HTTPException: _no_such_page(house)},
    )


def _endpoint(house: House, way: Way) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, _asked(house, request, way.gives), way.page)

    return endpoint


def _no_such_page(house: House) -> Callable[[Request, Exception], Awaitable[Response]]:
    def page(asked: Asked) -> Response:  # noqa: ARG001 - as all pages
        raise NotShown("There is no page at this address.", hint="Home shows every phone.")

    async def handle(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = await run_in_threadpool(answer, _asked(house, request), page)
        response.status_code = status
        return response

    return handle


def _asked(house: House, request: Request, gives: str = "page") -> Asked:
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.url.query, max_num_fields=200, errors="replace"):
        query.setdefault(name, value)
    return Asked(
        house,
        request.scope[SESSION],
        request.url.path,
        path={name: str(value) for name, value in request.path_params.items()},
        query=query,
        form=request.scope.get(FORM, {}),
        headers=dict(request.headers),
        is_page=gives == "page",
    )


def answer(asked: Asked, page: Page) -> Response:
    """What a page answers, or why it cannot. The page that asks for a password is a refusal in the place of data."""
    try:
        return page(asked)
    except PasswordNeeded as error:
        return unlock_page(asked, error, 200 if asked.is_page else 403)
    except StillReading as waiting:
        return asked.render("reading.html", reading=waiting, page=waiting.page, title=waiting.what)
    except (DamageFound, NotABackup) as error:
        return _damaged(asked, error)
    except IbackupError as error:
        return _told(asked, error)
    except Exception:  # noqa: BLE001 - whatever it is, the person needs a page
        _log.debug("the page %s failed", asked.address.split("/")[-1], exc_info=True)
        return _told(
            asked,
            IbackupError(
                "Something in ibackup failed on this page.",
                why="Your backups are not affected: this page only reads them.",
                hint="Go back and try again. `ibackup open -v` writes the reason to the terminal.",
            ),
        )


def _damaged(asked: Asked, error: IbackupError) -> Response:
    """What is damaged, in place of a page of a backup, and where it is read again."""
    if not asked.is_page or "phone" not in asked.path:
        return _told(asked, error)
    try:
        backup = asked.backup
    except IbackupError:
        return _told(asked, error)
    told = IbackupError(
        error.what,
        why=error.why,
        hint="Read it again to know how much is damaged. Another backup of the timeline may have it whole.",
    )
    return asked.render("trouble.html", error=told, title=error.what, damaged=backup)


def _told(asked: Asked, error: IbackupError) -> Response:
    status = 404 if isinstance(error, NotShown) else _STATUS.get(error.exit_code, 500)
    # The phone may be what is not there, and then there is nothing to frame the page with.
    bare = Asked(asked.house, asked.session, asked.address)
    return bare.render("trouble.html", status, error=error, title=error.what, damaged=None)
