"""The folder of an export: every file that an export writes goes through here.

Names from a backup are made safe on every system, Windows included. Files of the backup are copied by the writers of
``extract``: decrypted, staged, renamed into place, and left alone if they are there already. Texts and pages are
written likewise; one that was changed since is not replaced unless the user wants that.
"""

import contextlib
import hashlib
import os
import re
import unicodedata
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.fitting import digest_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.verify.stored_file_readers import worker_count
from ibackup.base import isolated
from ibackup.base.confined import Confined, Parts, PathRefused, Staged
from ibackup.base.errors import IbackupError
from ibackup.explore.file_times import Times, as_ns
from ibackup.explore.file_writer import (
    Setup,
    Trouble,
    TroubleKind,
    WriteJob,
    Writer,
    Written,
    count_written,
    raise_if_full,
)
from ibackup.explore.snapshot_facts import guarded_folders, known_damage
from ibackup.explore.target_folder import TargetFolder
from ibackup.explore.target_names import Namer, NameRules, Renamed
from ibackup.explore.writer_pool import AnyWriter, Pool
from ibackup.explore.writer_process import Helper
from ibackup.export.earlier_exports import RECORD, EarlierExports
from ibackup.export.export_request import Exported, ExportRequest, Tell
from ibackup.export.export_target import ExportTarget, Tick

_CHUNK = 256 * 1024
_MOST_NAME = 80  # characters of a name that comes from a text
_UNWANTED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]+')
_SPACES = re.compile(r"\s+")
_PLAIN = re.compile(
    r"[\w(),'+&-](?:[ .]?[\w(),'+&-])*", re.ASCII
)  # most names by far: nothing in them has to change


def plain_name(text: str, instead: str) -> str:
    """A file or folder name, without an ending, from any text: short, on one line, valid on every system.

    Args:
        text: for example a contact's name or a note's title.
        instead: used if nothing of the text can be kept.
    """
    if len(text) <= _MOST_NAME and _PLAIN.fullmatch(text):
        return text
    # Cf: invisible characters, among them those that turn the direction of writing.
    kept = "".join(char for char in text[:1000] if unicodedata.category(char) not in {"Cf", "Cs", "Co", "Cn"})
    name = _SPACES.sub(" ", _UNWANTED.sub(" ", kept)).strip(" .")[:_MOST_NAME].strip(" .")
    return name or instead


