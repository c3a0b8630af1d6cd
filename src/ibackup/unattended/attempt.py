"""One phone's turn: look at it, back it up, prove what was made, prune, and say how it went."""

from dataclasses import replace
from datetime import timedelta

from ibackup.backup import Request, Result, back_up
from ibackup.config import same_udid
from ibackup.device import FoundPhone, find
from ibackup.device.refusals import size
from ibackup.errors import ExitCode, IbackupError, Interrupted, NoPhone, PersonNeeded
from ibackup.events import Caution, PromptKind
from ibackup.keeping.pruning import after_success
from ibackup.keeping.retention import Rules
from ibackup.store import Store, free_bytes
from ibackup.store.trouble import telling
from ibackup.unattended import due
from ibackup.unattended.job import Job, PhoneOutcome, ProofDone
from ibackup.unattended.journal import Attempt, PhoneRecord, State
from ibackup.unattended.phones import KnownPhone
from ibackup.unattended.prompts import Prompts, Unanswered, too_often
from ibackup.unattended.proofs import prove_one
from ibackup.unattended.telling import messages

_LOOK_EVERY_S = 5.0
_WHEN_PLUGGED_IN = "When it is plugged in: unlock it, tap Trust if it asks, and enter its passcode."
_NOT_ENTERED = 208  # MBErrorDomain
_TRIED: frozenset[State] = frozenset(["unanswered", "failed", "no_power"])


