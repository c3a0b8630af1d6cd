"""One backup, from the connected phone to the sealed snapshot in the store.

The order keeps the promises. First the lock, then what an earlier run left, a working copy, and the session. Only
when the phone is done: the check, the seal, durability and the final name. Whatever interrupts the run, the working
copy stays for the next one, and no finished snapshot is touched.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ibackup import __version__
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import StatusPlist
from ibackup.base.errors import ConnectionLost, IbackupError, NoPhone, NoRoom, PhoneBusy, PhoneRefused
from ibackup.base.events import Caution, Event, Note, Observer, PhaseStarted
from ibackup.base.sizes import size_text
from ibackup.device.backup2.backup_session import BackupSession, SessionOutcome
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.device.phones.phone import Phone
from ibackup.device.services.info_plist import collect
from ibackup.jobs.backup import backup_estimate, finishing
from ibackup.jobs.backup.attempts import EndedAttempt, Start, explain, following
from ibackup.jobs.backup.backup_request import BackupRequest, BackupResult
from ibackup.jobs.backup.imported_base import unfit
from ibackup.jobs.backup.keep_awake import awake
from ibackup.jobs.backup.origins import unread
from ibackup.jobs.backup.receiving import open_to_phone
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.records import failed_endings
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.snapshot import Draft, Snapshot
from ibackup.store.work.cloning import BaseChanged
from ibackup.store.work.working_copy import WorkingCopy

_log = logging.getLogger(__name__)

_ALL = 1 << 62  # more space than any disk has
_RESERVE = 3 << 30  # about how much a phone wants free in addition to what it sends
_BACK_S = 120.0
_OLDEST_VERSION = (3, 3)  # of Status.plist


def back_up(request: BackupRequest, observe: Observer) -> BackupResult:
    """Make one backup.

    Raises:
        IbackupError: there is no snapshot; what was received is kept for the next run.
    """
    began, started = time.monotonic(), datetime.now(UTC)
    if request.copies is not None:
        request.store.remember_copies(request.copies)
    finish_left_overs(request, observe)
    observe(PhaseStarted("find", "Looking for the phone."))
    with telling("The backup could not be made."), awake(), ExitStack() as phones:
        phone = phones.enter_context(request.open_phone(observe))
        # Over Wi-Fi a phone may be out of reach for a while, and come back at another address.
        again = replace(request, udid=phone.udid, wait=_BACK_S if phone.connection == "WiFi" else 0.0)
        folder = request.store.phone(phone.udid, told_by_phone=True)
        with folder.lock() as lock:
            _remember(folder, phone)
            made = _Run(
                request, phone, folder, observe, lambda: phones.enter_context(again.open_phone(observe))
            ).make()
            with made.working as working:
                snapshot = finishing.snapshot_of(working, lock, request.unlocker, observe)
            if phone.key:
                phone.recognition.remember(phone.udid, phone.key)  # the folder may be new
            _clear_up(folder, observe)
    return _result(snapshot, made, started, time.monotonic() - began)


def _remember(folder: PhoneFolder, phone: Phone) -> None:
    """Record what the phone reports about iCloud, for when it is away."""
    facts = phone.facts
    folder.remember(
        LastSeen.told(facts.name, facts.cloud_backup_enabled, facts.last_cloud_backup, datetime.now(UTC))
    )


def _clear_up(folder: PhoneFolder, observe: Observer) -> None:
    """Remove what was set aside, now that there is a snapshot."""
    aside = sum(left.kind == "set_aside" for left in folder.left_overs())
    folder.clear_up(after_success=True)
    if aside:
        observe(Note(f"Removed what {aside} earlier {'runs' if aside > 1 else 'run'} had set aside."))


def finish_left_overs(request: BackupRequest, observe: Observer) -> None:
    """Finish runs that were interrupted after the phone was done; this needs no phone.

    A problem with one phone's folder does not prevent another phone's backup.
    """
    for folder in request.store.phones():
        try:
            with folder.lock():
                finishing.finish(folder, request.unlocker, observe)
        except PhoneBusy:
            continue  # a running backup finishes its own
        except IbackupError as error:
            observe(Caution(f"An interrupted backup could not be finished. {error.message}", error.hint))


@dataclass(frozen=True)
class _Made:
    """What the phone made: a working copy at ``device_done``."""

    working: WorkingCopy
    resumed_bytes: int


class _Run:
    def __init__(
        self,
        request: BackupRequest,
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
        self._further = request.attempts - 1
        self._known = folder.endings()
        self._ended: list[EndedAttempt] = []
        self._began = False
        self._received_bytes = 0
        self._state = ""
        self._failed_here = False

    def make(self) -> _Made:
        """Have the phone make a backup from the best starting point. If it refuses, try a worse one."""
        working = self._take_over() or self._clone()
        while True:
            resumed = working.reconciled.kept_bytes
            try:
                outcome = self._receive(working)
                working.advance("device_done", draft=self._draft(working, outcome))
            except BaseException as error:
                self._keep(working)
                another = self._after(working, error)
                if another is None:
                    self._give_up(error)
                    raise
                self._further -= 1
                working = another
            else:
                return _Made(working, resumed)

    def _keep(self, working: WorkingCopy) -> None:
        """Keep what arrived for the next run, whatever ended this one, including a full disk and Ctrl-C."""
        # Report the first error. What is uncertain is sent again.
        with contextlib.suppress(IbackupError, OSError), working:
            working.checkpoint()

    # -- where to start from --------------------------------------------------------------------------------

    def _take_over(self) -> WorkingCopy | None:
        """The working copy of an interrupted run, if there is one that the phone may continue."""
        with ExitStack() as kept:
            taken = self._take_over_into(kept)
            kept.pop_all()  # the caller closes it
        return taken

    def _take_over_into(self, kept: ExitStack) -> WorkingCopy | None:
        taken: WorkingCopy | None = None
        for left in self._folder.left_overs():
            if left.kind != "resumable":
                continue
            fits = not self._request.full or self._is_full(left)
            reason = "" if fits else "you asked for a full backup"
            if taken is not None:
                reason = "a later one is continued"
            elif _is_outdated(os.path.join(left.path, self._folder.udid)):
                reason = "phones cannot continue a backup in this format"
            if reason:
                self._folder.set_aside(left.path)
                self._folder.thin_out()
                self._observe(Note(f"An interrupted backup is set aside until the next success: {reason}."))
                continue
            taken = kept.enter_context(WorkingCopy.adopt(self._folder, left, observer=self._observe))
            if taken.reconciled.lost_files:
                taken.set_aside()
                self._folder.thin_out()
                taken = None
                self._observe(
                    Note(
                        "An interrupted backup lost files when the computer went down; it is set aside until "
                        "the next success."
                    )
                )
        self._folder.clear_up()
        if taken is not None:
            found = taken.reconciled
            # Files that the phone had already moved into place are not counted, but they are here.
            here = f": {found.kept_files:,} files ({size_text(found.kept_bytes)}) are already here"
            self._observe(Note(f"Continuing an interrupted backup{here if found.kept_files else ''}."))
        return taken

    def _is_full(self, left: LeftOver) -> bool:
        """Whether a full backup can continue it: it is full, and no earlier run ended with an error of the phone."""
        return left.run is not None and not left.run.base and (self._began or not self._known)

    def _clone(self, *, soon: bool = True) -> WorkingCopy:
        """A new working copy; ``soon``: its files may be carried while the phone is asked."""
        base = None if self._request.full else self._base()
        if base is not None:
            self._observe(PhaseStarted("prepare", f"Starting from backup {base.id}."))
        return WorkingCopy.create(
            self._folder, base, copies=self._request.store.copies, observer=self._observe, soon=soon
        )

    def _base(self) -> Snapshot | None:
        """The snapshot to start from; newer ones that cannot be used are reported."""
        standing = self._folder.standing()
        base, newest = standing.whole_base, standing.base
        unusable = [each.id for each in self._folder.entries() if newest is None or each.id > newest.id]
        if unusable:
            self._observe(
                Caution(
                    f"Damaged, so not used as a base: {', '.join(unusable)}.",
                    "`ibackup verify` says what is wrong; the phone sends the missing files again.",
                )
            )
        if base is not None and newest is not None and base.id != newest.id:
            self._observe(
                Note(
                    f"Backup {newest.id} lacks files that the {self._noun} never sent. Phones cannot continue such a "
                    "backup, so this one builds on an earlier one."
                )
            )
        if base is not None and _is_outdated(base.backup_path):
            # The phone would move the whole folder out of the way, which it may not do here.
            self._observe(
                Note(
                    f"Phones cannot continue backup {base.id}, because of its format; ibackup makes a full one."
                )
            )
            return None
        found = unfit(base, self._request.unlocker, self._folder) if base is not None else None
        if base is not None and found is not None:
            self._observe(
                Caution(
                    f"Backup {base.id} was imported, and the {self._noun} cannot build on it. {found.why}",
                    f"The {self._noun} sends everything again, so that the new backup can be restored. "
                    f"{found.hint}".strip(),
                )
            )
            return None
        return base

    def _after(self, working: WorkingCopy, error: BaseException) -> WorkingCopy | None:
        """The working copy for another attempt after this error, if another one makes sense."""
        _log.debug(
            "an attempt ended: %s, error code %s", type(error).__name__, getattr(error, "error_code", None)
        )
        if isinstance(error, PhoneRefused) and error.error_code is not None:
            self._ended.append(self._as_ended(working, error.error_code))
        if self._further <= 0:
            return None
        if isinstance(error, ConnectionLost):
            return self._reconnected(error)
        if isinstance(error, PhoneRefused) and error.error_code is not None:
            start = following(self._ended[-1], self._known, full=self._request.full)
            return self._start_over(working, error, start) if start is not None else None
        if isinstance(error, NoRoom):
            return self._after_making_room()
        if isinstance(error, BaseChanged):
            self._observe(Caution(error.message, error.hint))
            return self._take_over() or self._clone(soon=False)
        return None

    def _as_ended(self, working: WorkingCopy, code: int) -> EndedAttempt:
        kept = working.reconciled.kept_bytes + self._received_bytes
        return EndedAttempt(
            code,
            failed_endings.place(self._state),
            resumed=working.run.resumed > 0,
            based=bool(working.run.base),
            kept=kept,
            whole=max(working.base.meta.bytes if working.base else 0, kept),
            failed_here=self._failed_here,
        )

    def _give_up(self, error: BaseException) -> None:
        """Record how the phone ended it, and add to the error what was tried."""
        if isinstance(error, ConnectionLost) and self._phone.connection == "WiFi":
            error.hint = (
                f"Run `ibackup now` again when the {self._noun} is awake and near, or connect it with a cable: "
                "what has arrived is kept, and the backup continues from there."
            )
        if not isinstance(error, PhoneRefused) or error.error_code is None:
            return  # the phone did not end the last attempt
        explain(error, self._ended, self._known, noun=self._noun, ios_version=self._phone.facts.ios_version)
        found = [(each.code, each.place, each.from_nothing) for each in self._ended]
        failed_endings.note(self._folder.path, found, datetime.now(UTC))

    def _after_making_room(self) -> WorkingCopy | None:
        """Remove what was set aside to make space, since a new backup matters more, and start again."""
        removed = self._folder.thin_out(_ALL)
        if not removed:
            return None
        self._observe(
            Note(
                "The disk is full. ibackup removed what an earlier run had set aside, and tries the backup again."
            )
        )
        return self._take_over() or self._clone()

    def _reconnected(self, error: ConnectionLost) -> WorkingCopy | None:
        """Once in a run, if the phone is still there: continue over a new connection."""
        if not self._request.retry or not self._phone.is_there():
            return None
        over_wifi = self._phone.connection == "WiFi"
        how = (
            f"ibackup looks for the {self._noun} on the network for {_BACK_S / 60:.0f} minutes"
            if over_wifi
            else f"The {self._noun} is still there: ibackup tries once more over a new connection"
        )
        self._observe(
            Caution(
                error.message,
                f"{how} and continues from what has arrived. The phone asks for its passcode again.",
            )
        )
        if over_wifi:
            self._phone.close()  # it has one user at a time
        try:
            self._phone = self._reconnect()
        except (NoPhone, ConnectionLost):
            return None  # the first error says more
        return self._take_over() or self._clone()

    def _start_over(self, working: WorkingCopy, error: IbackupError, start: Start) -> WorkingCopy:
        working.set_aside()
        self._folder.thin_out(self._ended[-1].again + _RESERVE)
        self._observe(
            Caution(
                f"{error.message.rstrip('.')}. What arrived so far is set aside, and the backup starts over.",
                f"Enter the passcode on the {self._noun} again.",
            )
        )
        if start == "clone":
            return self._clone()
        return WorkingCopy.create(self._folder, None, observer=self._observe)

    # -- the session ----------------------------------------------------------------------------------------

    def _receive(self, working: WorkingCopy) -> SessionOutcome:
        kept = working.reconciled.kept_bytes
        self._state, self._received_bytes, self._failed_here = "", 0, False
        with telling("The store could not be written."):
            free = free_bytes(working.path)
        # If a file is missing, the phone calls the backup corrupt and sends everything.
        lacking = any(path != "Info.plist" for path in working.cloned.left_out)
        lacking = lacking or (working.base is not None and bool(working.base.meta.absent))
        base = None if lacking or self._switched(working.base) else working.base
        expected = backup_estimate.estimate(self._phone.facts, base, kept)
        _log.debug("%d bytes free, at most about %s expected", free, expected.bytes)
        by_cable = self._phone.connection == "USB"
        backup_estimate.tell(expected, self._request.store.path, free, self._observe, by_cable=by_cable)
        if expected.first:
            backup_estimate.tell_format(working.path, self._observe)
        working.advance("receiving")
        self._began = True
        with (
            open_to_phone(WorkingFiles, working, self._phone.udid, self._observe) as files,
            self._phone.watch() as is_unplugged,
            self._phone.kept_awake(),
        ):
            previous = _read(os.path.join(working.root, "Info.plist"))
            info = collect(self._phone, previous, observer=self._observe)
            with telling("Info.plist could not be written."):
                files.write_own("Info.plist", info)
            # A pulled cable ends the run at once. The silent connection itself would end only after a minute.
            observe = _without_repetition(self._observe)
            # A continued attempt never requests a full backup, whatever the first attempt did.
            full = working.base is None and not working.run.resumed
            try:
                return self._phone.when_unlocked(
                    lambda: BackupSession(self._phone, files, observe, unplugged=is_unplugged).run(full=full)
                )
            except BaseException:
                files.drop_unread()
                raise
            finally:
                self._received_bytes = files.received_bytes
                self._state = files.state
                self._failed_here = files.failed_here

    def _switched(self, base: Snapshot | None) -> bool:
        """Whether encryption was switched on or off since then, in which case a phone sends everything."""
        wanted = self._phone.facts.will_encrypt
        return base is not None and wanted is not None and wanted != base.meta.encrypted

    def _draft(self, working: WorkingCopy, outcome: SessionOutcome) -> Draft:
        facts = self._phone.facts
        finished = datetime.now(UTC)
        return Draft(
            # As the folder spells it, which may be an older spelling: the backup is there under that name.
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
            flawed=tuple(unread(working)),
        )


def _without_repetition(observe: Observer) -> Observer:
    """Pass on events, but a phase only once in a row.

    A phone repeats the first phase each time we check whether it is still locked.
    """
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
    """Whether a backup's own version is older than what phones build on. They check everything else themselves."""
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


def _result(snapshot: Snapshot, made: _Made, started: datetime, duration: float) -> BackupResult:
    meta = snapshot.meta
    return BackupResult(
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
        flawed=meta.flawed,
        photos=meta.photos,
        started=started,
        duration_s=duration,
    )
