"""``Files/``: every file of one backup, in one folder for each domain, as ``extract --all`` would write them."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Protocol

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import Kind
from ibackup.explore.app_owners import Apps
from ibackup.explore.file_index import FileIndex, IndexedFolder, ListedFile
from ibackup.explore.target_names import Namer, NameRules
from ibackup.mount.mount_nodes import MountedFile, MountedLink, MountedNode, text_file


class ReadableBackup(Protocol):
    """A backup that is opened again when something is read from it, by any thread."""

    @property
    def rules(self) -> NameRules:
        """The names that the face can show."""

    @property
    def links(self) -> bool:
        """Whether symbolic links are shown as such."""

    @property
    def modified(self) -> int:
        """When it was made, seconds since 1970."""

    def using(self) -> AbstractContextManager[Backup]:
        """It, open, for this thread alone. Raises IbackupError."""

    def index(self) -> FileIndex:
        """Its files. Raises IbackupError."""


@dataclass(frozen=True, slots=True)
class BackupFiles:
    """The folder with all domains."""

    source: ReadableBackup

    @property
    def modified(self) -> int:
        """When the backup was made."""
        return self.source.modified

    def children(self) -> Mapping[str, MountedNode]:
        """A folder for each domain; an app's begins with the name of the app."""
        index = self.source.index()
        with self.source.using() as backup:
            apps = Apps.of(backup)
        names = Namer(self.source.rules, lambda _: None)
        found: dict[str, MountedNode] = {}
        for domain in sorted(each.name for app in index.apps for each in app.domains):
            folder = index.folder(domain)
            if folder is not None:
                [name] = names.place((), domain_name(domain, apps))
                found[name] = _DomainFolder(self.source, folder)
        return found


def domain_name(domain: str, apps: Apps) -> str:
    """What the folder of a domain is called: "WhatsApp (AppDomain-net.whatsapp.WhatsApp)"."""
    owner = apps.owner(domain)
    is_app = domain.startswith("AppDomain") and owner.name != owner.key and owner.name not in domain
    return f"{owner.name} ({domain})" if is_app else domain


@dataclass(frozen=True, slots=True)
class _DomainFolder:
    """A folder in a domain."""

    source: ReadableBackup
    folder: IndexedFolder = field(repr=False)

    @property
    def modified(self) -> int:
        return self.source.modified

    def children(self) -> Mapping[str, MountedNode]:
        names = Namer(self.source.rules, lambda _: None)
        found: dict[str, MountedNode] = {}
        domain, path = self.folder.domain, self.folder.path
        prefix = f"{path}/" if path else ""
        for listed in self.folder.folders():
            below = self.folder.index.folder(domain, prefix + listed.name)
            if below is not None:
                [name] = names.place((), listed.name)
                found[name] = _DomainFolder(self.source, below)
        for file in self.folder.all_files():
            [name] = names.place((), file.name)
            found[name] = self._node(file, domain, prefix + file.name)
        return found

    def _node(self, file: ListedFile, domain: str, path: str) -> MountedNode:
        if not file.is_link:
            return MountedFile(file.bytes, file.modified, partial(open_file, self.source, domain, path))
        try:
            with self.source.using() as backup:
                entry = backup.entry(domain, path)
            target = (entry.record.target if entry is not None else "") or ""
        except FormatError:
            target = ""
        if self.source.links and _can_be_target(target):
            return MountedLink(target, file.modified)
        return text_file(target, file.modified)


def _can_be_target(target: str) -> bool:
    try:
        return bool(target) and b"\0" not in os.fsencode(target)
    except UnicodeEncodeError:
        return False


def open_file(source: ReadableBackup, domain: str, path: str) -> BinaryIO:
    """The content of a file. Raises OSError, IbackupError."""
    with source.using() as backup:
        entry = backup.entry(domain, path)
        if entry is None or entry.kind is not Kind.FILE:
            raise FileNotFoundError(path)
        return entry.open()
