"""What the keeper of a fleet does each night: it looks into the repositories itself, and takes no computer's word.

It checks each repository and reads a share of its data, compares a sample of phones with the seals that lie with their
snapshots, removes what no rule keeps, tests one restore a month, and writes down, signed, what it found.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ibackup.base.counts import count_text
from ibackup.base.errors import IbackupError, PhoneBusy
from ibackup.base.events import Caution, Note, Observer, PhaseStarted
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.copies.copy_errors import CopyLocked
from ibackup.copies.copy_records import CopyProof, CopyRecord
from ibackup.copies.fleet import keeper_findings
from ibackup.copies.fleet.host_statuses import shown
from ibackup.copies.fleet.keeper_findings import KeeperFinding, KeeperFindings
from ibackup.copies.fleet.keeper_removals import KeeperRemovals
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.matching import match_in_full
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.plain_lock import PlainLock
from ibackup.copies.restic_upkeep import restic_of
from ibackup.jobs.copy_rehearsal import rehearse_copy
from ibackup.jobs.copying.copy_pruning import CopyPrunePlan, prune_copy
from ibackup.jobs.copying.copy_run import by_id, matched, prove_repository, with_missed
from ibackup.jobs.copying.part_fetching import partly_fetched
from ibackup.jobs.fleet.fleet_judging import replaced
from ibackup.jobs.fleet.fleet_overview import read_findings
from ibackup.jobs.fleet.object_locking import extend_locks
from ibackup.jobs.fleet.opened_fleet import Hosts, OpenedFleet, copy_name
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.freshness import is_due
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.used_stores import state_dir
from ibackup.vault.unlocker import Unlocker

_NIGHTS = 30
"""In how many nights every phone has been in the sample."""
_PAGE = "index.html"
_REHEARSE_S = timedelta(days=30).total_seconds()
_NOTHING_REMOVED = timedelta(days=90)
"""For how long nothing is removed of the phones of a computer that was revoked."""
_INTRUDER = "Find out who else may write to that place."


@dataclass
class Keeping:
    """What a night of the keeper did.

    Attributes:
        findings: what it found in each phone's repository, by UDID.
        matched: the phones of the sample.
        rehearsed: the phone whose restore was tested; empty if it was time for none.
        removed: the snapshots that no rule kept, by UDID.
        reports_removed: how many old reports.
        locks_extended: how many objects are locked for longer now.
        errors: what could not be done, by UDID.
    """

    findings: dict[str, KeeperFinding] = field(default_factory=dict)
    matched: tuple[str, ...] = ()
    rehearsed: str = ""
    removed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reports_removed: int = 0
    locks_extended: int = 0
    errors: dict[str, IbackupError] = field(default_factory=dict)

    @property
    def code(self) -> ExitCode:
        """Damage first, then the worst of what could not be done."""
        if any(not each.good for each in self.findings.values()):
            return ExitCode.DAMAGE
        return worst(error.exit_code for error in self.errors.values())


def keep(
    fleet: OpenedFleet, rules_of: Callable[[str], RetentionRules], unlocker: Unlocker, observe: Observer
) -> Keeping:
    """One night of the keeper. Two at once exclude each other, also on different computers.

    Args:
        fleet: with the keeper's secret.
        rules_of: the rules for the snapshots of a phone, by its UDID.
        unlocker: has backup passwords, for restore tests of encrypted backups.
        observe: gets the events.

    Raises:
        CopyLocked: another keeper is at work.
        IbackupError: the place cannot be reached.
    """
    done = Keeping()
    fleet.secret  # noqa: B018 - says at once that this computer is not the keeper
    lock = PlainLock(fleet.bucket.program, keeper_findings.FOLDER, "keeping the fleet")
    with _alone(), lock.held_throughout():
        hosts = fleet.hosts()
        if hosts.forged:
            count = count_text(len(hosts.forged), "computer")
            observe(Caution(f"The keeper did not sign the record of {count}: {hosts.forged[0]}.", _INTRUDER))
        _, forged = read_findings(fleet)
        if forged is not None:
            observe(Caution(forged.text, f"It is written again at the end. {_INTRUDER}"))
        turns = _longest_waiting_first(
            [_PhonesTurn(fleet, udid, ident) for udid, ident in hosts.repositories().items()]
        )
        to_rehearse = _to_rehearse(turns, record_times.now())
        for number, turn in enumerate(turns, 1):
            observe(PhaseStarted("verify", f"Phone {number} of {len(turns)}: {turn.udid}."))
            match = len(done.matched) * _NIGHTS < len(turns)
            with _noted(turn, done, observe):
                turn.run(rules_for(turn.udid, hosts, rules_of, record_times.now()), observe, match=match)
                if turn is to_rehearse and turn.rehearse(unlocker, observe):
                    done.rehearsed = turn.udid
            with _noted(turn, done, observe):  # what is damaged or busy needs its locks, too
                done.locks_extended += extend_locks(fleet, turn.udid, turn.folder, record_times.now())
            if turn.compared:
                done.matched = (*done.matched, turn.udid)
            done.findings[turn.udid] = turn.finding
            if turn.removed:
                done.removed[turn.udid] = turn.removed
        done.findings = dict(sorted(done.findings.items()))
        findings = KeeperFindings(record_times.now(), done.findings)
        fleet.bucket.put(keeper_findings.PATH, findings.signed(fleet.secret.key))
        old = replaced(hosts, fleet.bucket.status_names(), fleet.bucket.statuses, record_times.now())
        fleet.bucket.remove(old)
        done.reports_removed = len(old)
    return done


def rules_for(
    udid: str, hosts: Hosts, rules_of: Callable[[str], RetentionRules], now: datetime
) -> RetentionRules:
    """The rules for a phone's snapshots; none that would remove any, for a while after a computer of it was revoked.

    A stolen computer may have added whole snapshots of nonsense, for the rules to count in place of true ones.

    Args:
        udid: of the phone.
        hosts: who belongs to the fleet.
        rules_of: the rules that the user set.
        now: the time.
    """
    revoked = [each for each in hosts.genuine.values() if each.revoked and udid in each.repositories]
    lately = any(now - each.changed < _NOTHING_REMOVED for each in revoked)
    return RetentionRules() if lately else rules_of(udid)


@contextlib.contextmanager
def _noted(turn: "_PhonesTurn", done: Keeping, observe: Observer) -> Iterator[None]:
    """What goes wrong with one phone does not keep the keeper from the others."""
    try:
        yield
    except IbackupError as error:
        if error.exit_code is ExitCode.INTERRUPTED:
            raise
        observe(Caution(error.message, error.hint))
        done.errors.setdefault(turn.udid, error)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One keeper of this user at a time. Raises CopyLocked."""
    with telling("The keeper's work could not be locked."):
        durable.make_dir(_folder(), parents=True)
    lock = PhoneLock(os.path.join(_folder(), "keeper.lock"))
    try:
        lock.acquire()
    except PhoneBusy as error:
        raise CopyLocked("Another run of the keeper is at work.", hint=error.hint) from None
    try:
        yield
    finally:
        lock.release()


