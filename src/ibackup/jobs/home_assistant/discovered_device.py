"""One phone as a device of Home Assistant: its topics, and the JSON of MQTT discovery.

The form is Home Assistant's "device discovery": one retained message names the device, where it comes from, and its
entities. Topics contain no name and no UDID, since every user of the broker sees them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ibackup import __version__
from ibackup.base.udids import plain_udid
from ibackup.jobs.overview.store_overview import Overview, PhoneStatus

PRESS = "PRESS"
ONLINE, OFFLINE = "online", "offline"
_BASE = "ibackup"
_ID_LENGTH = 16
_LONGEST_NAME = 64
_LONGEST_STATE = 255  # characters; Home Assistant refuses longer ones

Payload = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DiscoveredDevice:
    """A phone, as backed up to one store, in Home Assistant.

    Attributes:
        store_id: two stores have a device each, since their backups differ.
        udid: the phone's; only a hash leaves this computer.
    """

    store_id: str
    udid: str

    @property
    def id(self) -> str:
        """What Home Assistant knows it by."""
        return f"{_BASE}_{_hashed(self.store_id, plain_udid(self.udid))}"

    @property
    def state_topic(self) -> str:
        """Where the facts are: one JSON object."""
        return f"{_BASE}/{self.id}/state"

    @property
    def result_topic(self) -> str:
        """Where the newest result is: a sentence."""
        return f"{_BASE}/{self.id}/result"

    @property
    def button_topic(self) -> str:
        """Where the button's presses come from."""
        return f"{_BASE}/{self.id}/back_up"

    def discovery_topic(self, prefix: str) -> str:
        """Where Home Assistant looks for the device."""
        return f"{prefix}/device/{self.id}/config"

    def discovery(self, name: str) -> str:
        """The message that makes the device.

        Args:
            name: the phone's, which may be anything.
        """
        timestamp = {"device_class": "timestamp"}
        problem = {"device_class": "problem", "payload_on": "on", "payload_off": "off"}
        entities = {
            "newest_good": self._sensor("newest_good", "Newest good backup", timestamp),
            "proven": self._sensor("proven", "Proven", timestamp),
            "stale": self._sensor("stale", "Backup too old", problem, platform="binary_sensor"),
            "damage": self._sensor("damage", "Backup damaged", problem, platform="binary_sensor"),
            "room_left": self._sensor(
                "room_left",
                "Space left",
                {"device_class": "data_size", "unit_of_measurement": "GB", "state_class": "measurement"},
            ),
            "enough_for": self._sensor(
                "enough_for", "Space left for about", {"device_class": "duration", "unit_of_measurement": "d"}
            ),
            "result": {
                "platform": "sensor",
                "unique_id": f"{self.id}_result",
                "name": "Last result",
                "icon": "mdi:cellphone-arrow-down",
                "state_topic": self.result_topic,
            },
            "back_up": {
                "platform": "button",
                "unique_id": f"{self.id}_back_up",
                "name": "Back up now",
                "icon": "mdi:cellphone-arrow-down",
                "command_topic": self.button_topic,
                "payload_press": PRESS,
                "retain": False,
                "availability": [
                    {
                        "topic": watch_topic(self.store_id),
                        "payload_available": ONLINE,
                        "payload_not_available": OFFLINE,
                    }
                ],
            },
        }
        payload: Payload = {
            "device": {
                "identifiers": [self.id],
                "name": f"{_plain(name, _LONGEST_NAME) or 'iPhone'} backup",
                "manufacturer": "ibackup",
            },
            "origin": {"name": "ibackup", "sw_version": __version__},
            "components": entities,
            "qos": 1,
        }
        return json.dumps(payload)

    def state(self, phone: PhoneStatus, overview: Overview) -> str:
        """The facts about it: what `ibackup status` says."""
        facts: Payload = {
            "newest_good": _moment(phone.made),
            "proven": _moment(phone.proof.when if phone.proof else None),
            "stale": "on" if phone.is_stale else "off",
            "damage": "on" if phone.damage else "off",
            "room_left": round(overview.free_bytes / 10**9, 1),
            "enough_for": None if overview.enough_for is None else overview.enough_for // timedelta(days=1),
        }
        return json.dumps(facts)

    def _sensor(self, key: str, name: str, more: Payload, *, platform: str = "sensor") -> Payload:
        # A missing value arrives as "None", which Home Assistant shows as unknown.
        return {
            "platform": platform,
            "unique_id": f"{self.id}_{key}",
            "name": name,
            "state_topic": self.state_topic,
            "value_template": f"{{{{ value_json.{key} }}}}",
            **more,
        }


def watch_topic(store_id: str) -> str:
    """Where it is said whether `ibackup watch` hears the buttons of a store's phones."""
    return f"{_BASE}/{_hashed(store_id, '')}/watch"


def shown_result(text: str) -> str:
    """A result as Home Assistant can show it: one line, not too long."""
    return _plain(text, _LONGEST_STATE)


def _plain(text: str, longest: int) -> str:
    """One line without control characters."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _hashed(store_id: str, udid: str) -> str:
    return hashlib.sha256(f"{_BASE} {store_id} {udid}".encode()).hexdigest()[:_ID_LENGTH]
