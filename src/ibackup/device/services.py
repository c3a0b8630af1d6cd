"""The sync lock that keeps computers from disturbing each other, and the phone's notifications during a backup."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from ibackup.device import afc as afc_service
from ibackup.device import values
from ibackup.device.afc import Afc, AfcRefused, Lock, Mode, Status
from ibackup.device.channel import PlistStream
from ibackup.device.lockdown_refusals import NoSuchService
from ibackup.errors import IbackupError, PhoneBusy

_log = logging.getLogger(__name__)

NOTIFICATION_SERVICE = "com.apple.mobile.notification_proxy"
LOCK_FILE = "/com.apple.itunes.lock_sync"

_ANSWER_SECONDS = 5.0
_TRIES = 50
_TRY_AGAIN_SECONDS = 0.2


class HasServices(Protocol):
    """Something that starts services: a Phone."""

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service."""


class SyncLock:
    """The lock that Finder, iTunes and other backup programs take on a phone, held inside the ``with`` block.

    The phone is told each step in the order that it expects. The lock is released on every way out; should that
    fail because the phone is gone, the phone releases it itself with the connection.

    A phone without AFC, or without the file that is locked, has no other program to be kept apart from: the block
    is entered without a lock there, as idevicebackup2 does.

    Raises:
        PhoneBusy: another program holds it, and did so for ten seconds.
        AfcRefused: the phone does not lock the file.
    """

    def __init__(self, phone: HasServices, *, tries: int = _TRIES, pause: float = _TRY_AGAIN_SECONDS) -> None:
        self._phone = phone
        self._tries = tries
        self._pause = pause
        self._streams = contextlib.ExitStack()
        self._notices: PlistStream | None = None
        self._afc: Afc | None = None
        self._handle: int | None = None
        self._locked = False

    def __enter__(self) -> Self:
        try:
            self._acquire()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Unlock, close, tell the phone; safe to call again, and when the phone is gone."""
        with self._streams:
            handle, self._handle = self._handle, None
            locked, self._locked = self._locked, False
            if self._afc is None or handle is None:
                return
            try:
                if locked:
                    self._afc.lock(handle, Lock.UNLOCK)
                self._afc.close_file(handle)
            except IbackupError:
                return  # the connection is gone, and the lock with it
            if locked:
                with contextlib.suppress(IbackupError):  # nothing depends on the phone hearing this
                    self._post("com.apple.itunes-mobdev.syncDidFinish")
                    self._say_goodbye()

    def _acquire(self) -> None:
        with contextlib.suppress(NoSuchService):
            self._notices = self._streams.enter_context(
                PlistStream(self._phone.start_service(NOTIFICATION_SERVICE), NOTIFICATION_SERVICE)
            )
        try:
            self._afc = self._streams.enter_context(
                Afc(self._phone.start_service(afc_service.SERVICE), afc_service.SERVICE)
            )
            self._post("com.apple.itunes-mobdev.syncWillStart")
            self._handle = self._afc.open(LOCK_FILE, Mode.READ_WRITE)
        except (NoSuchService, AfcRefused) as error:
            if isinstance(error, AfcRefused) and error.status != Status.NOT_FOUND:
                raise
            _log.debug("nothing to lock: %s", error.what)
            return
        self._post("com.apple.itunes-mobdev.syncLockRequest")
        for attempt in range(self._tries):
            if attempt:
                time.sleep(self._pause)
            try:
                self._afc.lock(self._handle, Lock.EXCLUSIVE)
            except AfcRefused as error:
                if error.status != Status.WOULD_BLOCK:
                    raise
            else:
                self._locked = True
                self._post("com.apple.itunes-mobdev.syncDidStart")
                return
        raise PhoneBusy(
            "Another program is using the phone.",
            why="Finder, iTunes, Apple Devices or another backup tool holds its sync lock.",
            hint="Wait until that has finished (or close it), then try again.",
        )

    def _post(self, name: str) -> None:
        if self._notices is not None:
            self._notices.send({"Command": "PostNotification", "Name": name})

    def _say_goodbye(self) -> None:
        """A service that is cut off may drop what was posted last: it is asked to end, and answers when it does."""
        if self._notices is not None:
            self._notices.ask({"Command": "Shutdown"}, _ANSWER_SECONDS)


class Notice(Enum):
    """What a phone tells a computer that backs it up; the values are the notifications' names."""

    CANCEL_REQUESTED = "com.apple.itunes-client.syncCancelRequest"
    SUSPEND_REQUESTED = "com.apple.itunes-client.syncSuspendRequest"
    RESUME_REQUESTED = "com.apple.itunes-client.syncResumeRequest"
    BACKUP_SETTINGS_CHANGED = "com.apple.mobile.backup.domain_changed"
    PASSCODE_ASKED = "com.apple.LocalAuthentication.ui.presented"
    PASSCODE_DONE = "com.apple.LocalAuthentication.ui.dismissed"


@contextlib.contextmanager
def hearing(phone: HasServices, callback: Callable[[Notice], None]) -> Iterator[None]:
    """Hear the phone's notices, see ``Notifications``; one without that service just tells nothing."""
    try:
        notifications = Notifications(phone, callback)
    except NoSuchService as error:
        _log.debug("no notices: %s", error.what)
        yield
        return
    with notifications:
        yield


class Notifications:
    """Hears the phone's notices inside the ``with`` block and hands each to the callback, in a thread of its own.

    The callback must be safe to call from that thread. The end of the connection is not told: whoever moves data
    finds out sooner; ``ended`` says so.
    """

    def __init__(self, phone: HasServices, callback: Callable[[Notice], None]) -> None:
        self._callback = callback
        self._stream = PlistStream(phone.start_service(NOTIFICATION_SERVICE), NOTIFICATION_SERVICE)
        self._waker, self._wakes = socket.socketpair()
        self._thread = threading.Thread(target=self._hear, name="ibackup-notifications")
        self.ended = threading.Event()
        try:
            for notice in Notice:
                self._stream.send({"Command": "ObserveNotification", "Name": notice.value})
            self._thread.start()
        except BaseException:
            self._close_sockets()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop hearing; the thread has ended when this returns (unless it is the thread that calls)."""
        with contextlib.suppress(OSError):  # closed before
            self._wakes.send(b"\0")
        if self._thread is not threading.current_thread():
            self._thread.join()
            self._close_sockets()

    def _close_sockets(self) -> None:
        self._stream.close()
        self._waker.close()
        self._wakes.close()

    def _hear(self) -> None:
        try:
            while self._stream.wait(self._waker):
                message = self._stream.poll(0.05)
                while message is not None:
                    if not self._tell(message):
                        return
                    message = self._stream.poll(0)
        except IbackupError:
            return  # the phone is gone, or talks nonsense: see the class
        finally:
            self.ended.set()

    def _tell(self, message: values.Values) -> bool:
        """Hand a notice on; False when the service says that it ends."""
        if message.get("Command") == "ProxyDeath":
            return False
        name = message.get("Name")
        for notice in Notice:
            if message.get("Command") == "RelayNotification" and name == notice.value:
                self._callback(notice)
        return True