def _folder() -> str:
    return os.path.join(state_dir(), "fleet")


class _PhonesTurn:
    """Looks after one phone's repository. The keeper's own records of it are in this user's state."""

    def __init__(self, fleet: OpenedFleet, udid: str, repository_id: str) -> None:
        self.udid = udid
        self.folder = PhoneFolder(os.path.join(_folder(), udid))
        self.removed: tuple[str, ...] = ()
        self.compared = False
        self._checked: datetime | None = None
        self._fleet = fleet
        self._repository = repository_id
        self._problems: list[str] = []

    @property
    def record(self) -> CopyRecord:
        """What the keeper knows of the repository."""
        return CopyRecord.read(self.folder.proofs_path, copy_name(self.udid), self._repository)

    @property
    def finding(self) -> KeeperFinding:
        """What was found, with what an earlier night found of what this one did not look at."""
        record = self.record
        problems = [*self._problems]
        problems += [
            f"{proof.snapshot or 'The repository'}: {text}"
            for proof in record.proofs
            if not proof.good
            for text in proof.problems[:1]
        ]
        newest = max((each.id for each in record.copied), default="")
        return KeeperFinding(
            len(record.copied),
            newest,
            self._checked or _last(record.proofs, "stored"),
            _last(record.proofs, "matched"),
            _last(record.proofs, "rehearsed"),
            tuple(map(shown, problems)),
        )

    def run(self, rules: RetentionRules, observe: Observer, *, match: bool) -> None:
        """Look, check, compare if it is in the sample, and remove. Raises IbackupError."""
        self.folder.make()
        config = self._fleet.copy_of(self.udid, self._repository)
        copy = OpenedCopy.open(config, self._fleet.secret.password_of(self.udid))
        with copy.alone():
            copy.require()
            held = self._held(copy)
            proofs = prove_repository(copy, [self.folder], observe)
            self._checked = _last(proofs, "stored")
            if match and held:
                self._match(copy, self._next_to_match(held), observe)
                self.compared = True
        if rules.any:
            plans = prune_copy(
                copy, [self.folder], lambda _udid: rules, observe, agreed=self._announced, as_keeper=True
            )
            self.removed = tuple(each.id for plan in plans for each in plan.going)

    def _announced(self, plans: Sequence[CopyPrunePlan]) -> bool:
        """Say in the bucket what goes before it does, so that no computer misses it, even if this run is killed."""
        going = tuple(each.id for plan in plans for each in plan.going)
        removals = self._fleet.removals(self.udid).with_more(going)
        self._fleet.bucket.put(KeeperRemovals.path_for(self.udid), removals.signed(self._fleet.secret.key))
        return True

    def rehearse(self, unlocker: Unlocker, observe: Observer) -> bool:
        """Test a restore of the newest snapshot; False if its password is not kept here. Raises IbackupError."""
        config = self._fleet.copy_of(self.udid, self._repository)
        copy = OpenedCopy.open(config, self._fleet.secret.password_of(self.udid))
        held = max(
            (each for each in copy.engine.held() if each.udid == self.udid),
            key=lambda each: each.id,
            default=None,
        )
        if held is None:
            return False
        try:
            rehearse_copy(copy, held, self.folder, unlocker, observe)
        except IbackupError as error:
            if error.exit_code is not ExitCode.PASSWORD:
                raise
            observe(
                Note(f"No restore test of {self.udid}: its backup password is not kept on this computer.")
            )
            return False
        return True

    def _held(self, copy: OpenedCopy) -> dict[str, HeldSnapshot]:
        """The snapshots there; what vanished since the last night is a problem until someone looked at it."""
        known = self.record
        held = by_id(copy.engine.held(), self.udid, known)
        missed = with_missed(known, held, copy.engine.kind)
        if missed.missed:
            self._problems.append(
                f"{count_text(len(missed.missed), 'snapshot')} vanished or was replaced: {missed.missed[0]}."
            )
        ahead = [each.id for each in held.values() if each.is_ahead(record_times.now())]
        if ahead:
            self._problems.append(f"{count_text(len(ahead), 'snapshot')} dated in the future: {ahead[0]}.")
        record = missed.only(held)
        for each in held.values():
            record = record.with_found(each)
        if record != known:
            record.write(self.folder.proofs_path, copy.name)
        return held

    def _next_to_match(self, held: dict[str, HeldSnapshot]) -> HeldSnapshot:
        """The newest that was never compared, or else the one that was compared longest ago."""
        record = self.record
        never = datetime.min.replace(tzinfo=UTC)

        def order(each: HeldSnapshot) -> tuple[datetime, int]:
            proof = record.proof("matched", each.id)
            return (proof.when if proof else never, -int(each.id[:8] + each.id[9:15]))

        return min(held.values(), key=order)

    def _match(self, copy: OpenedCopy, held: HeldSnapshot, observe: Observer) -> None:
        """Compare a snapshot with the seal that lies with it; only files that restic has cut are fetched."""
        engine = restic_of(copy.engine)
        try:
            with partly_fetched(copy, held, _folder(), observe, whole=False) as part:
                cut = {path for path, pieces in engine.pieces(held).items() if len(pieces) > 1}
                part.fetch_paths(cut & part.expected.sums.keys())
                proof = matched(held.id, match_in_full(engine, held, part.expected, observe))
        except IbackupError as error:
            if error.exit_code is not ExitCode.DAMAGE:
                raise
            proof = CopyProof("matched", record_times.now(), "damaged", held.id, problems=(error.message,))
        self.record.with_proof(proof).write(self.folder.proofs_path, copy.name)