class _NotNow(Exception):
    """The turn ends without an attempt."""

    def __init__(self, state: State, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.state: State = state
        self.message = message
        self.hint = hint


def take_turn(job: Job, store: Store, phone: KnownPhone) -> PhoneOutcome:
    """Do what can be done for a phone now; whatever goes wrong is in the outcome."""
    outcome = _Turn(job, store, phone).take()
    attempt = outcome.attempt

    def note(record: PhoneRecord) -> PhoneRecord:
        failures = record.failures + 1 if attempt.state in _TRIED else 0
        return replace(record, last=attempt, failures=failures)

    job.remember(phone, note)
    return outcome


class _Turn:
    def __init__(self, job: Job, store: Store, phone: KnownPhone) -> None:
        self._job = job
        self._store = store
        self._phone = phone
        self._folder = store.phone(phone.udid)

    def take(self) -> PhoneOutcome:
        job, phone = self._job, self._phone
        try:
            if not due.is_due(phone.rules, job.newest(self._folder), job.clock.now()):
                return self._outcome("not_due", "")
            found = self._look()
            self._check(found)
            found = self._unlocked(found)
            return self._after(self._back_up(found))
        except _NotNow as reason:
            return self._outcome(reason.state, reason.message, reason.hint)
        except IbackupError as error:
            return self._failed(error)

    # -- before ---------------------------------------------------------------------------------------------

    def _look(self) -> FoundPhone:
        """The phone as it is connected now."""
        try:
            connected = find(observer=self._job.observe)
        except NoPhone:
            connected = []  # no usbmuxd runs; on Linux that is so while nothing is plugged in
        for each in connected:
            if same_udid(each.udid, self._phone.udid):
                if each.trust == "unreachable" and each.problem is not None:
                    raise each.problem
                return each
        raise _NotNow(
            "absent",
            f"{self._phone.name} is not connected.",
            "Plug it in in the evening, and unlock it once.",
        )

    def _check(self, found: FoundPhone) -> None:
        """Whether this is a moment to begin."""
        job, phone, facts = self._job, self._phone, found.facts
        if job.config.nightly.power and facts.external_power is False:
            raise _NotNow(
                "no_power",
                f"{phone.name} has no external power.",
                "Connect it to a port or a hub that gives it power; or power = false in [nightly].",
            )
        prompts = job.record(phone).prompts
        if prompts >= job.config.nightly.max_prompts:
            raise too_often(phone, prompts)

    def _unlocked(self, found: FoundPhone) -> FoundPhone:
        """The phone as soon as somebody has unlocked it."""
        job = self._job
        limit_s = 0.0 if job.once else job.config.nightly.answer_within_s
        end = job.clock.now() + timedelta(seconds=limit_s)
        if found.trust == "locked":
            self._ask("unlock", found)
        while found.trust == "locked":
            if job.clock.now() >= end:
                raise Unanswered(
                    f"{self._phone.name} is locked.",
                    hint="Unlock it with its passcode when it is plugged in.",
                )
            job.clock.pause(_LOOK_EVERY_S)
            found = self._look()
        return found

    def _ask(self, kind: PromptKind, found: FoundPhone) -> None:
        message = messages.needs_person(kind, found.facts.noun, self._phone.name)
        self._job.alarm(self._phone, message, kind)

    # -- the backup -----------------------------------------------------------------------------------------

    def _back_up(self, found: FoundPhone) -> Result:
        job = self._job
        left = job.config.nightly.max_prompts - job.record(self._phone).prompts
        request = Request(
            store=self._store,
            password=job.password,
            udid=found.udid,
            patience=0.0 if job.once else job.patience,
            retry=left > 1,
        )
        prompts = Prompts(job, self._phone, found.facts.noun)
        try:
            return back_up(request, prompts)
        except PersonNeeded as error:
            if error.error_code == _NOT_ENTERED and not prompts.count:
                # Dismissed on the phone before we heard of it.
                job.remember(self._phone, lambda record: replace(record, prompts=record.prompts + 1))
            raise

    # -- after ----------------------------------------------------------------------------------------------

    def _after(self, result: Result) -> PhoneOutcome:
        job, phone = self._job, self._phone
        codes: set[ExitCode] = set()
        unread = sum(not file.expected for file in result.unreadable)
        if unread:
            codes.add(ExitCode.UNREADABLE_FILES)
        job.teller.tell(messages.done(phone.name, result.files, size(result.bytes)))
        snapshot = self._folder.find(result.snapshot)
        proof, found = prove_one(job, phone, self._folder, snapshot, "quick")
        codes |= found
        pruned, trouble = self._prune()
        codes |= trouble
        look_at_the_room(job, self._store.path)
        but = f"The phone could not read {unread:,} of its files; the rest is backed up." if unread else ""
        return self._outcome(
            "done", but, codes=frozenset(codes), snapshot=result.snapshot, proofs=(proof,), pruned=pruned
        )

    def _prune(self) -> tuple[tuple[str, ...], set[ExitCode]]:
        """Remove what the config's rule does not keep; without a rule nothing goes."""
        job = self._job
        try:
            done = after_success(self._folder, Rules.configured(self._phone.rules.prune), job.observe)
        except IbackupError as error:
            job.observe(Caution(f"Old snapshots could not be removed. {error.message}", error.hint))
            return (), {error.exit_code}
        return tuple(each.id for each in done.going) if done else (), set()

    def _failed(self, error: IbackupError) -> PhoneOutcome:
        job, phone = self._job, self._phone
        if isinstance(error, NoPhone):
            return self._outcome("absent", error.message, error.hint)
        if isinstance(error, (PersonNeeded, Interrupted)):
            # The phone's own hints speak to somebody who has just run a command.
            hint = error.hint if isinstance(error, Unanswered) else _WHEN_PLUGGED_IN
            return self._outcome("unanswered", error.message, hint)
        job.alarm(phone, messages.failed(phone.name, error), f"failed {int(error.exit_code)}")
        codes = frozenset([error.exit_code])
        return self._outcome("failed", error.message, error.hint, codes=codes, code=error.exit_code)

    def _outcome(
        self,
        state: State,
        message: str,
        hint: str = "",
        *,
        code: ExitCode = ExitCode.OK,
        codes: frozenset[ExitCode] = frozenset(),
        snapshot: str = "",
        proofs: tuple[ProofDone, ...] = (),
        pruned: tuple[str, ...] = (),
    ) -> PhoneOutcome:
        job = self._job
        attempt = Attempt(job.clock.now(), state, code, message, snapshot, job.program)
        newest = job.newest(self._folder)
        return PhoneOutcome(
            self._phone,
            attempt,
            hint,
            codes,
            newest,
            due.is_stale(self._phone.rules.max_age_s, newest, job.clock.now()),
            job.record(self._phone).prompts,
            proofs,
            pruned,
        )


def look_at_the_room(job: Job, path: str) -> None:
    """Tell people, once a night, when the store's disk fills up; the phone itself says whether a backup still fits."""
    with telling("The room on the store's disk could not be told."):
        free = free_bytes(path)
    if free < job.config.nightly.min_free_bytes:
        message = messages.room_low(path, size(free))
        job.observe(Caution(message.text))
        job.alarm_all(message, "room_low")
