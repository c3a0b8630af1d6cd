"""One phone's turn: check it, back it up, verify the backup, prune, and report."""

from dataclasses import replace
from datetime import timedelta

from ibackup.base.errors import IbackupError, Interrupted, NoPhone, PersonNeeded
from ibackup.base.events import Note, PromptKind
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.base.udids import same_udid
from ibackup.device.phones.found_phones import FoundPhone, find
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.jobs.backup.backup_request import BackupRequest, BackupResult
from ibackup.jobs.nights.known_phones import KnownPhone
from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome
from ibackup.jobs.nights.night_journal import Attempt, JournalState, PhoneRecord
from ibackup.jobs.nights.nightly_proofs import tell_damage
from ibackup.jobs.nights.prompts import Prompts, Unanswered, too_often
from ibackup.jobs.nights.telling import message_texts
from ibackup.jobs.runs.following_up import FollowUp, follow_up, space_low
from ibackup.jobs.runs.whole_backup import make
from ibackup.store.kept_pairings import KeptPairings
from ibackup.store.store import Store

_LOOK_EVERY_S = 5.0
_WHEN_PLUGGED_IN = "When you plug it in: unlock it, tap Trust if it asks, and enter its passcode."
_NOT_ENTERED = 208  # MBErrorDomain
_TRIED: frozenset[JournalState] = frozenset(["unanswered", "failed", "no_power"])


class _NotNow(Exception):
    """The turn ends without an attempt."""

    def __init__(
        self, state: JournalState, message: str, hint: str = "", code: ExitCode = ExitCode.OK
    ) -> None:
        super().__init__(message)
        self.state: JournalState = state
        self.message = message
        self.hint = hint
        self.code = code


def take_turn(job: NightContext, store: Store, phone: KnownPhone) -> PhoneOutcome:
    """Do what can be done for a phone now; the outcome contains any error."""
    outcome = _Turn(job, store, phone).take()
    attempt = outcome.attempt

    def note(record: PhoneRecord) -> PhoneRecord:
        failures = record.failures + 1 if attempt.state in _TRIED else 0
        return replace(record, last=attempt, failures=failures)

    job.remember(phone, note)
    return outcome


