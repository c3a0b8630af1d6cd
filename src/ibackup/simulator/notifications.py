"""The phone's notifications: posted by computers or by the phone, delivered to those that observe the name."""

import threading
from collections.abc import Callable
from typing import TypeAlias

Listener: TypeAlias = Callable[[str], None]
"""Called with a notification's name, in the thread that posted it; must not block."""

BACKUP_DOMAIN_CHANGED = "com.apple.mobile.backup.domain_changed"
PROMPT_PRESENTED = "com.apple.LocalAuthentication.ui.presented"
PROMPT_DISMISSED = "com.apple.LocalAuthentication.ui.dismissed"
SYNC_CANCEL_REQUEST = "com.apple.itunes-client.syncCancelRequest"
DEVICE_NAME_CHANGED = "com.apple.mobile.lockdown.device_name_changed"


class NotificationHub:
    """Who observes which name; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}

    def observe(self, name: str, listener: Listener) -> None:
        """Call `listener` for every notification with this `name`; asking twice changes nothing."""
        with self._lock:
            listeners = self._listeners.setdefault(name, [])
            if listener not in listeners:
                listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Remove `listener` from every name."""
        with self._lock:
            for listeners in self._listeners.values():
                if listener in listeners:
                    listeners.remove(listener)

    def post(self, name: str) -> None:
        """Call everyone that observes `name`."""
        with self._lock:
            listeners = tuple(self._listeners.get(name, ()))
        for listener in listeners:
            listener(name)
