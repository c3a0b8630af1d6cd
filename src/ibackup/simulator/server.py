"""Where clients reach virtual iPhones: a usbmuxd on a TCP port, on a Unix socket, or on both."""

import contextlib
import os
import socket
import threading
from types import TracebackType
from typing import Final, Self

from ibackup.simulator.connection_threads import ConnectionThreads
from ibackup.simulator.on_the_air import OnTheAir
from ibackup.simulator.usbmuxd import Usbmuxd
from ibackup.simulator.virtual_phone import VirtualPhone

VARIABLE: Final = "USBMUXD_SOCKET_ADDRESS"


def serve(
    *phones: VirtualPhone,
    host: str = "127.0.0.1",
    port: int | None = 0,
    socket_path: str | os.PathLike[str] | None = None,
) -> "Server":
    """Start a server for these phones; it runs when this returns, until it is closed.

    Args:
        phones: the phones plugged in from the start.
        host: the address to listen on.
        port: the TCP port; 0 takes a free one, None listens only on the Unix socket.
        socket_path: a Unix socket to listen on; it is removed when the server closes.

    Raises:
        OSError: an address is in use or not permitted.
    """
    server = Server()
    try:
        if port is not None:
            server.listen_tcp(host, port)
        if socket_path is not None:
            server.listen_unix(os.fspath(socket_path))
    except BaseException:
        server.close()
        raise
    for phone in phones:
        server.attach(phone)
    return server


class Server:
    """A running usbmuxd with its phones; a context manager that closes it.

    Every connection has a thread; close() ends the connections and joins the threads.

    Attributes:
        usbmuxd: the daemon itself.
        socket_path: the Unix socket, or None.
    """

    def __init__(self) -> None:
        self.usbmuxd = Usbmuxd()
        self.socket_path: str | None = None
        self._tcp: tuple[str, int] | None = None
        self._lock = threading.Lock()
        self._closing = False
        self._listening: list[socket.socket] = []
        self._accepting: list[threading.Thread] = []
        self._connections = ConnectionThreads()
        self._on_the_air: list[OnTheAir] = []

    @property
    def address(self) -> str:
        """The value for USBMUXD_SOCKET_ADDRESS: host:port, or UNIX:path if there is no TCP port."""
        if self._tcp is not None:
            host, port = self._tcp
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"UNIX:{self.socket_path}"

    @property
    def port(self) -> int | None:
        """The TCP port, or None."""
        return None if self._tcp is None else self._tcp[1]

    @property
    def environment(self) -> dict[str, str]:
        """The variables to export for clients; pymobiledevice3 spells a socket's address differently."""
        if self._tcp is None and self.address.startswith("UNIX:"):
            return {VARIABLE: self.address, "PYMOBILEDEVICE3_USBMUX": self.address.removeprefix("UNIX:")}
        return {VARIABLE: self.address}

    def attach(self, phone: VirtualPhone) -> None:
        """Plug a phone in."""
        self.usbmuxd.attach(phone)

    def detach(self, phone: VirtualPhone) -> None:
        """Unplug a phone."""
        self.usbmuxd.detach(phone)

    def put_on_the_air(self, phone: VirtualPhone, *, announcing: bool = True) -> OnTheAir:
        """Bring a phone into the Wi-Fi network, whether it is plugged in or not.

        Args:
            phone: the phone; its spec says where it answers.
            announcing: whether its advert is sent; otherwise only its ports are there.

        Raises:
            OSError: the address is in use or not permitted.
        """
        air = OnTheAir(phone, self._connections, announcing=announcing)
        self._on_the_air.append(air)
        return air

    def listen_tcp(self, host: str, port: int) -> None:
        """Listen on a TCP port; 0 takes a free one."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=64)
        self._tcp = (host, listener.getsockname()[1])
        self._accept_on(listener)

    def listen_unix(self, path: str) -> None:
        """Listen on a Unix socket that only this user may use.

        Raises:
            OSError: the path exists, or this system has no Unix sockets.
        """
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no Unix sockets")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            self.socket_path = path
            os.chmod(path, 0o600)
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        self._accept_on(listener)

    def close(self) -> None:
        """End every connection and wait for the threads.

        Raises:
            BaseException: the first failure within the simulator, so that no test misses it.
        """
        with self._lock:
            self._closing = True
            listening, self._listening = self._listening, []
        for listener in listening:
            _wake(listener)
        for thread in self._accepting:
            thread.join()
        for listener in listening:
            listener.close()
        for air in self._on_the_air:
            air.close()
        if self.socket_path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.socket_path)
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except BaseException:
            if error is None:  # otherwise the failure inside is what matters
                raise

    def _accept_on(self, listener: socket.socket) -> None:
        thread = threading.Thread(target=self._accept, args=(listener,), name="virtual-usbmuxd", daemon=True)
        with self._lock:
            self._listening.append(listener)
        self._accepting.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._closing:
                    return
                continue  # a client that left before it was let in
            self._connections.start(connection, self.usbmuxd.serve)


def _wake(listener: socket.socket) -> None:
    """Make the thread return that waits in accept()."""
    with contextlib.suppress(OSError):  # on some systems shutdown does not wake it, a connection does
        listener.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError), socket.socket(listener.family, socket.SOCK_STREAM) as visit:
        visit.settimeout(1)
        visit.connect(listener.getsockname())
