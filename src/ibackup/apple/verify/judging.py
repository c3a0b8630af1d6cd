"""Judges the content of one stored file."""

from dataclasses import replace

from ibackup.apple.fitting import Misfit, as_long, digest_of, misfit, stored_size
from ibackup.apple.reasons import WORDS, Reason
from ibackup.apple.verify.findings import Finding, Severity
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.stored_file_readers import ReadJob, ReadOutcome
from ibackup.base.sizes import bytes_text

_KINDS = {
    Reason.UNREADABLE: K.UNREADABLE,
    Reason.OLDER: K.NOT_UPDATED,
    Reason.OUTDATED: K.NOT_UPDATED,
    Reason.ABSENT: K.MISSING,
    Reason.EMPTY: K.SIZE_DIFFERS,
    Reason.SIZE: K.SIZE_DIFFERS,
    Reason.DIGEST: K.CONTENT_CHANGED,
    Reason.PADDING: K.PADDING_WRONG,
    Reason.ROW: K.ROW_IMPOSSIBLE,
    Reason.RECORD: K.RECORD_UNREADABLE,
    Reason.UNLISTED: K.UNLISTED_CONTENT,
}


def judge(job: ReadJob, outcome: ReadOutcome) -> Finding | None:
    """The finding for one file, or None.

    A file that changed after it was sealed is damage. A file that did not, but differs from the phone's list,
    was like that when the phone sent it: a flaw. Without a seal, it is impossible to distinguish the two, and both
    count as damage.
    """

    def finding(kind: K, expected: str, found: str, severity: Severity = Severity.DAMAGE) -> Finding:
        return Finding(kind, severity, job.file, job.file_id, job.domain, job.path, expected, found)

    if outcome.missing:
        return finding(K.MISSING, "a file", "nothing")
    if outcome.link:
        return finding(K.NOT_A_FILE, "a file", "a link or a device")
    if outcome.flaw:
        return finding(K.UNREADABLE, "a readable file", outcome.flaw)
    if outcome.too_long:
        return _too_long(job, outcome.size)
    record = job.record
    fits = record is None or as_long(outcome.size, record, encrypted=job.encrypted)
    sealed = None if job.sha256 is None or outcome.sha256 is None else outcome.sha256 == job.sha256
    if sealed is False and job.sha256 is not None and outcome.sha256 is not None:
        if record is not None and not fits:
            wanted = bytes_text(stored_size(record, encrypted=job.encrypted))
            return finding(K.SIZE_DIFFERS, wanted, bytes_text(outcome.size))
        return finding(K.CONTENT_CHANGED, f"SHA-256 {job.sha256.hex()}", f"SHA-256 {outcome.sha256.hex()}")
    if record is None:
        return None if job.known is None else known_flaw(job, job.known)
    fault = misfit(record, outcome.stored, encrypted=job.encrypted)
    if fault is not None:
        severity = Severity.FLAW if sealed else Severity.DAMAGE
        # What was recorded when the backup was made is first-hand: for example, the phone said why.
        reason = job.known if sealed and job.known is not None else fault.reason
        told = finding(_KINDS[reason], fault.expected, _found(fault, sealed=bool(sealed)), severity)
        return replace(told, reason=reason)
    if job.known is not None:
        return known_flaw(job, job.known)
    if fits:
        return None
    by = "its own end" if digest_of(record) is None or outcome.sha1 is None else "the phone's own checksum"
    found = (
        f"{bytes_text(outcome.size)}; complete, according to {by}: it was in use while the phone backed it up"
    )
    wanted = bytes_text(stored_size(record, encrypted=job.encrypted))
    return finding(K.SIZE_DIFFERS, wanted, found, Severity.NOTE)


def _too_long(job: ReadJob, size: int) -> Finding:
    """The finding for a file that was not read; damage, unless it was known when the backup was made."""
    wanted = f"at most {bytes_text(job.most)}"
    if job.record is not None:
        wanted = bytes_text(stored_size(job.record, encrypted=job.encrypted))
    severity = Severity.DAMAGE if job.known is None else Severity.FLAW
    names = (job.file, job.file_id, job.domain, job.path)
    found = f"{bytes_text(size)}; it was not read"
    return Finding(K.SIZE_DIFFERS, severity, *names, expected=wanted, found=found, reason=Reason.SIZE)


def known_flaw(job: ReadJob, reason: Reason) -> Finding:
    """The finding for a file that was known, when the backup was made, to differ from its record."""
    wanted, found = "what the phone's list says", f"{WORDS[reason]}, as was recorded when the backup was made"
    if reason in (Reason.OLDER, Reason.OUTDATED):
        wanted, found = "the file as it was on the phone", "the copy of an earlier backup"
    names = (job.file, job.file_id, job.domain, job.path)
    return Finding(_KINDS[reason], Severity.FLAW, *names, expected=wanted, found=found, reason=reason)


def _found(fault: Misfit, *, sealed: bool) -> str:
    return f"{fault.found}; it is unchanged since the backup was sealed" if sealed else fault.found
