"""Home: is everybody safe?"""

from starlette.responses import Response

from ibackup.view.asked import Asked
from ibackup.view.way import Way


def home(asked: Asked) -> Response:
    """Every phone in a sentence."""
    return asked.render("home.html", phones=asked.phones, page="home")


WAYS = (Way("GET", "/", home),)
