"""One backup, from the phone on the cable to the sealed snapshot in the store.

The order is what keeps the promises: the lock first, then what an earlier run left, a working copy, the session, and
only when the phone is done the check, the seal, durability and the final name. Whatever cuts the run off, the working
copy stays for the next one, and no finished snapshot was touched.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from ibackup import __version__
from ibackup.backup import finishing, room
from ibackup.backup.awake import awake
from ibackup.backup.types import Request, Result
from ibackup.device import BackupSession, Outcome, Phone, collect, open_phone
from ibackup.device.files import WorkingFiles
from ibackup.device.usbmux import Listener
from ibackup.errors import IbackupError, PhoneBusy
from ibackup.events import Caution, Note, Observer, PhaseStarted
from ibackup.store import Draft, PhoneFolder, Snapshot, Unreadable, WorkingCopy, free_bytes
from ibackup.store.trouble import telling

# What a phone answers when it cannot go on from what it finds in the working copy: a snapshot of its own in the way,
# files here that it could not read or write, a backup that it calls corrupt.
_NOT_FROM_HERE = frozenset([3, 104, 205])
_CORRUPT = 205


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
    with (
        telling("The backup could not be made."),
        awake(),
        open_phone(request.udid, wait=request.wait, patience=request.patience, observer=observe) as phone,
    ):
        folder = request.store.phone(phone.udid, told_by_phone=True)
        with folder.lock() as lock:
            made = _Run(request, phone, folder, observe).make()
            with made.working as working:
                finishing.check(working, request.password, observe)
                lock.check()
                snapshot = finishing.close(working, observe)
            folder.clear_up(after_success=True)
    return _result(snapshot, made, started, time.monotonic() - began)


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
    def __init__(self, request: Request, phone: Phone, folder: PhoneFolder, observe: Observer) -> None:
        self._request = request
        self._phone = phone
        self._folder = folder
        self._observe = observe
        self._noun = phone.facts.noun

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
                if not isinstance(error, IbackupError) or not self._can_start_over(working, error):
                    raise
                working = self._start_over(working, error)
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
            if taken is not None or not fits:
                self._folder.set_aside(left.path)
                continue
            taken = WorkingCopy.adopt(self._folder, left, observer=self._observe)
        self._folder.clear_up()
        if taken is not None:
            kept = taken.reconciled
            self._observe(
                Note(
                    f"Going on with a backup that was interrupted: {kept.kept_files:,} files "
                    f"({kept.kept_bytes / 1e6:,.0f} MB) are here already."
                )
            )
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
        return base

    def _can_start_over(self, working: WorkingCopy, error: IbackupError) -> bool:
        if error.error_code not in _NOT_FROM_HERE:
            return False
        was_resumed = working.run.resumed > 0
        return was_resumed or (error.error_code == _CORRUPT and working.base is not None)

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
        return WorkingCopy.create(self._folder, None, observer=self._observe)

    # -- the session ----------------------------------------------------------------------------------------

    def _receive(self, working: WorkingCopy) -> Outcome:
        kept = working.reconciled.kept_bytes
        with telling("The store could not be written."):
            free = free_bytes(working.path)
        expected = room.estimate(self._phone.facts, working.base, kept)
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
            self._phone.listen() as events,
        ):
            previous = _read(os.path.join(working.root, "Info.plist"))
            info = collect(self._phone, previous, observer=self._observe)
            with telling("Info.plist could not be written."):
                files.write_own("Info.plist", info)
            session = BackupSession(
                self._phone, files, self._observe, unplugged=lambda: self._is_unplugged(events)
            )
            # One that goes on is never asked to start over, whatever the first attempt was.
            return session.run(full=working.base is None and not working.run.resumed)

    def _is_unplugged(self, events: Listener) -> bool:
        """A pulled cable ends the run at once; the silent connection itself would say so only after a minute."""
        event = events.next(0)
        return event is not None and self._phone.is_unplugged(event)

    def _draft(self, working: WorkingCopy, outcome: Outcome) -> Draft:
        facts = self._phone.facts
        finished = datetime.now(UTC)
        return Draft(
            udid=self._phone.udid,
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