class ExportFolder(ExportTarget):
    """An open target; use it in one thread.

    Args:
        backup: where the files come from; unlocked.
        request: what to export.
        tell: called with each problem and each changed name.
        result: counts what is written.

    Attributes:
        tick: called with the files and bytes copied so far, also while a large file is copied.
    """

    def __init__(self, backup: Backup, request: ExportRequest, tell: Tell, result: Exported) -> None:
        self._backup = backup
        self._request = request
        self._tell = tell
        self._result = result
        self.tick: Tick = lambda _files, _bytes: None
        self._stack = ExitStack()
        self._pool: Pool | None = None
        self._copied = 0
        self._made: set[Parts] = set()
        self._damaged = known_damage(request.snapshot)

    def __enter__(self) -> Self:
        request, stack = self._request, self._stack
        with contextlib.ExitStack() as opening:
            keep_out = (self._backup.path, *guarded_folders(request.snapshot))
            self._target = opening.enter_context(TargetFolder.open(request.to, keep_out=keep_out))
            self._keys = self._backup.keys if self._backup.is_encrypted else None
            self._confined = opening.enter_context(
                contextlib.closing(Confined(self._target.path, self._target.make_staging()))
            )
            self._earlier = EarlierExports(self._confined)
            self._namer = Namer(NameRules.everywhere(self._target.path), self._renamed)
            for place in [(RECORD,), *self._earlier.places()]:
                self._namer.keep(place)
            stack.push(opening.pop_all().__exit__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
            self._save()
        finally:
            if self._pool is not None:
                self._pool.__exit__(kind, error, trace)
            self._stack.__exit__(kind, error, trace)

    @property
    def path(self) -> str:
        """The folder, absolute."""
        return self._target.path

    # -- places ---------------------------------------------------------------------------------------------

    def place(self, above: Parts, name: str, key: str = "") -> Parts:
        """See ``ExportTarget``; also the same in every later export into this folder."""
        if not key:
            return self._namer.place(above, name)
        earlier = self._earlier.place(key)
        if earlier is not None and earlier[:-1] == above:
            return earlier
        parts = self._namer.place(above, name)
        self._earlier.placed(key, parts)
        return parts

    # -- writing --------------------------------------------------------------------------------------------

    def draft(self, parts: Parts, modified: float | None = None) -> "ExportDraft":
        """See ``ExportTarget``."""

        def begin() -> Staged:
            self._make(parts[:-1])
            return self._confined.create()

        def publish(staged: Staged, digest: str, size: int) -> bool:
            return self._publish(staged, parts, digest, size)

        def refuse(error: PathRefused | OSError) -> None:
            if isinstance(error, PathRefused):
                self._trouble("refused", parts, f"its place was refused. {error.why}")
                return
            raise_if_full(error)
            self._trouble("refused", parts, f"it cannot be written here: {error.strerror or error}")

        return ExportDraft(begin, publish, self._confined.discard, refuse, modified)

    def _publish(self, staged: Staged, parts: Parts, digest: str, size: int) -> bool:
        """Put a whole draft in its place, unless it is there already, or a file that ibackup did not write."""
        old = self._sha256(parts)
        if old == digest:
            self._confined.discard(staged)
            self._result.same += 1
        elif old and old != self._earlier.sha256(parts) and not self._request.overwrite:
            self._confined.discard(staged)
            self._trouble(
                "exists", parts, "it was changed since, or ibackup did not write it; it was left alone"
            )
            return False
        else:
            self._confined.publish(staged, parts)
            self._result.files += 1
            self._result.bytes += size
        self._earlier.wrote(parts, digest)
        return True

    def is_as_written(self, parts: Parts) -> bool:
        """Whether a file is there as an earlier export made it; for what is slow to make and never changes."""
        known = self._earlier.sha256(parts)
        with contextlib.suppress(OSError, PathRefused):
            if known and self._sha256(parts) == known:
                self._result.same += 1
                return True
        return False

    def copy(self, entry: Entry, parts: Parts, times: Times | None = None) -> None:
        """See ``ExportTarget``."""
        try:
            record = entry.record
            self._make(parts[:-1])
        except FormatError as error:
            self._file_trouble(entry, "record", f"its record is damaged: {error.flaw}")
            return
        except PathRefused as error:
            self._file_trouble(entry, "refused", f"its folder was refused. {error.why}")
            return
        except OSError as error:
            raise_if_full(error)
            self._file_trouble(entry, "refused", f"its folder cannot be created: {error.strerror or error}")
            return
        job = WriteJob(
            entry.file_id,
            entry.domain,
            entry.relative_path,
            tuple(entry.blob_path.split("/")),  # made from a checked fileID
            record.size,
            record.encryption_key,
            parts,
            times or Times(record.modified, record.born),
            digest_of(record),
        )
        self._writers().add(job)

    def hard_link(self, there: Parts, parts: Parts) -> bool:
        """Give a file that was copied a second name; False where the disk has no such links. Call ``flush`` before."""
        source, target = (os.path.join(self._target.path, *each) for each in (there, parts))
        try:
            self._make(parts[:-1])
            if self._confined.item(there).kind != "file":
                return False
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.lstat(source), os.lstat(target)):
                    return True
                self._trouble("exists", parts, "something is already there and was left unchanged")
                return True
            os.link(source, target, follow_symlinks=False)
        except (OSError, PathRefused, NotImplementedError):
            return False
        return True

    def flush(self) -> None:
        """Wait until everything handed to ``copy`` is in place."""
        if self._pool is not None:
            self._pool.finish()

    # -- how it is done -------------------------------------------------------------------------------------

    def _writers(self) -> Pool:
        if self._pool is None:
            # Made here, since the backup may be read by one thread at a time.
            backup = self._backup
            setup = Setup(
                backup.path,
                self._keys,
                self._target.path,
                "",
                self._request.overwrite,
                backup.signs,
                backup.why_locked,
            )
            self._pool = Pool(partial(self._writer, setup), self._written, worker_count()).__enter__()
        return self._pool

    def _writer(self, setup: Setup) -> AnyWriter:
        setup = setup._replace(staging=self._target.make_staging())
        if isolated.can_start():
            with contextlib.suppress(OSError):  # a system that does not let us start any
                return Helper(setup)
        return Writer(setup)

    def _written(self, jobs: list[WriteJob], written: list[Written]) -> None:
        count_written(self._result, jobs, written, self._damaged, self._report)
        self._copied += len(jobs)
        self.tick(self._copied, self._pool.moved if self._pool is not None else 0)

    def _make(self, parts: Parts) -> None:
        if parts and parts not in self._made:
            self._confined.make_dir(parts)
            self._made.add(parts)

    def _sha256(self, parts: Parts) -> str:
        """The SHA-256 of what is at a place; empty if nothing is. Raises OSError, PathRefused."""
        try:
            descriptor = self._confined.open_file(parts)
        except FileNotFoundError:
            return ""
        with open(descriptor, "rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()

    def _save(self) -> None:
        """Write the record of this export; without it the next one is slower and may choose other names."""
        text = self._earlier.text()
        if text is None:
            return
        with contextlib.suppress(OSError, IbackupError):
            staged = self._confined.create()
            try:
                while text:
                    text = text[os.write(staged.fd, text) :]
            finally:
                os.close(staged.fd)
            self._confined.publish(staged, (RECORD,))

    def _trouble(self, kind: TroubleKind, parts: Parts, text: str) -> None:
        self._report(Trouble(kind, "", "", "/".join(parts), text))

    def _file_trouble(self, entry: Entry, kind: TroubleKind, text: str) -> None:
        self._report(Trouble(kind, entry.file_id, entry.domain, entry.relative_path, text))

    def _report(self, trouble: Trouble) -> None:
        self._result.troubles[trouble.kind] += 1
        self._tell(trouble)

    def _renamed(self, renamed: Renamed) -> None:
        self._result.renamed += 1
        self._tell(renamed)


class ExportDraft:
    """A text or page on its way to its place, where nothing is before it is whole. Leave its context to finish it.

    Attributes:
        there: at the end, whether it is there; otherwise something in the way was reported.
    """

    def __init__(
        self,
        begin: Callable[[], Staged],
        publish: Callable[[Staged, str, int], bool],
        discard: Callable[[Staged], None],
        refuse: Callable[[PathRefused | OSError], None],
        modified: float | None,
    ) -> None:
        self._begin, self._finish, self._discard, self._refuse = begin, publish, discard, refuse
        self._modified = modified
        self._staged: Staged | None = None
        self._block = bytearray()  # a page of messages comes in millions of small pieces
        self._digest = hashlib.sha256()
        self._size = 0
        self.there = False

    def __enter__(self) -> Self:
        try:
            self._staged = self._begin()
        except (PathRefused, OSError) as error:
            self._refuse(error)
        return self

    def write(self, piece: bytes | str) -> None:
        """Add a piece."""
        self._block += piece.encode("utf-8", "replace") if isinstance(piece, str) else piece
        if len(self._block) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        data = bytes(self._block)
        self._block.clear()
        if self._staged is None:
            return
        self._digest.update(data)
        self._size += len(data)
        try:
            while data:
                data = data[os.write(self._staged.fd, data) :]
        except OSError as error:
            self._give_up()
            self._refuse(error)

    def _give_up(self) -> None:
        staged, self._staged = self._staged, None
        if staged is not None:
            os.close(staged.fd)
            self._discard(staged)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._give_up()
            return
        self._flush()
        staged = self._staged
        if staged is None:
            return
        if self._modified is not None and os.utime in os.supports_fd:
            with contextlib.suppress(OSError):
                os.utime(staged.fd, ns=(as_ns(self._modified), as_ns(self._modified)))
        os.close(staged.fd)
        try:
            self.there = self._finish(staged, self._digest.hexdigest(), self._size)
        except (PathRefused, OSError) as trouble:
            self._refuse(trouble)