class _Turn:
    def __init__(self, job: NightContext, store: Store, phone: KnownPhone) -> None:
        self._job = job
        self._store = store
        self._phone = phone
        self._folder = store.phone(phone.udid)

    def take(self) -> PhoneOutcome:
        job, phone = self._job, self._phone
        try:
            if not job.is_due(phone, self._folder):
                return self._outcome("not_due", "")
            found = self._look()
            self._check(found)
            found = self._unlocked(found)
            return self._after(self._back_up(found))
        except _NotNow as reason:
            codes = frozenset([reason.code] if reason.code else [])
            return self._outcome(reason.state, reason.message, reason.hint, codes=codes, code=reason.code)
        except IbackupError as error:
            return self._failed(error)

    # -- before ---------------------------------------------------------------------------------------------

    def _look(self) -> FoundPhone:
        """The currently connected phone."""
        try:
            connected = find(
                limits=self._job.config.limits,
                observer=self._job.observe,
                wifi=OverWifi(KeptPairings()),
                only=self._phone.udid,
            )
        except NoPhone:
            connected = []  # no usbmuxd runs; on Linux that is so while nothing is plugged in
        for each in connected:
            if same_udid(each.udid, self._phone.udid):
                if each.trust == "busy":
                    raise _NotNow("waiting", f"Another run of ibackup uses {self._phone.name} over Wi-Fi.")
                if each.trust == "unreachable" and each.problem is not None:
                    raise each.problem
                return each
        raise _NotNow(
            "absent",
            f"{self._phone.name} is not connected.",
            "Plug it in this evening, and unlock it once.",
        )

    def _check(self, found: FoundPhone) -> None:
        """Whether the turn may begin now."""
        job, phone, facts = self._job, self._phone, found.facts
        if job.config.nightly.power and facts.external_power is False:
            raise _NotNow(
                "no_power",
                f"{phone.name} is not connected to power.",
                "Connect it to a port or hub that supplies power, or set power = false in [nightly].",
            )
        self._check_someone(found)
        record = job.record(phone)
        if record.prompts >= job.config.nightly.max_prompts:
            left_alone, last = too_often(phone, record.prompts), record.last
            if last is not None and last.state == "failed" and record.failures:
                # That is what prevents the backup, not that nobody was there.
                raise _NotNow("failed", last.message, left_alone.hint, last.code)
            raise left_alone

    def _check_someone(self, found: FoundPhone) -> None:
        """Over Wi-Fi, nobody may be near the phone: ask for its passcode only if someone seems to be."""
        job, now = self._job, self._job.clock.now()
        if found.connections[0] != "WiFi" or job.asked:
            return
        if found.facts.locked is False:
            job.signs.note(found.udid, now)
        if not job.signs.fresh(found.udid, now):
            raise _NotNow(
                "absent",
                f"{self._phone.name} is in reach over Wi-Fi, but locked, and nobody seems to be at it.",
                "Unlock it this evening, or plug it in.",
            )

    def _unlocked(self, found: FoundPhone) -> FoundPhone:
        """The phone, once someone has unlocked it."""
        job = self._job
        limit_s = 0.0 if job.once else job.config.nightly.answer_within_s
        end = job.clock.now() + timedelta(seconds=limit_s)
        if found.trust == "locked":
            self._ask("unlock", found)
        while found.trust == "locked":
            if job.clock.now() >= end:
                raise Unanswered(
                    f"{self._phone.name} is locked.",
                    hint="Unlock it with its passcode when you plug it in.",
                )
            job.clock.pause(_LOOK_EVERY_S)
            found = self._look()
        return found

    def _ask(self, kind: PromptKind, found: FoundPhone) -> None:
        message = message_texts.needs_person(kind, found.facts.noun, self._phone.name)
        self._job.alarm(self._phone, message, kind)

    # -- the backup -----------------------------------------------------------------------------------------

    def _back_up(self, found: FoundPhone) -> BackupResult:
        job = self._job
        left = job.config.nightly.max_prompts - job.record(self._phone).prompts
        request = BackupRequest(
            store=self._store,
            unlocker=job.unlocker,
            udid=found.udid,
            patience=0.0 if job.once else job.patience,
            limits=job.config.limits,
            retry=left > 1,
            attempts=min(left, 2),
        )
        # Of several phones on the desk only one shows the prompt.
        job.observe(Note(f"Now {self._phone.name}."))
        over_wifi = found.connections[0] == "WiFi"
        if over_wifi:
            # It may be in another room: the message comes before the prompt, which stands only for a minute.
            self._job.teller.tell(message_texts.needs_person("passcode", found.facts.noun, self._phone.name))
        prompts = Prompts(job, self._phone, found.facts.noun, announced=over_wifi)
        try:
            return make(request, job.config, prompts)
        except PersonNeeded as error:
            if error.error_code == _NOT_ENTERED and not prompts.count:
                # Dismissed on the phone before we noticed.
                job.remember(self._phone, lambda record: replace(record, prompts=record.prompts + 1))
            raise

    # -- after ----------------------------------------------------------------------------------------------

    def _after(self, result: BackupResult) -> PhoneOutcome:
        job, phone = self._job, self._phone
        job.teller.tell(message_texts.done(phone.name, result.files, size_text(result.bytes), result.flaws))
        after = follow_up(self._store, result, job.config, job.unlocker, job.observe, prove=True)
        if after.proof is not None:
            tell_damage(job, phone, self._folder, after.proof)
        _alarm_of_space(job, self._store.path, after.space_low)
        return self._outcome(
            "done",
            result.flaws,
            codes=after.codes | ({result.code} - {ExitCode.OK}),
            snapshot=result.snapshot,
            after=after,
        )

    def _failed(self, error: IbackupError) -> PhoneOutcome:
        job, phone = self._job, self._phone
        if isinstance(error, NoPhone):
            return self._outcome("absent", error.message, error.hint)
        if isinstance(error, (PersonNeeded, Interrupted)) and not error.lasting:
            # The usual hints are for someone who has just run a command.
            hint = error.hint if isinstance(error, Unanswered) else _WHEN_PLUGGED_IN
            return self._outcome("unanswered", error.message, hint)
        job.alarm(phone, message_texts.failed(phone.name, error), f"failed {int(error.exit_code)}")
        codes = frozenset([error.exit_code])
        outcome = self._outcome("failed", error.message, error.hint, codes=codes, code=error.exit_code)
        return replace(outcome, lasting=error.lasting)

    def _outcome(
        self,
        state: JournalState,
        message: str,
        hint: str = "",
        *,
        code: ExitCode = ExitCode.OK,
        codes: frozenset[ExitCode] = frozenset(),
        snapshot: str = "",
        after: FollowUp | None = None,
    ) -> PhoneOutcome:
        job = self._job
        attempt = Attempt(job.clock.now(), state, code, message, snapshot, job.program)
        standing = self._folder.standing()
        return PhoneOutcome(
            self._phone,
            attempt,
            hint,
            codes,
            standing.made,
            standing.is_stale(self._phone.rules.max_age_s, job.clock.now()),
            job.record(self._phone).prompts,
            (after.proof,) if after and after.proof else (),
            tuple(each.id for each in after.pruned.going) if after and after.pruned else (),
            icloud_hint=after.icloud_hint if after else None,
        )


def look_at_the_space(job: NightContext, path: str) -> None:
    """Notify once a night if the store's disk is filling up."""
    _alarm_of_space(job, path, space_low(path, job.config.nightly.min_free_bytes, job.observe))


def _alarm_of_space(job: NightContext, path: str, free: int | None) -> None:
    """Notify once a night that this is all that is free."""
    if free is not None:
        job.alarm_all(message_texts.room_low(path, size_text(free)), "room_low")
