"""Backup encryption of a phone: switched on or off, or its password changed, while the phone is connected."""

from starlette.responses import Response

from ibackup.base.errors import UsageError
from ibackup.base.settings_paths import SettingsPlace
from ibackup.view.asked import Asked
from ibackup.view.home.home_state import home_state
from ibackup.view.new_password import problem_with
from ibackup.view.ordering import start_for
from ibackup.view.running.job_order import EncryptionWork
from ibackup.view.way import Way


def encryption(asked: Asked) -> Response:
    """What the phone says, and what can be changed."""
    return _page(asked)


def switch_on(asked: Asked) -> Response:
    """Have the phone encrypt its backups from now on."""
    problem = problem_with(asked.value("new"), asked.value("again"))
    return _start(asked, EncryptionWork("on", new=asked.value("new"), keep=_keeps(asked)), problem)


def change(asked: Asked) -> Response:
    """Give the phone another backup password."""
    problem = "" if asked.value("old") else "Type the present backup password."
    problem = problem or problem_with(asked.value("new"), asked.value("again"))
    work = EncryptionWork("change", old=asked.value("old"), new=asked.value("new"), keep=_keeps(asked))
    return _start(asked, work, problem)


def switch_off(asked: Asked) -> Response:
    """Have the phone make plain backups from now on."""
    problem = "" if asked.value("old") else "Type the present backup password."
    return _start(asked, EncryptionWork("off", old=asked.value("old")), problem)


def _keeps(asked: Asked) -> bool:
    return bool(asked.value("keep_password"))


def _start(asked: Asked, work: EncryptionWork, problem: str) -> Response:
    if problem:
        return _page(asked, UsageError(problem))
    start_for(asked, asked.phone.udid, work)
    return asked.see(f"/run/{asked.phone.slug}")


def _page(asked: Asked, error: UsageError | None = None) -> Response:
    return asked.render(
        "encryption.html",
        422 if error else 200,
        title="Encryption",
        page="encryption",
        card=home_state(asked.house).card(asked.phone.slug),
        error=error,
        reset=SettingsPlace.RESET_ALL.path(asked.phone.ios_version or None),
    )


WAYS = (
    Way("GET", "/phone/{phone}/encryption", encryption),
    Way("POST", "/phone/{phone}/encryption/on", switch_on),
    Way("POST", "/phone/{phone}/encryption/change", change),
    Way("POST", "/phone/{phone}/encryption/off", switch_off),
)
