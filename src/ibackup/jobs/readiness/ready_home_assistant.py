"""Whether the MQTT broker of the config file answers, so that Home Assistant hears of the backups."""

from collections.abc import Iterator

from ibackup.config.mqtt_config import MqttConfig
from ibackup.jobs.home_assistant.mqtt_link import MqttLink
from ibackup.jobs.readiness.check_result import ComputerCheck

_NAME = "Home Assistant"


def home_assistant(mqtt: MqttConfig | None) -> Iterator[ComputerCheck]:
    """Connect to the broker and leave again; nothing without ``[mqtt]``. It takes at most ten seconds."""
    if mqtt is None:
        return
    with MqttLink(mqtt) as link:
        why = link.settle()
    if why:
        text = f"The MQTT broker {mqtt.host} cannot be used: {why}. Backups run without it."
        yield ComputerCheck(_NAME, "advice", text)
        return
    how = "" if mqtt.encrypts else ", unencrypted" if mqtt.is_open else " on this computer"
    yield ComputerCheck(_NAME, "good", f"The MQTT broker {mqtt.host} answers{how}.")
