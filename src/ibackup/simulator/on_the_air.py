"""A virtual iPhone in a Wi-Fi network: lockdownd and services on TCP ports, an advert, sleep, and other addresses."""

import contextlib
import queue
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from ibackup.simulator import lockdownd
from ibackup.simulator.advert import Announcer, adverts
from ibackup.simulator.connection_threads import ConnectionThreads
from ibackup.simulator.faults import WirelessBreak
from ibackup.simulator.phone_trust import Pairing
from ibackup.simulator.service_ports import serve_port
from ibackup.simulator.service_table import SERVICES, Service
from ibackup.simulator.stream import Mailbox, Stream, StreamEnded
from ibackup.simulator.virtual_phone import OpenPort, VirtualPhone
from ibackup.simulator.wireless_life import HEARTBEAT_SERVICE

WIRELESS_DOMAIN: Final = "com.apple.mobile.wireless_lockdown"
_BACKLOG: Final = 64
_LOOK_S: Final = 0.2
"""How often a phone that may sleep looks whether it is time."""

_Deed: TypeAlias = Callable[[], None]


class OnTheAir:
    """A phone in the network. One thread owns the listening sockets and the advert; others ask it.

    Attributes:
        phone: the phone.
    """

    def __init__(self, phone: VirtualPhone, threads: ConnectionThreads, *, announcing: bool = True) -> None:
        self.phone = phone
        self._threads = threads
        self._announcing = announcing
        self._address = phone.spec.wireless.address
        self._asleep = phone.spec.wireless.asleep
        self._port = phone.spec.wireless.port
        self._deeds: Mailbox[_Deed] = Mailbox()
        self._listener: socket.socket | None = None
        self._plugs: list[socket.socket] = []
        self._services: dict[socket.socket, OpenPort] = {}
        self._announcer: Announcer | None = None
        self._announced: object = None
        self._closing = False
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._severed: set[Stream] = set()
        self._probe().close()
        self._thread = threading.Thread(target=self._run, name="virtual-wifi", daemon=True)
        self._thread.start()
        phone.on_change(self._poke)
        try:
            self._ask(self._align)
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Where lockdownd answers: an address ("" for all of this computer), and the port."""
        return self._address, self._port

    @property
    def asleep(self) -> bool:
        """Whether the phone sleeps."""
        return self._asleep

    def sleep(self) -> None:
        """Let the phone sleep: the advert is withdrawn, and its ports and connections are silent."""
        self._ask(self._go_to_sleep)

    def wake(self) -> None:
        """Wake the phone, as picking it up does; the connections from before are gone."""
        self._ask(self._wake_up)

    def move(self, address: str = "") -> None:
        """Get another address: connections are silent from now on, and the advert has the new one.

        Args:
            address: of this computer; "" for all that it has now.
        """
        self._ask(partial(self._move, address))

    def close(self) -> None:
        """Leave the network; twice is once."""
        if self._closing:
            return
        self.phone.forget_change(self._poke)
        self._ask(self._leave)
        self._thread.join()
        self._deeds.close()

    # --- the thread

    def _ask(self, deed: _Deed) -> None:
        """Have the thread do something; return when it is done.

        Raises:
            OSError: it failed.
        """
        done: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()

        def do() -> None:
            try:
                deed()
            except OSError as error:
                done.put(error)
            else:
                done.put(None)

        self._deeds.put(do)
        error = done.get()
        if error is not None:
            raise error

    def _poke(self) -> None:
        self._deeds.put(self._align)

    def _run(self) -> None:
        while not self._closing:
            with selectors.DefaultSelector() as selector:
                selector.register(self._deeds, selectors.EVENT_READ)
                if self._listener is not None and not self._asleep:
                    selector.register(self._listener, selectors.EVENT_READ)
                with self._lock:
                    services = list(self._services)
                for listener in services:
                    selector.register(listener, selectors.EVENT_READ)
                limit = self.phone.spec.wireless.sleeps_after_s
                ready = selector.select(None if limit is None or self.phone.spec.charging else _LOOK_S)
            for key, _ in ready:
                if isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj)
            for deed in self._deeds.take_all():
                deed()
            self._doze(limit)

    def _doze(self, limit: float | None) -> None:
        """Go to sleep if nothing keeps the phone awake."""
        wireless = self.phone.wireless
        if (
            limit is not None
            and not self.phone.spec.charging
            and not self._asleep
            and wireless.idle_s() > limit
        ):
            self._go_to_sleep()

    def _probe(self) -> socket.socket:
        """Bind lockdownd's port.

        Raises:
            OSError: it is in use or not permitted.
        """
        bound = socket.create_server((self._address, self._port), backlog=_BACKLOG)
        self._port = bound.getsockname()[1]
        return bound

    # --- what the thread does

    def _align(self) -> None:
        """Be there if Wi-Fi connections are switched on, with the right advert, and not otherwise."""
        on = bool(self.phone.domain(WIRELESS_DOMAIN).get("EnableWifiConnections"))
        if on and self._listener is None:
            self._listener = self._probe()
        if not on and self._listener is not None:
            self._hang_up()
        if self._asleep and self._listener is not None and not self._plugs:
            self._plug(self._listener)
        self._announce(on and not self._asleep)

    def _announce(self, there: bool) -> None:
        wanted = (
            adverts(self.phone.spec, self.phone.trust.host_ids(), self._addresses())
            if there and self._announcing
            else None
        )
        if wanted == self._announced:
            return
        if self._announcer is not None:
            self._announcer.close()
        self._announcer = Announcer(wanted, self._addresses()) if wanted else None
        self._announced = wanted
        self.phone.journal.add("advert", wanted[0].name if wanted else "withdrawn")

    def _addresses(self) -> list[str]:
        """The addresses that the advert names: IPv4."""
        if self._address:
            return [self._address]
        import ifaddr

        found = [str(each.ip) for adapter in ifaddr.get_adapters() for each in adapter.ips if each.is_IPv4]
        return [each for each in found if not each.startswith("127.")] or found

    def _go_to_sleep(self) -> None:
        if self._asleep:
            return
        if self.phone.spec.wireless.says_sleepy:
            self.phone.wireless.say_good_night()
        self._asleep = True
        self._sever()
        self.phone.journal.add("asleep")
        self._align()

    def _wake_up(self) -> None:
        self.phone.wireless.woken()
        if not self._asleep:
            return
        self._asleep = False
        for plug in self._plugs:
            plug.close()
        self._plugs = []
        if self._listener is not None:  # those that knocked meanwhile have lost patience
            self._listener.close()
            self._listener = None
        self._cut()
        self.phone.journal.add("awake")
        self._align()

    def _move(self, address: str) -> None:
        self._sever()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._address, self._announced = address, None
        self.phone.journal.add("moved", address)
        self._align()

    def _leave(self) -> None:
        with self._lock:
            self._closing = True
        self._announce(there=False)
        self._hang_up()

    def _hang_up(self) -> None:
        """Refuse new connections and end those that there are."""
        for each in (*filter(None, (self._listener,)), *self._plugs):
            each.close()
        self._listener, self._plugs = None, []
        self._close_services()
        self._cut()

    def _close_services(self) -> None:
        with self._lock:
            for listener in self._services:
                listener.close()
            self._services.clear()

    def _sever(self) -> None:
        """No connection carries anything any more, and no port of a service is there."""
        self._close_services()
        with self._lock:
            for stream in self._streams:
                stream.sever()
            self._severed |= self._streams

    def _cut(self) -> None:
        with self._lock:
            for stream in self._streams | self._severed:
                stream.cancel()
            self._severed.clear()

    def _plug(self, listener: socket.socket) -> None:
        """Fill the listener's queue: nobody is refused, and nobody gets an answer, as from a phone that sleeps."""
        listener.listen(0)
        for _ in range(2):
            plug = socket.socket()
            plug.setblocking(False)
            plug.connect_ex((self._address or "127.0.0.1", self._port))
            self._plugs.append(plug)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # a client that left before it was let in
        with self._lock:
            waiting = self._services.pop(listener, None)
        if waiting is not None:
            listener.close()
            self._threads.start(connection, partial(self._serve_service, waiting))
        else:
            self._threads.start(connection, self._serve_lockdown)

    # --- connections, each in its thread

    def _serve_lockdown(self, stream: Stream) -> None:
        with self._counted(stream):
            broken = self.phone.fault(WirelessBreak, lambda fault: fault.at == "connect")
            if broken is not None:
                lockdownd.strike(stream, broken)
            service = partial(lockdownd.serve, wireless=True, open_port=self._open_port)
            serve_port(stream, self.phone, "lockdownd", service, None)

    def _serve_service(self, waiting: OpenPort, stream: Stream) -> None:
        stream.computer = waiting.pairing.host_id
        tls = lockdownd.wireless_tls(self.phone, waiting.pairing)
        with self._counted(stream):
            serve_port(stream, self.phone, waiting.service, self._gated(waiting.service), tls)

    def _gated(self, name: str) -> Service:
        """A service that hangs up unless a heartbeat is answered, where the phone wants one."""
        service = SERVICES[name]
        if name == HEARTBEAT_SERVICE or not self.phone.spec.wireless.heartbeat:
            return service

        def gated(stream: Stream, phone: VirtualPhone) -> None:
            with phone.wireless.depending(stream) as alive:
                if not alive:
                    phone.journal.add("refused", f"{name}: no heartbeat")
                    raise StreamEnded("there is no heartbeat")
                service(stream, phone)

        return gated

    def _open_port(self, name: str, pairing: Pairing) -> int:
        """Listen on a fresh port for the one connection to a service; return its number."""
        while True:
            port = self.phone.next_port()
            with contextlib.suppress(OSError):  # another program has that one
                listener = socket.create_server((self._address, port), backlog=1)
                break
        with self._lock:
            if self._closing:
                listener.close()
                raise StreamEnded("the phone leaves the network")
            self._services[listener] = OpenPort(name, pairing)
        self._deeds.put(lambda: None)  # the thread looks at the sockets again
        return port

    @contextlib.contextmanager
    def _counted(self, stream: Stream) -> Iterator[None]:
        with self._lock:
            self._streams.add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)
