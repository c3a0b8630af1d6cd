"""One thread for each connection to a virtual iPhone, until they all end together."""

import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

from ibackup.simulator.stream import Stream, StreamEnded

ServeStream: TypeAlias = Callable[[Stream], None]


class ConnectionThreads:
    """Serves connections; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closing = False
        self._serving: dict[Stream, threading.Thread] = {}
        self.failures: list[BaseException] = []
        """Failures within the simulator itself; close() raises the first."""

    def start(self, connection: socket.socket, serve: ServeStream) -> None:
        """Serve a connection in a thread of its own; after close(), hang up."""
        stream = Stream(connection)
        thread = threading.Thread(
            target=self._serve, args=(stream, serve), name="virtual-iphone", daemon=True
        )
        with self._lock:
            if self._closing:
                connection.close()
                return
            self._serving[stream] = thread
        thread.start()

    def close(self) -> None:
        """End every connection and wait for the threads.

        Raises:
            BaseException: the first failure within the simulator, so that no test misses it.
        """
        with self._lock:
            self._closing = True
            serving = dict(self._serving)
        for stream in serving:
            stream.cancel()
        for thread in serving.values():
            thread.join()
        if self.failures:
            raise self.failures.pop(0)

    def _serve(self, stream: Stream, serve: ServeStream) -> None:
        try:
            serve(stream)
        except StreamEnded:
            pass  # the ordinary end of a connection
        except Exception as error:  # noqa: BLE001 - told by close(), where someone listens
            self.failures.append(error)
        finally:
            stream.close()
            with self._lock:
                self._serving.pop(stream, None)
