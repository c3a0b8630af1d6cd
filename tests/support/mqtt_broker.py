"""A real MQTT broker: mosquitto, with a user and a password, and TLS by an authority of its own."""

import json
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from support.made_certificate import make_certificate

USER, SECRET = "ibackup", "not-for-logs-77"
PATIENCE_S = 300.0


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


class Broker:
    """One broker; what is retained there is lost when it restarts.

    Args:
        folder: for its files.
        program: mosquitto.
    """

    def __init__(self, folder: Path, program: str) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.certificate, key = make_certificate(folder)
        self.password_file = folder / "mqtt.password"
        self.password_file.write_text(f"{SECRET}\n")
        self.password_file.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-b", "-c", folder / "users", USER, SECRET], check=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {folder / 'users'}\n"
            f"certfile {self.certificate}\nkeyfile {key}\nuser root\npersistence false\n"
        )
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def table(self) -> str:
        """``[mqtt]`` for it."""
        return (
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.port}\ntls = true\nca_file = "{self.certificate}"\n'
            f'user = "{USER}"\npassword_file = "{self.password_file}"\n'
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class HomeAssistant:
    """Stands in for Home Assistant at the broker: hears everything, and presses buttons."""

    def __init__(self, broker: Broker) -> None:
        self.texts: dict[str, str] = {}
        self._came = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, SECRET)
        self._client.tls_set(broker.certificate)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._message
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.connect_async("127.0.0.1", broker.port)
        self._client.loop_start()

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._came:
            self.texts[message.topic] = message.payload.decode()
            self._came.notify_all()

    def wait(self, is_it: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Everything that was heard, once that is true of it."""
        with self._came:
            assert self._came.wait_for(lambda: is_it(self.texts), PATIENCE_S), self.texts
            return dict(self.texts)

    def forget(self) -> None:
        with self._came:
            self.texts.clear()

    def press(self, topic: str, *, retain: bool = False) -> None:
        self._client.publish(topic, "PRESS", qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def the_device(texts: dict[str, str]) -> tuple[str, dict[str, object]]:
    """The only device that was discovered: its topic and its message."""
    [(topic, text)] = [each for each in texts.items() if each[0].endswith("/config")]
    return topic, json.loads(text)
