"""Home Assistant hears how the backups are, and its button starts one: a real broker, the real programs."""

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.base.events import Caution, Event
from ibackup.config.config_schema import Config
from ibackup.config.mqtt_config import MqttConfig
from ibackup.jobs.home_assistant.discovered_device import DiscoveredDevice, shown_result
from ibackup.jobs.home_assistant.home_news import tell_once
from ibackup.jobs.home_assistant.mqtt_link import MqttLink
from ibackup.store.records.used_stores import KnownStores
from support.mqtt_broker import SECRET, Broker, HomeAssistant, the_device
from support.program import Program, programs
from support.runs import SMALL

# What Home Assistant's documentation of MQTT (discovery by device, sensor, binary sensor, button) requires and knows.
REQUIRED = {
    "sensor": {"platform", "unique_id", "state_topic"},
    "binary_sensor": {"platform", "unique_id", "state_topic"},
    "button": {"platform", "unique_id", "command_topic"},
}
KNOWN = {
    "sensor": {"name", "icon", "device_class", "unit_of_measurement", "state_class", "value_template"},
    "binary_sensor": {"name", "device_class", "payload_on", "payload_off", "value_template"},
    "button": {"name", "icon", "payload_press", "retain", "availability"},
}
CLASSES = {"timestamp": None, "data_size": "GB", "duration": "d", "problem": None, None: None}


def assert_home_assistant_takes(topic: str, payload: dict[str, object]) -> None:
    prefix, kind, object_id, last = topic.split("/")
    assert (prefix, kind, last) == ("homeassistant", "device", "config")
    assert object_id.replace("_", "").isalnum()
    device, origin, components = payload["device"], payload["origin"], payload["components"]
    assert isinstance(device, dict)
    assert device["identifiers"]
    assert isinstance(origin, dict)
    assert origin["name"] == "ibackup"
    assert isinstance(components, dict)
    ids = [each["unique_id"] for each in components.values()]
    assert len(set(ids)) == len(ids) == 8
    for each in components.values():
        platform = each["platform"]
        assert REQUIRED[platform] <= set(each) <= REQUIRED[platform] | KNOWN[platform]
        assert each.get("unit_of_measurement") == CLASSES[each.get("device_class")]
        assert "{{ value_json." in each.get("value_template", "{{ value_json.")


