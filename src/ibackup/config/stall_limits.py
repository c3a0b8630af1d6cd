"""How long a phone may be silent: the one table of these limits, with the reason for each."""

from dataclasses import dataclass

from ibackup.config import value_kinds
from ibackup.config.config_keys import key

_MINUTE, _HOUR = 60.0, 3600.0


def _limit(name: str, default: float, text: str) -> float:
    return key(name, value_kinds.LIMIT, default, text, twin="none")


@dataclass(frozen=True, slots=True)
class Limits:
    """The ``[limits]`` table: how long a phone may be silent before ibackup gives up.

    A phone that is unplugged is noticed at once. Giving up too early means another passcode and a restart of the
    phone, so the limits are far longer than any wait seen on real phones.
    """

    # A phone that only has to answer does so within seconds, even when busy.
    answer_s: float = _limit("answer", _MINUTE, "The greeting before a backup, a restore or a change.")
    # One phone with a million files was silent for over an hour and then continued. Includes the passcode's half hour.
    scan_s: float = _limit(
        "scan", 4 * _HOUR, "While the phone scans its files, or makes space for a restore."
    )
    # Seen: five minutes before a manifest; over fifteen after a Manifest.db of 1.2 GB was sent back.
    message_s: float = _limit(
        "message", 2 * _HOUR, "Between two requests, and while the phone finishes a backup."
    )
    # The first batch took two minutes; a phone that looks for the next file in a large library takes longer.
    between_files_s: float = _limit("between_files", 30 * _MINUTE, "Between two files that the phone sends.")
    # Failing flash memory reads a file very slowly; nothing else stops a phone in the middle of a file.
    within_file_s: float = _limit("within_file", 10 * _MINUTE, "In the middle of a file or a message.")
    # A backup sends little back, but the phone may still be busy with the previous data.
    sending_s: float = _limit("sending", 15 * _MINUTE, "While the phone does not accept the data sent to it.")
    # In a restore a phone writes and encrypts hundreds of gigabytes.
    sending_restore_s: float = _limit("sending_restore", 30 * _MINUTE, "The same, during a restore.")
    # A phone that sends a byte a minute is never silent and never finishes. Longer than each wait it adds up.
    trickle_s: float = _limit(
        "trickle",
        2 * _HOUR,
        "Total waiting during which less than 1 MiB passed; at least as long as the four above.",
    )
    # lockdownd and the small services only answer requests; a phone under load took several seconds.
    lockdown_s: float = _limit("lockdown", 30.0, "Each answer from lockdown, including the TLS handshake.")
    service_s: float = _limit(
        "service", 30.0, "Each answer from a small service: sync lock, notifications, files."
    )
    # With hundreds of apps the list took over a minute; without it, a restore brings no apps back.
    apps_s: float = _limit("apps", 5 * _MINUTE, "The whole list of installed apps.")
    # Icons are only shown while a restore downloads the apps: not worth a longer wait.
    icons_s: float = _limit("icons", 30.0, "The icons of all apps.")
    # Not a limit, but related: unexplained waiting looks like a fault.
    say_every_s: float = _limit(
        "say_every",
        _MINUTE,
        "How often ibackup reports that the phone is silent, and for how long.",
    )
    least_bytes: int = 1 << 20  # see trickle_s

    @property
    def flaw(self) -> tuple[str, str] | None:
        """The key that contradicts another, and how; None if all agree."""
        counted = max(self.between_files_s, self.within_file_s, self.sending_s, self.sending_restore_s)
        if self.trickle_s < counted:
            return (
                "trickle",
                "is shorter than between_files, within_file, sending or sending_restore, which it includes",
            )
        return None
