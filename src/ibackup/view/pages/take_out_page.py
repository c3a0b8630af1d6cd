"""Take out what is in a backup: as readable files, into a folder of this computer."""

import os
import re
import time
from pathlib import Path

from starlette.responses import Response

from ibackup.base.errors import UsageError
from ibackup.export.kinds import KINDS
from ibackup.view import ordering, words
from ibackup.view.asked import Asked
from ibackup.view.home.home_state import home_state
from ibackup.view.running.job_order import ExportWork
from ibackup.view.way import Way

_LONGEST = 1000
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]+')


def take_out(asked: Asked) -> Response:
    """What to take out, and where to."""
    return _page(asked)


def begin(asked: Asked) -> Response:
    """Start the job; the page shows how far it is."""
    folder = asked.value("folder").strip()[:_LONGEST]
    known = [each.name for each in KINDS]
    kinds = tuple(each for each in known if each in asked.form.get("kind", ()))
    try:
        work = _work(asked, folder, kinds)
    except UsageError as error:
        return _page(asked, folder=folder, kinds=kinds, error=error, status=400)
    with asked.open():  # asks for the password now, and not when the job has begun
        pass
    ordering.start(asked, work)
    return asked.see(asked.link("take-out"))


def _work(asked: Asked, folder: str, kinds: tuple[str, ...]) -> ExportWork:
    """The job that the form asks for. Raises UsageError."""
    if not kinds:
        raise UsageError("Nothing is chosen.", hint="Choose at least one kind.")
    newest = asked.phone.newest
    later = newest.id if asked.value("gone") and asked.is_past and newest else ""
    return ExportWork(
        to=_folder(folder), snapshot=asked.backup.id, kinds=kinds, jpeg=bool(asked.value("jpeg")), later=later
    )


def _page(
    asked: Asked,
    *,
    folder: str = "",
    kinds: tuple[str, ...] | None = None,
    error: UsageError | None = None,
    status: int = 200,
) -> Response:
    return asked.render(
        "take_out.html",
        status,
        title="Take out",
        page="",
        chosen=asked.backup,
        kinds=[(each.name, each.title) for each in KINDS],
        wanted=kinds if kinds is not None else tuple(each.name for each in KINDS),
        folder=folder or _proposed(asked),
        error=error,
        is_past=asked.is_past,
        card=home_state(asked.house).card(asked.phone.slug),
        now=time.time(),
    )


def _proposed(asked: Asked) -> str:
    """A folder that is the person's own and says whose and from when it is."""
    made = asked.backup.made
    name = f"{asked.phone.name} {words.machine_time(made.astimezone().date())}" if made else asked.phone.name
    return str(Path.home() / "ibackup" / _NOT_IN_NAMES.sub(" ", name).strip(" ."))


def _folder(text: str) -> str:
    """The folder as a path. Raises UsageError if it may mean another one in another program."""
    path = os.path.expanduser(text)
    if not text or "\0" in text or not os.path.isabs(path):
        raise UsageError(
            "This is not a complete path of a folder.",
            hint="Write it from the top, or begin it with ~ for your own folder.",
        )
    return path


WAYS = (
    Way("GET", "/phone/{phone}/take-out", take_out),
    Way("POST", "/phone/{phone}/take-out", begin),
)
