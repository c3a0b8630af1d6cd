"""A keychain that works without a desktop: a file, through keyring's own interface for backends."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):  # type: ignore[misc]  # keyring is not typed here
    """Keeps passwords in the file that ``$TEST_KEYRING`` names; for processes as well as for tests."""

    priority = 1.0

    @staticmethod
    def path() -> Path:
        return Path(os.environ["TEST_KEYRING"])

    def entries(self) -> dict[str, str]:
        """All there is, by user name; every service is "ibackup"."""
        return dict(json.loads(self.path().read_text("utf-8"))) if self.path().exists() else {}

    def _write(self, entries: dict[str, str]) -> None:
        self.path().write_text(json.dumps(entries), "utf-8")

    def get_password(self, service: str, username: str) -> str | None:
        assert service == "ibackup"
        return self.entries().get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        assert service == "ibackup"
        self._write(self.entries() | {username: password})

    def delete_password(self, service: str, username: str) -> None:
        entries = self.entries()
        if username not in entries:
            raise PasswordDeleteError(username)
        del entries[username]
        self._write(entries)


class LockedKeyring(FileKeyring):
    """One that someone has locked."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError(f"locked; would not tell {username} hunter2")