def _last(proofs: Sequence[CopyProof], level: str) -> datetime | None:
    return max((each.when for each in proofs if each.level == level and each.good), default=None)


def _longest_waiting_first(turns: Sequence[_PhonesTurn]) -> list[_PhonesTurn]:
    """First the phones that were compared longest ago, whatever the result was."""
    never = datetime.min.replace(tzinfo=UTC)

    def last(turn: _PhonesTurn) -> datetime:
        return max((each.when for each in turn.record.proofs if each.level == "matched"), default=never)

    return sorted(turns, key=lambda turn: (last(turn), turn.udid))


def _to_rehearse(turns: Sequence[_PhonesTurn], now: datetime) -> _PhonesTurn | None:
    """The phone whose restore was tested longest ago, if no restore was tested for a month.

    Of those that never were, each night another one: for some, the keeper has no password, and they would bar the way.
    """
    times = [(_last(turn.record.proofs, "rehearsed"), turn) for turn in turns]
    newest = max((when for when, _ in times if when is not None), default=None)
    if not turns or not is_due(newest, _REHEARSE_S, now):
        return None
    never = datetime.min.replace(tzinfo=UTC)

    def order(each: tuple[datetime | None, _PhonesTurn]) -> tuple[bool, datetime, bytes]:
        when, turn = each
        lot = hashlib.sha256(f"{turn.udid} {now:%Y%m%d}".encode()).digest()
        return not turn.record.copied, when or never, lot

    return min(times, key=order)[1]


def publish(fleet: OpenedFleet, page: str) -> None:
    """Put the page with all phones into the bucket. Raises IbackupError."""
    fleet.bucket.put(_PAGE, page.encode())
