"""The sync lock, which keeps programs from syncing at the same time, and the phone's notifications during a backup."""

import contextlib
import logging
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum
from types import TracebackType
from typing import Self

from ibackup.apple import plist_values
from ibackup.base import slices
from ibackup.base.closeable import Closeable
from ibackup.base.errors import ConnectionLost, IbackupError, PhoneBusy, PhoneRefused
from ibackup.base.events import Caution, Note, Observer, ignore
from ibackup.device.mux.channel import HasServices, PlistStream
from ibackup.device.refusals.lockdown_refusals import NoSuchService
from ibackup.device.services import afc as afc_service
from ibackup.device.services.afc import Afc, AfcRefused, AfcStatus, Lock, Mode

_log = logging.getLogger(__name__)

NOTIFICATION_SERVICE = "com.apple.mobile.notification_proxy"
LOCK_FILE = "/com.apple.itunes.lock_sync"

_ANSWER_SECONDS = 5.0
_TRY_AGAIN_SECONDS = 0.2
_HELD_SECONDS = {"darwin": 120, "win32": 120}
"""The systems on which Apple's own programs sync a phone automatically when it is connected."""
_HELD_ELSEWHERE_SECONDS = 10
_TELL_AFTER = 5  # tries


class SyncLock:
    """The lock that Finder, iTunes and other backup programs take on a phone. We have it inside the ``with`` block.

    We announce each step to the phone in the order that it expects. The block always releases the lock at its end. If
    that fails because the phone is gone, the phone itself releases it with the connection.

    On a phone without AFC, or without the file to lock, no other program could interfere: the block runs without a
    lock, as in idevicebackup2. Any other problem with the lock is a warning and does not stop a backup either.

    Args:
        phone: the phone.
        observer: gets a note that we wait, and warnings.
        tries: how often to try while another program has it; None: for ten seconds, or for two minutes where Apple's
            programs run.
        pause: seconds between tries.

    Raises:
        PhoneBusy: another program has it and kept it.
    """

    def __init__(
        self,
        phone: HasServices,
        observer: Observer = ignore,
        *,
        tries: int | None = None,
        pause: float = _TRY_AGAIN_SECONDS,
    ) -> None:
        self._phone = phone
        self._observer = observer
        held = _HELD_SECONDS.get(sys.platform, _HELD_ELSEWHERE_SECONDS)
        self._tries = round(held / pause) if tries is None else tries
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
        """Unlock, close, and tell the phone. Safe to call again, and when the phone is gone."""
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
        with contextlib.suppress(PhoneRefused):
            self._notices = self._streams.enter_context(PlistStream.to(self._phone, NOTIFICATION_SERVICE))
        try:
            self._lock()
        except NoSuchService as error:
            _log.debug("nothing to lock: %s", error.what)
        except (PhoneRefused, ConnectionLost) as error:
            if not isinstance(error, AfcRefused) or error.status != AfcStatus.NOT_FOUND:
                self._tell_unlocked(error)

    def _lock(self) -> None:
        afc = self._afc = self._streams.enter_context(Afc.to(self._phone, afc_service.SERVICE))
        self._post("com.apple.itunes-mobdev.syncWillStart")
        handle = self._handle = afc.open(LOCK_FILE, Mode.READ_WRITE)
        self._post("com.apple.itunes-mobdev.syncLockRequest")
        for attempt in range(self._tries):
            if attempt:
                time.sleep(self._pause)
            if attempt == _TELL_AFTER:
                self._observer(
                    Note("Another program is syncing with the phone. Waiting for it; Ctrl-C stops the wait.")
                )
            try:
                afc.lock(handle, Lock.EXCLUSIVE)
            except AfcRefused as error:
                if error.status != AfcStatus.WOULD_BLOCK:
                    raise
            else:
                self._locked = True
                self._post("com.apple.itunes-mobdev.syncDidStart")
                return
        raise PhoneBusy(
            "Another program is using the phone.",
            why="Finder, iTunes, Apple Devices or another backup tool has its sync lock.",
            hint="Wait until that has finished (or close it), then try again.",
        )

    def _tell_unlocked(self, error: IbackupError) -> None:
        self._observer(
            Caution(
                f"ibackup could not take the phone's sync lock, so other programs may interfere. {error.what}",
                "Close Finder, iTunes, Apple Devices and other programs that use the phone until this is done.",
            )
        )

    def _post(self, name: str) -> None:
        if self._notices is not None:
            self._notices.send({"Command": "PostNotification", "Name": name})

    def _say_goodbye(self) -> None:
        """Ask the service to end, and wait until it has: one that is disconnected may drop the last notice."""
        if self._notices is not None:
            self._notices.ask({"Command": "Shutdown"}, _ANSWER_SECONDS)


class Notice(Enum):
    """What a phone announces during a backup; the values are the notifications' names."""

    CANCEL_REQUESTED = "com.apple.itunes-client.syncCancelRequest"
    SUSPEND_REQUESTED = "com.apple.itunes-client.syncSuspendRequest"
    RESUME_REQUESTED = "com.apple.itunes-client.syncResumeRequest"
    BACKUP_SETTINGS_CHANGED = "com.apple.mobile.backup.domain_changed"
    PASSCODE_ASKED = "com.apple.LocalAuthentication.ui.presented"
    PASSCODE_DONE = "com.apple.LocalAuthentication.ui.dismissed"


MOST_NOTICES = 1000
"""How many notices may wait to be processed; more than that are dropped."""


def into(notices: queue.SimpleQueue[Notice]) -> Callable[[Notice], None]:
    """A callback that queues notices for another thread."""

    def put(notice: Notice) -> None:
        if notices.qsize() < MOST_NOTICES:
            notices.put(notice)

    return put


@contextlib.contextmanager
def hearing(phone: HasServices, callback: Callable[[Notice], None]) -> Iterator[None]:
    """Listen for the phone's notices, see ``Notifications``. A phone that does not offer them sends none."""
    try:
        notifications = Notifications(phone, callback)
    except PhoneRefused as error:
        _log.debug("no notices: %s", error.what)
        yield
        return
    with notifications:
        yield


class Notifications(Closeable):
    """Listens for the phone's notices inside the ``with`` block, and passes each to the callback in its own thread.

    The callback must be safe to call from that thread. It does not learn that the connection ended, because the
    transfer of data shows that sooner; ``ended`` is set then.
    """

    def __init__(self, phone: HasServices, callback: Callable[[Notice], None]) -> None:
        self._callback = callback
        self._stream = PlistStream.to(phone, NOTIFICATION_SERVICE)
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

    def close(self) -> None:
        """Stop listening. When this returns, the thread has ended (unless it is the calling thread)."""
        with contextlib.suppress(OSError):  # already closed
            self._wakes.send(b"\0")
        if self._thread is not threading.current_thread():
            slices.join(self._thread)
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
            return  # the phone is gone, or sends nonsense: see the class
        finally:
            self.ended.set()

    def _tell(self, message: plist_values.Values) -> bool:
        """Pass on a notice; False if the service says that it ends."""
        if message.get("Command") == "ProxyDeath":
            return False
        name = message.get("Name")
        for notice in Notice:
            if message.get("Command") == "RelayNotification" and name == notice.value:
                self._callback(notice)
        return True
