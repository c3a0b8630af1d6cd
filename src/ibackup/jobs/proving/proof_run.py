"""Proves several backups in a row: one that cannot be proven does not stop the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ibackup.apple.verify.findings import Finding, Level
from ibackup.base.errors import DamageFound, IbackupError, NotABackup, PasswordNeeded, PasswordWrong
from ibackup.base.events import Note, Observer
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.proving.backup_proof import ProofVerdict, prove
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import BrokenSnapshot
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True)
class NotProven:
    """A backup that could not be verified, or only in part, and why.

    Attributes:
        label: what the user calls it.
        path: the folder.
    """

    label: str
    path: str
    error: IbackupError


@dataclass
class ProofRun:
    """Proves one backup after the other.

    Attributes:
        level: how far to go.
        unlocker: opens the encrypted ones.
        on_finding: called with each finding as it comes.
        observe: gets the progress.
        sealing: a seal is made next, so the backup must be verified with its password.
        outcomes: what came of each, in order. A backup whose password is wrong may have a verdict on what needs none,
            and then the error.
    """

    level: Level
    unlocker: Unlocker
    on_finding: Callable[[Finding], None]
    observe: Observer
    sealing: bool = False
    outcomes: list[ProofVerdict | NotProven] = field(default_factory=list)

    @property
    def verdicts(self) -> list[ProofVerdict]:
        """The backups that were verified."""
        return [each for each in self.outcomes if isinstance(each, ProofVerdict)]

    @property
    def failures(self) -> list[NotProven]:
        """The others."""
        return [each for each in self.outcomes if isinstance(each, NotProven)]

    @property
    def code(self) -> ExitCode:
        """Damage is worst, then what could not be checked at all, then flaws from the phone."""
        codes = [each.error.exit_code for each in self.failures]
        statuses = {verdict.status for verdict in self.verdicts}
        if ExitCode.DAMAGE in codes or "damaged" in statuses:
            return ExitCode.DAMAGE
        if codes:
            return codes[0]
        return ExitCode.FLAWED if "flawed" in statuses else ExitCode.OK

    def newest(self, phones: Iterable[tuple[PhoneFolder, str]], *, name_missing: bool) -> list[BackupSource]:
        """The newest snapshot of each phone; one whose record cannot be read becomes an outcome at once.

        Args:
            phones: with the name of each.
            name_missing: report a phone that has no snapshot.
        """
        found: list[BackupSource] = []
        for folder, name in phones:
            newest = folder.newest_to_prove()
            if name_missing and not newest:
                self.observe(Note(f"{name} has no snapshot yet, so nothing of it is verified."))
            for each in newest:
                if isinstance(each, BrokenSnapshot):
                    self.outcomes.append(NotProven(each.id, each.path, each.error))
                else:
                    found.append(BackupSource(each.backup_path, each))
        return found

    def prove(self, source: BackupSource, seal_file: str | None = None, *, alone: bool) -> None:
        """Prove one.

        Args:
            source: the backup.
            seal_file: the seal of a folder that another program made; None for the one beside it.
            alone: it is the only one: what keeps it from being verified is raised.

        Raises:
            PasswordNeeded, DamageFound, NotABackup: it is alone, and nothing of it could be verified.
        """
        whose = f" of {source.snapshot.meta.device_name}" if source.snapshot else ""
        self.observe(Note(f"Verifying {source.label}{whose}, level {self.level.value}."))
        try:
            self.outcomes.append(self._proven(source, seal_file, self.unlocker, self.level))
        except (PasswordNeeded, DamageFound, NotABackup) as error:
            tries_without = isinstance(error, PasswordWrong) and not self.sealing
            is_proven = tries_without and self._prove_without_password(source, seal_file)
            if alone and not is_proven:
                raise
            self.outcomes.append(NotProven(source.label, source.path, error))

    def _prove_without_password(self, source: BackupSource, seal_file: str | None) -> bool:
        """Check what needs no password, above all the seal; False if there is nothing to check."""
        try:
            verdict = self._proven(
                source, seal_file, None, min(self.level, Level.FULL, key=list(Level).index)
            )
        except (PasswordNeeded, NotABackup):
            return False
        self.observe(
            Note("The password does not open it. ibackup still checked everything that needs no password.")
        )
        self.outcomes.append(verdict)
        return True

    def _proven(
        self,
        source: BackupSource,
        seal_file: str | None,
        unlocker: Unlocker | None,
        level: Level,
    ) -> ProofVerdict:
        return prove(
            source.path,
            level,
            snapshot=source.snapshot,
            seal_file=seal_file,
            unlocker=unlocker,
            on_finding=self.on_finding,
            observer=self.observe,
        )
