"""A test message to every address of the config file, which says where it arrived."""

from collections.abc import Callable
from dataclasses import dataclass

from ibackup.config.config_schema import ALARMS, NotifyConfig
from ibackup.jobs.nights.telling import desktop, heartbeat, message_texts, push


@dataclass(frozen=True, slots=True)
class TriedAddress:
    """An address by its place in the config file and its kind, since the address itself is a secret.

    Attributes:
        where: "urls, no. 2".
        kind: the beginning of the address: "ntfys".
        problem: why it did not accept the message; empty if it did.
    """

    where: str
    kind: str
    problem: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a test message arrived.

    Attributes:
        addresses: all that the config file has.
        wants_screen: whether messages are shown on this computer's screen.
        unshown: why that is not possible; empty if it is.
    """

    addresses: tuple[TriedAddress, ...]
    wants_screen: bool
    unshown: str

    @property
    def failed(self) -> tuple[TriedAddress, ...]:
        """The addresses that did not accept it."""
        return tuple(each for each in self.addresses if each.problem)


def try_all(config: NotifyConfig, tried: Callable[[TriedAddress], object] = lambda _: None) -> Trial:
    """Send a test message everywhere; this takes as long as the slowest address.

    Args:
        config: has the addresses.
        tried: called with each, as soon as it answered.
    """
    message = message_texts.trial()
    found: list[TriedAddress] = []

    def took(where: str, kind: str, problem: str) -> None:
        found.append(TriedAddress(where, kind, problem))
        tried(found[-1])

    for where, number, url in _addresses(config):
        took(f"{where}, no. {number}", url.partition("://")[0], push.send(message, [url]))
    if config.heartbeat_url:
        took("heartbeat_url", "heartbeat", heartbeat.ping(config.heartbeat_url, "log", message.text))
    unshown = desktop.show(message) if config.desktop else ""
    return Trial(tuple(found), config.desktop, unshown)


def _addresses(config: NotifyConfig) -> list[tuple[str, int, str]]:
    """Every address once: its key, its number there, and the address itself."""
    found: dict[str, tuple[str, int, str]] = {}
    for name in ("urls", *ALARMS):
        for number, url in enumerate(getattr(config, name) or (), 1):
            found.setdefault(url, (name, number, url))
    return list(found.values())