@pytest.mark.peer
@pytest.mark.slow
def test_home_assistant_sees_each_run_and_its_button_backs_up(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    broker = Broker(tmp_path / "broker", require_tool("mosquitto"))
    with programs(tmp_path) as make, broker:
        program = make(SMALL)
        config = tmp_path / "config.toml"
        config.write_text(f'[[phones]]\nname = "ann"\nudid = "{SMALL.udid}"\n{broker.table}')
        home = HomeAssistant(broker)
        try:
            _look_at_a_life(program, broker, home, "--config", str(config))
        finally:
            home.close()
        for log in (tmp_path / "state").glob("*.log"):
            assert SECRET not in log.read_text(encoding="utf-8")


def _look_at_a_life(program: Program, broker: Broker, home: HomeAssistant, *config: str) -> None:
    program.run("now", *config)
    texts = home.wait(lambda heard: any(topic.endswith("/result") for topic in heard))
    topic, payload = the_device(texts)
    assert_home_assistant_takes(topic, payload)
    assert SMALL.udid not in str(texts)
    device = topic.split("/")[2]
    state = json.loads(texts[f"ibackup/{device}/state"])
    newest = datetime.fromisoformat(state["newest_good"])
    assert abs((datetime.now(UTC) - newest).total_seconds()) < 3600
    assert (state["stale"], state["damage"], state["enough_for"]) == ("off", "off", None)
    assert texts[f"ibackup/{device}/result"] == f"Backed up. Snapshot {program.snapshots[-1].name}."

    # A retained press, as a wrong automation leaves it, is no press.
    button = f"ibackup/{device}/back_up"
    home.press(button, retain=True)
    watching = program.start("watch", "--no-power", "--json", *config)
    watch = next(iter(payload["components"]["back_up"]["availability"]))["topic"]  # type: ignore[index]
    home.wait(lambda heard: heard.get(watch) == "online")
    assert len(program.snapshots) == 1

    # The broker forgets everything and comes back: all of it is said again.
    broker.stop()
    home.forget()
    broker.start()
    home.wait(lambda heard: heard.get(watch) == "online" and topic in heard)
    home.press(button)
    home.press(button)
    home.wait(lambda heard: "backed up" in heard.get(f"ibackup/{device}/result", ""))
    assert len(program.snapshots) == 2
    assert home.texts[topic] == json.dumps(payload)
    home.press(button)  # too soon: a stuck button keeps no phone busy

    assert watching.stdout is not None
    for line in watching.stdout:
        if "that is too soon" in line:
            break
    watching.send_signal(signal.SIGKILL)
    home.wait(lambda heard: heard[watch] == "offline")
    program.forget(watching)
    watching.communicate()
    assert len(program.snapshots) == 2

    # A night tells too, and `setup --check` tries the broker.
    home.forget()
    program.run("nightly", "--once", *config)
    home.wait(lambda heard: "not due" in heard.get(f"ibackup/{device}/result", ""))
    checks = program.run("setup", "--check", "--json", *config, code=None).result["checks"]
    assert isinstance(checks, list)
    [check] = [each for each in checks if each["name"] == "Home Assistant"]
    assert (check["state"], check["message"]) == ("good", "The MQTT broker 127.0.0.1 answers.")


@contextmanager
def odd_broker(answer: bytes) -> Iterator[int]:
    """A broker that answers each connection with these bytes, and then says no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in held:
            each.close()


@pytest.mark.parametrize("answer", [b"", b"\x20\x02\x00\x05", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 99])
def test_a_broker_that_is_silent_hostile_or_refuses_is_given_up(answer: bytes) -> None:
    with odd_broker(answer) as port:
        began = time.monotonic()
        with MqttLink(MqttConfig("127.0.0.1", port)) as link:
            link.put({"a": "b"})
            assert link.settle(2.0)
        assert time.monotonic() - began < 60


def test_a_broker_that_is_down_is_warned_of_once_and_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path))
    KnownStores().remember("/gone", "an id")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        config = Config(mqtt=MqttConfig("127.0.0.1", taken.getsockname()[1]))
        heard: list[Event] = []
        for _ in range(2):
            tell_once(config, heard.append, store="/gone", results={SMALL.udid: "The store is missing."})
    [warning] = heard
    assert isinstance(warning, Caution)
    assert "127.0.0.1 cannot be used: Connection refused" in warning.text


def test_a_connection_is_encrypted_except_to_this_computer_or_on_request() -> None:
    here, away = MqttConfig("localhost"), MqttConfig("broker.example")
    assert (here.encrypts, here.port_used, here.is_open) == (False, 1883, False)
    assert (away.encrypts, away.port_used, away.is_open) == (True, 8883, False)
    asked = MqttConfig("broker.example", tls=False)
    assert (asked.encrypts, asked.port_used, asked.is_open) == (False, 1883, True)


def test_what_a_phone_is_called_reaches_no_topic_and_stays_one_short_line() -> None:
    device = DiscoveredDevice("store", SMALL.udid)
    name = "#/+\0\n" + "x" * 900
    payload = json.loads(device.discovery(name))
    assert_home_assistant_takes(device.discovery_topic("homeassistant"), payload)
    assert payload["device"]["name"].startswith("#/+ xxx")
    assert len(payload["device"]["name"]) < 80
    assert len(shown_result("y" * 999)) == 255
    assert DiscoveredDevice("other", SMALL.udid).id != device.id
    assert DiscoveredDevice("store", SMALL.udid.replace("-", "")).id == device.id


def test_without_the_library_the_warning_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with MqttLink(MqttConfig("127.0.0.1", 1)) as link:
        assert "ibackup[mqtt]" in link.settle()
