"""A connection to an MQTT broker in a thread of its own. Nothing that the broker does stops or delays its user."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ibackup.base import slices
from ibackup.base.certificates import web_context
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError
from ibackup.base.programs import installing
from ibackup.config.mqtt_config import MQTT, MqttConfig
from ibackup.vault.given_passwords import GivenPasswords

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo

_KEEPALIVE_S = 60
_CONNECT_S = 10.0
_RECONNECT_S = (1, 120)  # the pauses grow
_LAST_WORDS_S = 2.0
_LONGEST_CA = 1_000_000
_UNSAID = "it does not answer"


class MqttLink(Closeable):
    """Keeps the newest message of each topic at the broker, also after the broker was away.

    Args:
        config: where the broker is.
        will: topic and text that the broker sends when this computer is gone without a word; kept there.
        heard: gets the topic and the text of each message that is not an old one; called in the link's thread.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        will: tuple[str, str] | None = None,
        heard: Callable[[str, bytes], object] = lambda _topic, _text: None,
    ) -> None:
        self._config = config
        self._will = will
        self._heard = heard
        self._lock = threading.Lock()
        self._stirred = threading.Event()
        self._texts: dict[str, str] = {}
        self._topics: set[str] = set()
        self._sent: list[MQTTMessageInfo] = []
        self._client: Client | None = None
        self._is_up = False
        self._ends = False
        self._problem = ""
        # A daemon: a look-up of a name that never ends does not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="ibackup mqtt", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why there is no connection, the end of a sentence; empty while there is one."""
        with self._lock:
            return "" if self._is_up else self._problem

    def put(self, texts: Mapping[str, str]) -> None:
        """Have the broker keep a text for each topic; returns at once. Unchanged ones are not sent again."""
        with self._lock:
            new = {topic: text for topic, text in texts.items() if self._texts.get(topic) != text}
            self._texts |= new
            if self._is_up:
                self._publish(new)

    def listen(self, topics: Iterable[str]) -> None:
        """Also hear messages for these topics, from now on; returns at once."""
        with self._lock:
            new = set(topics) - self._topics
            self._topics |= new
            if self._is_up:
                self._subscribe(new)

    def settle(self, seconds: float = _CONNECT_S) -> str:
        """Wait until the broker has everything, or the first try failed.

        Returns:
            Why it does not have everything, the end of a sentence; else an empty text.
        """
        for each in slices.of(seconds):
            self._stirred.clear()
            with self._lock:
                if self._is_settled() or self._ends or (self._problem and not self._is_up):
                    break
            self._stirred.wait(each)
        with self._lock:
            if self._is_up and self._is_settled():
                return ""
            return (not self._is_up and self._problem) or _UNSAID

    def close(self) -> None:
        """Say goodbye, if there is someone to hear it."""
        with self._lock:
            self._ends = True
            client = self._client
        self._stirred.set()
        if client is not None:
            client.disconnect()
        slices.join(self._thread, _LAST_WORDS_S)

    # -- in the link's thread, or under the lock ------------------------------------------------------------

    def _is_settled(self) -> bool:
        # One that found no connection has a code, and goes out again with the next connection.
        self._sent = [each for each in self._sent if each.rc or not each.is_published()]
        return self._is_up and not self._sent

    def _publish(self, texts: Mapping[str, str]) -> None:
        if self._client is None:
            return
        for topic, text in texts.items():
            self._sent.append(self._client.publish(topic, text, qos=1, retain=True))

    def _subscribe(self, topics: set[str]) -> None:
        if self._client is not None and topics:
            self._client.subscribe([(topic, 1) for topic in sorted(topics)])

    def _run(self) -> None:
        try:
            client = self._made()
        except ImportError:
            self._fails(f"paho-mqtt (ibackup[mqtt]) is not installed. Install it: {installing(MQTT)}")
            return
        except (OSError, ValueError) as error:
            self._fails(_reason(error))
            return
        except IbackupError as error:
            self._fails(error.message)
            return
        with self._lock:
            if self._ends:
                return
            self._client = client
        try:
            client.connect_async(self._config.host, self._config.port_used, _KEEPALIVE_S)
            client.loop_forever(retry_first_connection=True)
        except Exception as error:  # noqa: BLE001 - a broker may send anything; the backups continue without it
            self._fails(f"it sends what is no MQTT ({type(error).__name__})")
        finally:
            sock = client.socket()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()

    def _made(self) -> "Client":
        """A client that is ready to connect. Raises ImportError, OSError, ValueError, IbackupError."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        config = self._config
        client = Client(CallbackAPIVersion.VERSION2, clean_session=True)
        client.connect_timeout = _CONNECT_S
        client.reconnect_delay_set(*_RECONNECT_S)
        if config.user is not None:
            source = GivenPasswords(
                lambda _: None, file=config.password_file, command=config.password_command
            )
            client.username_pw_set(config.user, source.given())
        if config.encrypts:
            client.tls_set_context(web_context(_authority(config.ca_file)))
        if self._will is not None:
            client.will_set(*self._will, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_connect_fail = self._not_connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._arrived
        client.on_socket_register_write = _ignore  # only the link's thread writes
        return client

    def _connected(
        self, _client: "Client", _data: object, _flags: object, reason: object, _more: object
    ) -> None:
        refused = getattr(reason, "is_failure", False)
        with self._lock:
            if refused:
                self._problem = f"it answers: {str(reason)[:80]}"
            else:
                self._is_up = True
                self._sent = []
                self._subscribe(self._topics)
                self._publish(self._texts)
        self._stirred.set()

    def _not_connected(self, _client: "Client", _data: object) -> None:
        error = sys.exception()  # paho calls this while it handles it
        self._fails(_reason(error) if isinstance(error, OSError) else _UNSAID)

    def _disconnected(self, _client: "Client", *_how: object) -> None:
        with self._lock:
            if self._is_up:
                self._is_up = False
                self._problem = "it has ended the connection"
        self._stirred.set()

    def _fails(self, why: str) -> None:
        with self._lock:
            self._is_up = False
            self._problem = why
        self._stirred.set()

    def _message(self, _client: "Client", _data: object, message: "MQTTMessage") -> None:
        if not message.retain:  # a retained one is old, and comes again after each reconnect
            self._heard(message.topic, bytes(message.payload))

    def _arrived(self, *_: object) -> None:
        self._stirred.set()  # and nothing more: paho holds a lock of its own that ``put`` waits for


def _ignore(*_: object) -> None:
    """For what paho tells and nobody needs."""


def _reason(error: OSError | ValueError) -> str:
    words = getattr(error, "verify_message", "") or (isinstance(error, OSError) and error.strerror)
    return str(words or str(error) or type(error).__name__)


def _authority(path: str | None) -> str:
    """The text of a file with certificates; empty without one. Raises OSError, ValueError."""
    if path is None:
        return ""
    with open(os.path.expanduser(path), encoding="ascii") as file:
        return file.read(_LONGEST_CA)
