"""One backup, from the phone on the cable to the sealed snapshot in the store.

The order is what keeps the promises: the lock first, then what an earlier run left, a working copy, the session, and
only when the phone is done the check, the seal, durability and the final name. Whatever cuts the run off, the working
copy stays for the next one, and no finished snapshot was touched.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from ibackup import __version__
from ibackup.backup import finishing, room
from ibackup.backup.awake import awake
from ibackup.backup.types import Request, Result
from ibackup.device import BackupSession, Outcome, Phone, collect, open_phone
from ibackup.device.files import WorkingFiles
from ibackup.errors import ConnectionLost, IbackupError, NoPhone, PhoneBusy
from ibackup.events import Caution, Event, Note, Observer, PhaseStarted
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.plists import StatusPlist
from ibackup.store import Draft, PhoneFolder, Seen, Snapshot, Unreadable, WorkingCopy, free_bytes
from ibackup.store.trouble import telling

_log = logging.getLogger(__name__)

# What a phone answers when it cannot go on from what it finds in the working copy: a snapshot of its own in the way,
# files here that it could not read or write, a backup that it calls corrupt.
_NOT_FROM_HERE = frozenset([3, 104, 205])
_NOT_UPLOADED, _CORRUPT = 104, 205
_CHEAP_BYTES = 1 << 30
_OLDEST_VERSION = (3, 3)  # of Status.plist


def back_up(request: Request, observe: Observer) -> Result:
    """Make one backup.

    Raises:
        IbackupError: it did not come to a snapshot; what was received is kept for the next run.
    """
    began, started = time.monotonic(), datetime.now(UTC)
    if request.copies is not None:
        request.store.remember_copies(request.copies)
    finish_left_overs(request, observe)
    observe(PhaseStarted("find", "Looking for the phone."))
    with telling("The backup could not be made."), awake(), ExitStack() as phones:

        def connect(udid: str | None, wait: float) -> Phone:
            return phones.enter_context(
                open_phone(udid, wait=wait, patience=request.patience, observer=observe)
            )

        phone = connect(request.udid, request.wait)
        folder = request.store.phone(phone.udid, told_by_phone=True)
        with folder.lock() as lock:
            _remember(folder, phone)
            made = _Run(request, phone, folder, observe, lambda: connect(phone.udid, 0)).make()
            with made.working as working:
                finishing.check(working, request.password, observe)
                lock.check()
                snapshot = finishing.close(working, observe)
            _clear_up(folder, observe)
    return _result(snapshot, made, started, time.monotonic() - began)


def _remember(folder: PhoneFolder, phone: Phone) -> None:
    """Keep what the phone tells about iCloud, for when it is away."""
    facts = phone.facts
    folder.remember(
        Seen.told(facts.name, facts.cloud_backup_enabled, facts.last_cloud_backup, datetime.now(UTC))
    )


def _clear_up(folder: PhoneFolder, observe: Observer) -> None:
    """Remove what was set aside, now that there is something better."""
    aside = sum(left.kind == "set_aside" for left in folder.left_overs())
    folder.clear_up(after_success=True)
    if aside:
        observe(Note(f"Removed what {aside} earlier {'runs' if aside > 1 else 'run'} had set aside."))


def finish_left_overs(request: Request, observe: Observer) -> None:
    """Finish what runs left that broke after the phone was done; no phone is needed for that.

    What is wrong with one phone's folder does not keep another phone from being backed up.
    """
    for folder in request.store.phones():
        try:
            with folder.lock():
                finishing.finish(folder, request.password, observe)
        except PhoneBusy:
            continue  # a run under way looks after its own
        except IbackupError as error:
            observe(
                Caution(f"A backup that was interrupted could not be finished. {error.message}", error.hint)
            )


@dataclass(frozen=True)
class _Made:
    """What the phone made: a working copy at ``device_done``."""

    working: WorkingCopy
    outcome: Outcome
    resumed_bytes: int


class _Run:
    def __init__(
        self,
        request: Request,
        phone: Phone,
        folder: PhoneFolder,
        observe: Observer,
        reconnect: Callable[[], Phone],
    ) -> None:
        self._request = request
        self._phone = phone
        self._folder = folder
        self._observe = observe
        self._noun = phone.facts.noun
        self._reconnect = reconnect
        self._reconnects = 1 if request.retry else 0
        self._afresh = 1  # attempts from nothing after one from nothing
        self._received_bytes = 0
        self._unreadable = False

    def make(self) -> _Made:
        """Have the phone make a backup, from the best start there is; worse ones are tried when it refuses."""
        working = self._take_over() or self._clone()
        while True:
            resumed = working.reconciled.kept_bytes
            try:
                outcome = self._receive(working)
                working.advance("device_done", draft=self._draft(working, outcome))
            except BaseException as error:
                self._keep(working)
                following = self._after(working, error)
                if following is None:
                    raise
                working = following
            else:
                return _Made(working, outcome, resumed)

    def _keep(self, working: WorkingCopy) -> None:
        """Whatever ended it, a full disk and Ctrl-C included: what arrived is kept for the next run."""
        for step in (working.checkpoint, working.close):
            # The first error is the one to tell; what is not certain is sent again.
            with contextlib.suppress(IbackupError, OSError):
                step()

    # -- where to start from --------------------------------------------------------------------------------

    def _take_over(self) -> WorkingCopy | None:
        """The working copy of a broken run, if there is one that the phone may go on with."""
        taken: WorkingCopy | None = None
        for left in self._folder.left_overs():
            if left.kind != "resumable":
                continue
            # A full backup that broke is gone on with by the next one.
            fits = not self._request.full or (left.run is not None and not left.run.base)
            reason = "" if fits else "a full backup was asked for"
            if taken is not None:
                reason = "a later one is gone on with"
            elif _is_outdated(os.path.join(left.path, self._folder.udid)):
                reason = "it is in a format that phones do not go on with"
            if reason:
                self._folder.set_aside(left.path)
                self._observe(
                    Note(f"A backup that was interrupted is set aside until the next success: {reason}.")
                )
                continue
            taken = WorkingCopy.adopt(self._folder, left, observer=self._observe)
            if taken.reconciled.lost_files:
                taken.set_aside()
                taken = None
                self._observe(
                    Note(
                        "A backup that was interrupted lost files when the computer went down; it is set aside until "
                        "the next success."
                    )
                )
        self._folder.clear_up()
        if taken is not None:
            kept = taken.reconciled
            here = f"{kept.kept_files:,} files ({kept.kept_bytes / 1e6:,.0f} MB) are here already"
            so_far = here if kept.kept_files else "nothing had been sent yet"
            self._observe(Note(f"Going on with a backup that was interrupted: {so_far}."))
        return taken

    def _clone(self) -> WorkingCopy:
        base = None if self._request.full else self._base()
        if base is not None:
            self._observe(PhaseStarted("prepare", f"Starting from the backup {base.id}."))
        return WorkingCopy.create(
            self._folder, base, copies=self._request.store.copies, observer=self._observe
        )

    def _base(self) -> Snapshot | None:
        """The snapshot to start from; newer ones that cannot serve are told of."""
        base = self._folder.base()
        unusable = [each.id for each in self._folder.entries() if base is None or each.id > base.id]
        if unusable:
            self._observe(
                Caution(
                    f"Damaged, and not built upon: {', '.join(unusable)}.",
                    "`ibackup verify` says what is wrong; the phone sends again what is missing.",
                )
            )
        if base is not None and _is_outdated(base.backup_path):
            # It would move the whole folder out of the way, which a phone may not do here.
            self._observe(
                Note(
                    f"The backup {base.id} is in a format that phones do not go on with; a full one is made."
                )
            )
            return None
        return base

    def _after(self, working: WorkingCopy, error: BaseException) -> WorkingCopy | None:
        """The working copy for another attempt after one that ended so, if another makes sense."""
        _log.debug(
            "an attempt ended: %s, error code %s", type(error).__name__, getattr(error, "error_code", None)
        )
        if isinstance(error, ConnectionLost):
            return self._reconnected(error)
        if isinstance(error, IbackupError) and self._can_start_over(working, error):
            return self._start_over(working, error)
        return None

    def _reconnected(self, error: ConnectionLost) -> WorkingCopy | None:
        """Once in a run, if the phone is still there: go on over a fresh connection."""
        if not self._reconnects or not self._phone.is_there():
            return None
        self._reconnects -= 1
        self._observe(
            Caution(
                error.message,
                f"The {self._noun} is still there: it is tried once more over a fresh connection, and goes on from "
                "what has arrived. The passcode is asked for again.",
            )
        )
        try:
            self._phone = self._reconnect()
        except (NoPhone, ConnectionLost):
            return None  # the first error says more
        return self._take_over() or self._clone()

    def _can_start_over(self, working: WorkingCopy, error: IbackupError) -> bool:
        if error.error_code not in _NOT_FROM_HERE:
            return False
        if error.error_code == _NOT_UPLOADED and self._unreadable:
            return False  # it is for a file of the phone's own, and would be again
        if working.run.resumed > 0:
            return True
        if error.error_code != _CORRUPT:
            return False
        if working.base is not None:
            return True
        # Of a first one that has nothing to be corrupt; not when that means to send 200 GB again unasked.
        self._afresh -= 1
        return self._afresh >= 0 and self._received_bytes < _CHEAP_BYTES

    def _start_over(self, working: WorkingCopy, error: IbackupError) -> WorkingCopy:
        was_resumed = working.run.resumed > 0
        working.set_aside()
        self._observe(
            Caution(
                f"The {self._noun} does not go on from what is here ({error.message})",
                "It is set aside, and the backup starts over; the passcode is asked for again.",
            )
        )
        if was_resumed:
            return self._clone()
        self._afresh = 0
        return WorkingCopy.create(self._folder, None, observer=self._observe)

    # -- the session ----------------------------------------------------------------------------------------

    def _receive(self, working: WorkingCopy) -> Outcome:
        kept = working.reconciled.kept_bytes
        with telling("The store could not be written."):
            free = free_bytes(working.path)
        # A backup that lacks a file is corrupt to the phone: it then sends everything.
        lacking = any(path != "Info.plist" for path in working.cloned.left_out)
        expected = room.estimate(self._phone.facts, None if lacking else working.base, kept)
        _log.debug("%d bytes free, at most about %s expected", free, expected.bytes)
        room.tell(expected, self._request.store.path, free, self._observe)
        working.advance("receiving")
        with (
            WorkingFiles(
                working.root,
                working.staging,
                self._phone.udid,
                working.ledger,
                free_space=lambda: free_bytes(working.path),
                barrier=working.barrier,
                settled=working.settled,
                checkpoint=working.checkpoint,
                observer=self._observe,
            ) as files,
            self._phone.watch() as is_unplugged,
        ):
            previous = _read(os.path.join(working.root, "Info.plist"))
            info = collect(self._phone, previous, observer=self._observe)
            with telling("Info.plist could not be written."):
                files.write_own("Info.plist", info)
            # A pulled cable ends the run at once; the silent connection itself would say so only after a minute.
            observe = _without_repetition(self._observe)
            session = BackupSession(self._phone, files, observe, unplugged=is_unplugged)
            try:
                # One that goes on is never asked to start over, whatever the first attempt was.
                full = working.base is None and not working.run.resumed
                return self._phone.when_unlocked(lambda: session.run(full=full))
            finally:
                self._received_bytes = files.received_bytes
                self._unreadable = any(not file.expected for file in files.unreadable)

    def _draft(self, working: WorkingCopy, outcome: Outcome) -> Draft:
        facts = self._phone.facts
        finished = datetime.now(UTC)
        return Draft(
            # As the folder spells it, which may be older than this: the backup stands there under that name.
            udid=working.folder.udid,
            device_name=facts.name or self._noun,
            product_type=facts.product_type or "",
            ios_version=facts.ios_version or "",
            started=working.run.started,
            finished=finished,
            data_from=finished,
            full=outcome.full,
            encrypted=bool(facts.will_encrypt),
            checked="phone",
            received_bytes=outcome.received_bytes,
            tool=f"ibackup {__version__}",
            unreadable=tuple(
                Unreadable(
                    file.device_path, file.path.removeprefix("Snapshot/"), file.code, file.text, file.expected
                )
                for file in outcome.unreadable
            ),
        )


def _without_repetition(observe: Observer) -> Observer:
    """Told only once of a phase that a phone begins anew each time it is asked whether it is still locked."""
    last: PhaseStarted | None = None

    def observing(event: Event) -> None:
        nonlocal last
        if isinstance(event, PhaseStarted):
            if event == last:
                return
            last = event
        observe(event)

    return observing


def _is_outdated(root: str) -> bool:
    """Whether a backup says of itself that it is older than what phones build upon; they judge all else themselves."""
    try:
        status = StatusPlist.parse(_read(os.path.join(root, "Status.plist")) or b"")
        version = tuple(int(part) for part in status.version.split("."))
    except (OSError, FormatError, ValueError):
        return False
    return version < _OLDEST_VERSION


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as source:
            return source.read()
    except FileNotFoundError:
        return None


def _result(snapshot: Snapshot, made: _Made, started: datetime, duration: float) -> Result:
    meta = snapshot.meta
    return Result(
        snapshot=snapshot.id,
        path=snapshot.path,
        udid=meta.udid,
        device_name=meta.device_name,
        files=meta.files,
        bytes=meta.bytes,
        received_bytes=meta.received_bytes,
        full=meta.full,
        encrypted=meta.encrypted,
        resumed_bytes=made.resumed_bytes,
        carried_files=meta.carried_files,
        checked=meta.checked,
        unreadable=meta.unreadable,
        started=started,
        duration_s=duration,
    )
