"""What ``ibackup setup`` asks and does about Wi-Fi."""

from typing import TYPE_CHECKING

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Note
from ibackup.cli.shell.application import App
from ibackup.cli.shell.option_questions import Asker

if TYPE_CHECKING:
    from ibackup.device.lockdown.phone_facts import PhoneFacts


def is_wanted(ask: Asker, facts: "PhoneFacts", given: bool | None) -> bool:
    """Whether to set the phone up for Wi-Fi; one that is already is not asked about."""
    from ibackup.store.kept_pairings import KeptPairings

    if given is None and (not ask.app.asks or KeptPairings().of(facts.udid) is not None):
        return False  # an experiment that nobody asked for must not keep a script from setting things up
    return ask.confirm(
        f"Back up this {facts.noun} over Wi-Fi too, when it is not plugged in? This is experimental.",
        given,
        "--wifi or --no-wifi",
        proposal=False,
    )


def switch(app: App, udid: str, patience: float) -> bool:
    """Set the phone up; whether that succeeded. Backups by cable matter more, so a failure is only a warning."""
    from ibackup.cli.shell.vouching import vouching
    from ibackup.jobs.phone_to_open import PhoneToOpen
    from ibackup.jobs.wifi.wifi_switch import switch_on

    wanted = PhoneToOpen(
        udid=udid,
        patience=patience,
        limits=app.config.limits,
        store=app.store_if_there(),
        vouches=vouching(app),
    )
    try:
        switch_on(wanted, app.reporter)
    except IbackupError as error:
        app.reporter(
            Caution(
                f"The phone was not set up for Wi-Fi. {error.message}",
                f"{error.hint} Later: `ibackup wifi on`.",
            )
        )
        return False
    app.reporter(Note("The phone can be backed up over Wi-Fi too, when it is awake and in the same network."))
    return True
