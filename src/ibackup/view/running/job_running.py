"""Runs an order in this process: the job that the command line has for it, and what came of it as plain values."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ibackup.apple.backup import Backup
from ibackup.base.errors import IbackupError, PasswordNeeded, UsageError
from ibackup.base.events import Caution, Observer
from ibackup.base.exit_codes import ExitCode
from ibackup.config import config_file
from ibackup.config.config_schema import Config
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.setting_up import has_password_source, keep_for_nights
from ibackup.store.disk import record_times
from ibackup.store.store import Store, if_made
from ibackup.vault.given_passwords import GivenPasswords
from ibackup.vault.keychain import Keychain, KeychainTrouble
from ibackup.vault.unlocker import Unlocker
from ibackup.view.running.job_order import (
    BackUpWork,
    EncryptionWork,
    ExportWork,
    HealWork,
    JobOrder,
    PruneWork,
    RehearseWork,
    RestoreWork,
    VerifyWork,
)
from ibackup.view.running.job_outcome import JobOutcome, Question

_PATIENCE_S = 300.0
"""How long to wait for someone at the phone: there is someone, at the page."""
_MOST_NAMED = 200
_LOCKED = "This backup is locked: open it with its backup password first."


def run_order(order: JobOrder, observe: Observer) -> JobOutcome:
    """Do what was ordered. No error of a job leaves it: it becomes the outcome.

    Raises:
        KeyboardInterrupt: someone stopped it.
    """
    running = _Running(order, observe)
    try:
        match order.work:
            case BackUpWork():
                return running.back_up(order.work)
            case VerifyWork():
                return running.verify(order.work)
            case RehearseWork():
                return running.rehearse(order.work)
            case HealWork():
                return running.heal(order.work)
            case RestoreWork():
                return running.restore(order.work)
            case PruneWork():
                return running.prune(order.work)
            case EncryptionWork():
                return running.change_encryption(order.work)
            case ExportWork():
                return running.export(order.work)
    except IbackupError as error:
        return JobOutcome.of_error(error, running.question, running.found)


@dataclass
class _Running:
    """One order.

    Attributes:
        question: what could be asked, so that an error becomes a question.
        found: what is known already when an error ends the job.
    """

    order: JobOrder
    observe: Observer
    question: Question = ""
    found: dict[str, Any] = field(default_factory=dict)

    # -- what the jobs need -----------------------------------------------------------------------------------

    @cached_property
    def config(self) -> Config:
        return config_file.load(self.order.config)

    def store(self, *, create: bool = False) -> Store:
        return Store.open(self.order.store, create=create, observer=self.observe)

    def store_if_any(self) -> Store | None:
        """The store, None before the first backup and for a folder of another program."""
        return if_made(self.store) if self.order.store else None

    @cached_property
    def proving(self) -> Unlocker:
        """What may open a backup to prove it: the session's password, else what `now` would use."""
        sources = GivenPasswords(self.config.phone, self.observe)
        given = self.order.password
        if given is not None:
            return Unlocker(lambda _udid: given, observe=self.observe)
        return Unlocker(sources.find, find_keychain=sources.find_keychain, observe=self.observe)

    @cached_property
    def showing(self) -> Unlocker:
        """What may open a backup for the person at the page: the password typed there, and nothing else."""
        given = self.order.password
        return Unlocker(lambda _udid: given, observe=self.observe)

    def source(self, snapshot: str) -> BackupSource:
        if self.order.folder:
            return BackupSource(self.order.folder)
        found = self.store().phone(self.order.udid).find(snapshot)
        return BackupSource(found.backup_path, found)

    def may_name_files(self, source: BackupSource) -> bool:
        """Whether names from inside the backup may be shown: not those that only the config's password opened."""
        encrypted = source.snapshot.meta.encrypted if source.snapshot else True
        return self.order.password is not None or not encrypted

    def vouching(self, *, new_key: bool) -> Callable[[IbackupError], bool]:
        def vouches(_error: IbackupError) -> bool:
            if not new_key:
                self.question = "new-key"
            return new_key

        return vouches

    def may_copy(self, _error: IbackupError) -> bool:
        self.question = "copies"
        return False

    # -- the jobs ---------------------------------------------------------------------------------------------

    def back_up(self, work: BackUpWork) -> JobOutcome:
        from ibackup.jobs.backup.backup_request import BackupRequest
        from ibackup.jobs.runs.whole_backup import run

        request = BackupRequest(
            store=self.store(create=True),
            udid=self.order.udid or None,
            full=work.full,
            copies=work.copies,
            wait=work.wait,
            patience=_PATIENCE_S,
            limits=self.config.limits,
            unlocker=self.proving,
            vouches=self.vouching(new_key=work.new_key),
        )
        done = run(request, self.config, self.observe, may_copy=self.may_copy)
        made, after = done.made, done.after
        result = made.to_members() | {
            "pruned": [each.id for each in after.pruned.going] if after.pruned else [],
            "icloud_hint": after.icloud_hint,
            "space_low": after.space_low,
        }
        if work.keep and self.order.password and made.encrypted:
            if made.checked == "manifest":
                result |= self.keep(made.udid, made.device_name, self.order.password, self.keychain())
            else:
                result["not_kept"] = (
                    "The password that you typed does not open this backup, so it was not kept."
                )
        return JobOutcome(made.code, made.flaws, hint=made.advice, result=result)

    def keychain(self) -> Keychain | None:
        """The system's keychain; None, with a warning if one is there and cannot be used."""
        try:
            return Keychain.open()
        except KeychainTrouble as error:
            self.observe(Caution(error.message, error.hint))
            return None

    def is_source_named(self, udid: str) -> bool:
        """Whether the config file says where the nights get the phone's password from."""
        known = self.config.phone(udid)
        return known is not None and has_password_source(known)

    def keep(self, udid: str, name: str, password: str, keychain: Keychain | None) -> dict[str, str]:
        """Keep the right password for the nights: in the keychain, or without one in a file; what came of it."""
        path = Path(self.order.config) if self.order.config else config_file.default_path()
        try:
            if keychain is not None and not self.is_source_named(udid):
                keychain.keep(udid, password)
                return {"kept_in": "keychain"}
            file = keep_for_nights(path.expanduser(), self.config, udid, name, password)
        except IbackupError as error:
            return {"not_kept": f"{error.message} {error.hint}".strip()}
        return {"kept_in": file}

    def verify(self, work: VerifyWork) -> JobOutcome:
        from ibackup.apple.verify.findings import Finding, Level
        from ibackup.jobs.proving.proof_run import ProofRun

        source = self.source(work.snapshot)
        named: list[dict[str, object]] = []

        def hear(finding: Finding) -> None:
            if (finding.is_damage or finding.is_flaw) and len(named) < _MOST_NAMED:
                named.append({"domain": finding.domain, "path": finding.path, "kind": finding.kind.value})

        run = ProofRun(Level(work.level), self.proving, hear, self.observe)
        run.prove(source, alone=True)
        verdict = run.verdicts[-1]
        result = {
            "snapshot": verdict.snapshot,
            "status": verdict.status,
            "level": verdict.summary.level.value,
            "files": verdict.files,
            "bytes": verdict.bytes,
            "damaged": verdict.summary.damage,
            "flaws": verdict.summary.flaws,
            "has_all_files": verdict.has_all_files,
            "intact_elsewhere": len(verdict.intact_in),
            "named": named if self.may_name_files(source) else [],
            "copied": list(self.copied(source)) if verdict.status == "damaged" else [],
        }
        what, why = "", ""
        if verdict.status == "damaged":
            what = (
                "No file of the backup is lost, but a phone does not take it like this."
                if verdict.has_all_files
                else "Damage was found in this backup."
            )
        elif run.failures:
            what, why = run.failures[0].error.what, run.failures[0].error.why
        elif verdict.status == "flawed":
            what = "The backup is what the phone sent, but some files differ from the phone's own list."
        return JobOutcome(run.code, what, why, result=result)

    def copied(self, source: BackupSource) -> tuple[str, ...]:
        """The second copies that have a snapshot."""
        from ibackup.copies.whole_elsewhere import copies_with
        from ibackup.store.phone_folder import PhoneFolder

        folder = PhoneFolder.holding(source.snapshot) if source.snapshot else None
        if source.snapshot is None or folder is None:
            return ()
        return copies_with(folder, source.snapshot.id, self.config.copies)

    def heal(self, work: HealWork) -> JobOutcome:
        from ibackup.jobs.copying import snapshot_healing
        from ibackup.jobs.copying.kept_copies import copies_for, opened_with_kept

        folder = self.store().phone(self.order.udid)
        if work.snapshot not in [each.id for each in folder.entries()]:
            raise UsageError("This backup is not here any more.")
        configs = copies_for(self.config, folder.udid)
        copies = snapshot_healing.HealingCopies(
            {each.name: partial(opened_with_kept, each, self.observe) for each in configs}, self.observe
        )
        done = snapshot_healing.heal(
            folder, work.snapshot, copies, [each.name for each in configs], self.observe
        )
        code = snapshot_healing.exit_code([done], copies)
        result = {
            "snapshot": done.id,
            "damaged": len(done.damaged),
            "healed": len(done.healed),
            "copies": sorted(set(done.healed.values())),
        }
        if done.is_whole:
            what = snapshot_healing.FLAWED_BEFORE if code is ExitCode.FLAWED else ""
            return JobOutcome(code, what, result=result)
        error = next(iter(copies.errors.values()), None)
        if error is not None and not done.healed:
            return JobOutcome.of_error(error, result=result)
        return JobOutcome(
            code, "Damage is left in this backup.", error.message if error else "", result=result
        )

    def rehearse(self, work: RehearseWork) -> JobOutcome:
        from ibackup.jobs.restore.rehearsal import rehearse

        outcome = rehearse(self.source(work.snapshot), self.proving, self.observe)
        if outcome.error is None:
            return JobOutcome(ExitCode.OK, result=outcome.to_members())
        code = ExitCode.FLAWED if outcome.flawed else ExitCode.DAMAGE
        error = outcome.error
        return JobOutcome(
            code, error.what, error.why, error.hint, error.error_code, result=outcome.to_members()
        )

    def restore(self, work: RestoreWork) -> JobOutcome:
        from ibackup.jobs.restore.restoration import Restoration
        from ibackup.jobs.restore.restore_request import RestoreOptions, RestoreRequest

        options = {
            each.name: getattr(work, each.name) for each in fields(RestoreOptions) if hasattr(work, each.name)
        }
        request = RestoreRequest(
            find=lambda _udid: self.source(work.snapshot),
            options=RestoreOptions(**options),
            unlocker=self.showing,
            udid=work.target or self.order.udid or None,
            verify=work.verify,
            may_erase=work.may_erase,
            pin=not work.only_check,
            despite_flaws=work.despite_flaws,
            patience=_PATIENCE_S,
            limits=self.config.limits,
            store=self.store_if_any(),
            vouches=self.vouching(new_key=work.new_key),
        )
        with Restoration(request, self.observe) as restoration:
            facts, contents, source = restoration.facts, restoration.contents, restoration.source
            self.found = {
                "checks": [
                    {
                        "name": each.name,
                        "outcome": each.outcome,
                        "text": each.text,
                        "hint": each.error.hint if each.error is not None else "",
                    }
                    for each in restoration.checks
                ],
                "snapshot": source.snapshot.id if source.snapshot else "",
                "device_name": facts.name or facts.noun,
                "noun": facts.noun,
                "ios_version": facts.ios_version or "",
                "udid": facts.udid,
                "source_udid": contents.udid,
                "source_name": contents.device_name or "",
                "made": record_times.written(contents.made) if contents.made else None,
                "bytes": contents.bytes,
                "encrypted": contents.encrypted,
                "only_check": work.only_check,
            }
            if restoration.failed is not None:
                raise restoration.failed
            if work.only_check:
                return JobOutcome(ExitCode.OK, result=self.found)
            done = restoration.carry_out()
        sent = {
            "files": done.files,
            "bytes": done.bytes,
            "restarts": done.restarts,
            "installs": done.installs,
            "duration_s": round(done.duration_s, 3),
        }
        return JobOutcome(ExitCode.OK, result=self.found | sent)

    def prune(self, work: PruneWork) -> JobOutcome:
        from dataclasses import replace

        from ibackup.jobs.keeping.pruning import carry_out_all, plan_store, require_rule
        from ibackup.jobs.keeping.retention import RetentionRules

        rules = RetentionRules.configured(self.config.rules(self.order.udid).prune)
        require_rule(rules)
        plans = plan_store(self.store(), rules, self.config, udid=self.order.udid, observe=self.observe)
        agreed = [
            replace(
                each,
                plan=replace(
                    each.plan, going=tuple(going for going in each.plan.going if going.id in work.shown)
                ),
            )
            for each in plans
        ]
        done = carry_out_all(agreed, self.observe)
        result = {
            "removed": [going.id for plan in done for going in plan.going],
            "gives_back": sum(plan.gives_back for plan in done),
            "exact": all(plan.exact for plan in done),
        }
        return JobOutcome(ExitCode.OK, result=result)

    def change_encryption(self, work: EncryptionWork) -> JobOutcome:
        from ibackup.jobs.encryption.encryption_request import EncryptionRequest
        from ibackup.jobs.encryption.password_change import change
        from ibackup.jobs.encryption.switch_encryption import switch

        keychain = self.keychain()
        request = EncryptionRequest(
            _TypedAnswers(work),
            store=self.store_if_any(),
            keychain=keychain,
            udid=self.order.udid or None,
            patience=_PATIENCE_S,
            limits=self.config.limits,
            vouches=self.vouching(new_key=False),
        )
        action = work.action
        done = change(request, self.observe) if action == "change" else switch(request, action, self.observe)
        result = {
            "action": done.action,
            "changed": done.changed,
            "encrypted": done.encrypted,
            "in_keychain": done.in_keychain,
            "snapshot": done.snapshot,
            "older": list(done.older),
            "next_is_full": done.next_is_full,
        }
        # The nights ask a source that the config file names before the keychain.
        if work.new and (self.is_source_named(done.udid) or (work.keep and not done.in_keychain)):
            result |= self.keep(done.udid, done.device_name, work.new, None)
        return JobOutcome(ExitCode.OK, result=result)

    @contextmanager
    def _opened(self, source: BackupSource) -> Iterator[Backup]:
        with Backup.open(source.path, known=True) as backup:
            self.showing.open(backup, self.order.udid or None)
            if not backup.unlocked:
                raise PasswordNeeded(_LOCKED)
            yield backup

    def export(self, work: ExportWork) -> JobOutcome:
        from ibackup.contents.time_zones import local_zone
        from ibackup.export.export_request import ExportRequest
        from ibackup.export.exporting import export, gap_text
        from ibackup.export.kinds import KINDS

        source = self.source(work.snapshot)
        everything = not work.kinds
        known = [each.name for each in KINDS]
        if not set(work.kinds) <= set(known):
            raise UsageError("There is no such kind of content.")
        with ExitStack() as stack:
            backup = stack.enter_context(self._opened(source))
            later = stack.enter_context(self._opened(self.source(work.later))) if work.later else None
            request = ExportRequest(
                work.to,
                tuple(each for each in known if everything or each in work.kinds),
                names=work.names,
                since=record_times.read(work.since) if work.since else None,
                until=record_times.read(work.until) if work.until else None,
                formats=frozenset(work.formats),
                vcard=work.vcard,
                note_format=work.note_format,
                jpeg=work.jpeg,
                immich=work.immich,
                zone=local_zone(),
                overwrite=work.overwrite,
                later=later,
                snapshot=source.snapshot,
            )
            done = export(backup, request, observer=self.observe)
        result: Mapping[str, object] = {
            "to": request.to,
            "counts": dict(done.counts),
            "files": done.files,
            "bytes": done.bytes,
            "same": done.same,
            "damaged": done.damaged,
            "kept_out": done.kept_out,
            "gaps": [gap_text(gap) for gap in done.gaps],
            "not_found": [kind for kind, _ in done.unfound],
        }
        code = done.code(everything=everything)
        what = ""
        if done.damaged:
            what = "Part of this backup is damaged. What could be read was taken out."
        elif done.kept_out:
            what = "Some files could not be written because something is in the way."
        elif code:
            what = "This backup has none of what you chose."
        return JobOutcome(code, what, result=result)


@dataclass(frozen=True)
class _TypedAnswers:
    """The passwords that were typed in the page."""

    work: EncryptionWork

    def old(self, _phone: object) -> str:
        if not self.work.old:
            raise PasswordNeeded("The current backup password is missing.")
        return self.work.old

    def new(self, _phone: object, _action: object) -> Any:
        from ibackup.jobs.encryption.encryption_request import NewPassword

        if not self.work.new:
            raise PasswordNeeded("The new backup password is missing.")
        return NewPassword(self.work.new, keep=self.work.keep)

    def agree(self, _phone: object) -> None:
        """The page has asked."""
