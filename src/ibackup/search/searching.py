"""Searches the snapshots of a phone, or one backup folder."""

from ibackup.base.events import Observer, ignore
from ibackup.search.index_container import IndexUnusable
from ibackup.search.open_indexes import IndexOpener, OpenIndexes
from ibackup.search.search_hits import Searched, SearchRequest
from ibackup.store.phone_folder import PhoneFolder
from ibackup.vault.unlocker import Unlocker


class Search:
    """One search, with its own indexes.

    Args:
        request: what for.
        unlocker: opens encrypted backups.
        observe: gets phases, progress and cautions.
    """

    def __init__(self, request: SearchRequest, unlocker: Unlocker, observe: Observer = ignore) -> None:
        self._request = request
        self._opener = IndexOpener(unlocker, observe)

    def folder(self, path: str, udid: str | None = None) -> Searched:
        """Search one backup folder; nothing of it is kept.

        Raises:
            PasswordNeeded: it is encrypted and no password opens it.
            NotABackup, FormatError: it cannot be read.
            NoRoom: there is no space for a temporary copy.
        """
        return self._in(self._opener.folder(path, udid))

    def phone(self, folder: PhoneFolder, store: str, only: str | None = None) -> Searched:
        """Search the snapshots of a phone.

        Args:
            folder: of the phone.
            store: id of the store.
            only: the id of the only snapshot to search; None for all.

        Raises:
            NoRoom: there is no space for a temporary copy.
        """
        try:
            return self._in(self._opener.phone(folder, store), only)
        except IndexUnusable:  # a text of it
            return self._in(self._opener.phone(folder, store, fresh=True), only)

    def _in(self, indexes: OpenIndexes, only: str | None = None) -> Searched:
        try:
            return Searched(self._request, indexes, only)
        except BaseException:
            indexes.close()
            raise
