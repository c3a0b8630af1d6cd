"""The password of a backup: asked for in the place of the page that needs it, and forgotten on Lock."""

from starlette.responses import Response

from ibackup.base.errors import PasswordNeeded, PasswordWrong
from ibackup.view.asked import Asked
from ibackup.view.way import Way


def unlock_page(asked: Asked, error: PasswordNeeded, status: int) -> Response:
    """Ask for the password; the page that was wanted follows.

    Args:
        asked: the request that needed the password.
        error: why; PasswordWrong says that one was given and does not fit.
        status: of the answer: 200 in the place of a page, 403 in the place of what pages show and send.
    """
    wanted = asked.value("next") or asked.url
    wrong = error if isinstance(error, PasswordWrong) else None
    return asked.render("unlock.html", status, wanted=wanted, wrong=wrong, title="Unlock")


def unlock(asked: Asked) -> Response:
    """Try a password; the right one is kept in memory for this browser."""
    password = asked.value("password")
    if not password:
        raise PasswordNeeded("No password was typed.")
    asked.house.opened.unlock(asked.backup, asked.session, password)
    return asked.see(asked.value("next") or asked.link())


def lock(asked: Asked) -> Response:
    """Forget every password and close what they opened."""
    asked.session.lock()
    return asked.see("/")


WAYS = (Way("POST", "/phone/{phone}/unlock", unlock), Way("POST", "/lock", lock))
