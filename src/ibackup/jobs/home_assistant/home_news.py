"""What Home Assistant hears of the backups, and when: after each run, and while `ibackup watch` runs."""

import contextlib
import os
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Observer
from ibackup.config.config_schema import Config
from ibackup.config.mqtt_config import MqttConfig
from ibackup.jobs.home_assistant.discovered_device import (
    OFFLINE,
    ONLINE,
    PRESS,
    DiscoveredDevice,
    shown_result,
    watch_topic,
)
from ibackup.jobs.home_assistant.mqtt_link import MqttLink
from ibackup.jobs.overview.store_overview import look
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store

_unheard: set[MqttConfig] = set()
"""Brokers that did not answer in this program: later runs in it do not wait for them again."""


def _look(config: Config, mqtt: MqttConfig, store: Store) -> tuple[dict[str, str], dict[str, str]]:
    """The retained messages about every phone of a store, and the UDIDs of the phones, by topic.

    Raises:
        IbackupError: the store cannot be read.
    """
    overview = look(store, config, datetime.now(UTC))
    texts: dict[str, str] = {}
    buttons: dict[str, str] = {}
    for phone in overview.phones:
        if not config.ignores(phone.udid):
            device = DiscoveredDevice(store.id, phone.udid)
            texts[device.discovery_topic(mqtt.discovery_prefix)] = device.discovery(phone.name)
            texts[device.state_topic] = device.state(phone, overview)
            buttons[device.button_topic] = phone.udid
    return texts, buttons


def tell_once(config: Config, observe: Observer, *, store: Store | str, results: Mapping[str, str]) -> None:
    """Tell Home Assistant after a run how the backups are; does nothing without ``[mqtt]``.

    It takes at most ten seconds, and never fails: trouble is a warning.

    Args:
        config: names the broker.
        observe: gets the warning.
        store: the store, or the path of one that cannot be opened: then only the results are told.
        results: what to say about phones, by UDID.
    """
    mqtt = config.mqtt
    if mqtt is None or mqtt in _unheard:
        return
    try:
        texts = _look(config, mqtt, store)[0] if isinstance(store, Store) else {}
    except IbackupError:
        texts = {}  # the run itself has reported it
    store_id = store.id if isinstance(store, Store) else _id_of(store)
    if store_id is not None:
        texts |= _results(store_id, results)
    if not texts:
        return
    with MqttLink(mqtt) as link:
        link.put(texts)
        why = link.settle()
    if why:
        _unheard.add(mqtt)
        observe(_unreached(mqtt, why))


class HomeNews(Closeable):
    """Home Assistant's ear and button while `ibackup watch` runs; without ``[mqtt]`` it does nothing.

    Args:
        config: names the broker.
        observe: gets one warning for each time that the broker is away.
    """

    def __init__(self, config: Config, observe: Observer) -> None:
        self._config = config
        self._observe = observe
        self._link: MqttLink | None = None
        self._watch = ""
        self._udids: dict[str, str] = {}
        self._results: dict[str, str] = {}
        self._pressed: set[str] = set()
        self._lock = threading.Lock()
        self._is_warned = False
        self.is_news = False
        self.bell: socket.socket | None = None
        self._rope: socket.socket | None = None
        if config.mqtt is not None:
            self.bell, self._rope = socket.socketpair()
            self.bell.setblocking(False)
            self._rope.setblocking(False)

    def note(self, udid: str, text: str) -> None:
        """What to say about a phone from the next ``tell`` on."""
        self._results[udid] = text
        self.is_news = True

    def tell(self, store: Store) -> None:
        """Say how the backups are now; returns at once. Only what has changed is sent."""
        self.is_news = False
        mqtt = self._config.mqtt
        if mqtt is None:
            return
        try:
            texts, buttons = _look(self._config, mqtt, store)
        except IbackupError:
            return  # the turns report it
        if self._watch and self._watch != watch_topic(store.id):
            self._hang_up()  # another store is mounted now
        if self._link is None:
            self._watch = watch_topic(store.id)
            self._link = MqttLink(mqtt, will=(self._watch, OFFLINE), heard=self._hear)
        with self._lock:
            self._udids = buttons
        self._link.listen(buttons)
        self._link.put({**texts, **_results(store.id, self._results), self._watch: ONLINE})
        self._warn(mqtt, self._link.problem)

    def pressed(self) -> frozenset[str]:
        """The UDIDs of the phones whose button was pressed since the last call."""
        with self._lock:
            found, self._pressed = frozenset(self._pressed), set()
        if self.bell is not None:
            try:
                while self.bell.recv(4096):
                    pass
            except BlockingIOError:
                pass
        return found

    def close(self) -> None:
        """Say that nobody hears the buttons any more."""
        self._hang_up()
        for each in (self.bell, self._rope):
            if each is not None:
                each.close()

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.put({self._watch: OFFLINE})
            if not self._link.problem:
                self._link.settle(2.0)
            self._link.close()
            self._link = None

    def _hear(self, topic: str, text: bytes) -> None:
        if text != PRESS.encode():
            return
        with self._lock:
            udid = self._udids.get(topic)
            if udid is None:
                return
            self._pressed.add(udid)
        if self._rope is not None:
            with contextlib.suppress(OSError):  # it rings already, or the watch ends
                self._rope.send(b".")

    def _warn(self, mqtt: MqttConfig, why: str) -> None:
        if why and not self._is_warned:
            self._observe(_unreached(mqtt, why))
        self._is_warned = bool(why)


def _results(store_id: str, results: Mapping[str, str]) -> dict[str, str]:
    return {
        DiscoveredDevice(store_id, udid).result_topic: shown_result(text) for udid, text in results.items()
    }


def _id_of(path: str) -> str | None:
    """The id of the store that was last used at a path."""
    return next(reversed(KnownStores().at(os.path.realpath(path))), None)


def _unreached(mqtt: MqttConfig, why: str) -> Caution:
    return Caution(
        f"Home Assistant does not hear of the backups: the MQTT broker {mqtt.host} cannot be used: {why}.",
        "The backups themselves need no broker. `ibackup setup --check` tries it again.",
    )
