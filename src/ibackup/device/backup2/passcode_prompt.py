"""Announces that the phone asks for its passcode, and that the prompt is gone."""

import time
from typing import Literal

from ibackup.base.events import Observer, Prompt, PromptDone

Purpose = Literal["backup", "restore", "setting"]

_TEXTS: dict[Purpose, str] = {
    "backup": "Enter the passcode on the {noun} to start the backup.",
    "restore": "Enter the passcode on the {noun} to start the restore.",
    "setting": "Enter the {noun}'s own passcode on the {noun} to allow this.",  # not the backup password
}


class PasscodePrompt:
    """The passcode prompt on a phone's screen during one session.

    Args:
        observer: gets both events.
        noun: what messages call the phone.
        purpose: what the passcode is for.

    Attributes:
        announced: whether a prompt was announced.
        stands: whether a prompt is on the screen, as far as the phone has said.
        lasted_s: for how many seconds the last prompt was on the screen; 0 if there was none.
    """

    def __init__(self, observer: Observer, noun: str, purpose: Purpose) -> None:
        self._observer = observer
        self._text = _TEXTS[purpose].format(noun=noun)
        self._since = 0.0
        self.announced = False
        self.stands = False
        self.lasted_s = 0.0

    def announce(self) -> None:
        """Announce that the phone waits for its passcode, and why."""
        self.announced = self.stands = True
        self._since = time.monotonic()
        self._observer(Prompt("passcode", self._text))

    def withdraw(self) -> None:
        """Announce that the prompt is gone from the screen, whether anyone answered it or not."""
        self.stands = False
        # A prompt that was gone before it was announced was still on the screen.
        self.lasted_s = max(time.monotonic() - self._since, 0.001)
        self._observer(PromptDone("passcode"))
