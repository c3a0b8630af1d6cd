"""One backup in words: what it is, and what is proved about it and when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from ibackup.base.counts import count_text
from ibackup.base.durations import duration_words
from ibackup.store.records.proof_records import READ_ALL, Proof, Proofs
from ibackup.view import words
from ibackup.view.asked import Asked
from ibackup.view.shown_phones import ShownBackup

Tone = Literal["good", "wait", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Headline:
    """The state of a phone's backups in one sentence: ``mark`` is its short word."""

    tone: Tone
    mark: str
    what: str
    more: str


@dataclass(frozen=True, slots=True)
class ProofLine:
    """One thing that is known about a backup, or is not.

    Attributes:
        level: ``read`` or ``rehearse`` if the same can be done again now; empty otherwise.
    """

    tone: Tone
    what: str
    more: str = ""
    when: datetime | None = None
    level: Literal["", "read", "rehearse"] = ""


def headline(asked: Asked, missed: Collection[date]) -> Headline:
    """What a phone's page says first; the gravest comes first: damage, then age."""
    phone = asked.phone
    newest = phone.newest
    if newest is None or newest.made is None or newest.known is None:
        return Headline("plain", "", "One backup", "Another program made it. ibackup only reads it.")
    more = _how_many(asked)
    now = datetime.now(UTC)
    if phone.broken_newest:
        todo = f"Make a new one. The one before it is from {words.day(newest.made)}."
        return Headline("bad", "Damaged", "The newest backup cannot be read.", todo)
    if newest.known.is_unknown:
        todo = "Read it again to know whether it is good."
        return Headline("bad", "Check it", "What was found out about the newest backup is lost.", todo)
    if newest.known.proofs.known_damaged or newest.known.seal_flaw:
        todo = "Make a new one: the phone sends the damaged files again."
        return Headline("bad", "Damaged", "The newest backup is damaged.", todo)
    old = now - newest.made
    if old > timedelta(seconds=asked.house.config.rules(phone.udid).max_age_s):
        nights = [night for night in missed if night > newest.made.astimezone().date()]
        why = f"{count_text(len(nights), 'night')} passed without one. " if nights else ""
        return Headline("wait", "Late", f"The newest backup is from {words.day(newest.made)}.", why + more)
    if phone.may_share_damage:
        why = "A file that did not change is stored once for both. Read the newest one again to know."
        return Headline("wait", "Check it", "The newest backup may have the damage of an older one.", why)
    if words.age(newest.made) == "last night":
        return Headline("good", "Safe", "Last night\u2019s backup is good.", more)
    return Headline("good", "Safe", "The newest backup is good.", more)


def _how_many(asked: Asked) -> str:
    backups = asked.phone.backups
    first = backups[0].made
    since = f" since {words.month(first)}" if first and len(backups) > 1 else ""
    found = [f"{count_text(len(backups), 'backup')}{since}."]
    rehearsed = [each for each in backups if each.known and each.known.proofs.good("rehearse")]
    if rehearsed and rehearsed[-1].made:
        found.append(f"The one of {words.day(rehearsed[-1].made)} was restored in a rehearsal, file by file.")
    return " ".join(found)


def facts_of(backup: ShownBackup) -> list[tuple[str, str, str]]:
    """Label, value and a note for each fact; an icon goes with each label in the template."""
    snapshot = backup.snapshot
    if snapshot is None:
        return []
    meta = snapshot.meta
    took = duration_words((meta.finished - meta.started).total_seconds())
    found = [("Size", words.size(meta.bytes), f"in {count_text(meta.files, 'file')}")]
    if meta.imported:
        found.append(("Made", "by another program", "and taken into the store as it was"))
    else:
        new = (
            "the phone sent everything"
            if meta.full
            else f"{count_text(meta.carried_files, 'file')} had not changed"
        )
        found.append(("Sent", words.size(meta.received_bytes), f"in {took}; {new}"))
    found.append(("Encrypted", "Yes" if meta.encrypted else "No", _ENCRYPTED[meta.encrypted]))
    found.append(("System", f"iOS {meta.ios_version}", ""))
    if meta.photos and meta.photos.said:
        found.append(("Photos", meta.photos.said, ""))
    return found


_ENCRYPTED = {
    True: "with passwords, Health and call history",
    False: "without passwords, Health and call history",
}


def proofs_of(backup: ShownBackup) -> list[ProofLine]:
    """What is known about a backup since it was made; the weakest proof first."""
    known = backup.known
    if known is None:
        return []
    meta, proofs = known.snapshot.meta, known.proofs
    found: list[ProofLine] = []
    if meta.flawed:
        differ = "differs" if len(meta.flawed) == 1 else "differ"
        what = f"{count_text(len(meta.flawed), 'file')} {differ} from the phone\u2019s own list."
        found.append(ProofLine("wait", what, "They are kept as the phone sent them.", meta.finished))
    elif meta.checked == "manifest":
        found.append(
            ProofLine(
                "good", "Every file on the phone\u2019s list was there, with its size.", "", meta.finished
            )
        )
    else:
        why = "Its list of files was locked, so ibackup could not compare it with the files."
        found.append(ProofLine("plain", "The phone reported that it is complete.", why, meta.finished))
    if known.seal_flaw:
        found.append(ProofLine("bad", f"Its list of checksums {known.seal_flaw}."))
    found.append(_reading(proofs))
    found.append(_rehearsal(proofs))
    return found


def _reading(proofs: Proofs) -> ProofLine:
    tried = [proof for proof in proofs.last if proof.level in (*READ_ALL, "quick")]
    if proofs.unknown and not proofs.damaged:
        lost = "What was found out about it cannot be read any more."
        return ProofLine("bad", lost, "Read it again to know whether it is good.", None, "read")
    if proofs.known_damaged:
        newest = _newest([proof for proof in tried if proof.result == "damaged"])
        are = "is" if len(proofs.damaged) == 1 else "are"
        many = f"{count_text(len(proofs.damaged), 'file')} {are} damaged."
        what = many if proofs.damaged else "Damage was found."
        more = "Everything else can be opened."
        return ProofLine("bad", what, more, newest.when if newest else None, "read")
    deep, full = proofs.good("deep"), proofs.good("full")
    newest = _newest([proof for proof in (deep, full) if proof])
    if newest is None:
        return ProofLine("plain", "It was not read again since it was made.", "", None, "read")
    what = "Every byte was read and decrypted." if newest.level == "deep" else "Every byte was read."
    return ProofLine("good", f"{what} Nothing has changed.", "", newest.when, "read")


def _rehearsal(proofs: Proofs) -> ProofLine:
    tried = next((proof for proof in proofs.last if proof.level == "rehearse"), None)
    if tried is None:
        return ProofLine("plain", "It was not restored in a rehearsal yet.", "", None, "rehearse")
    if tried.result == "good":
        return ProofLine("good", "Restorable: a rehearsal restored every file.", "", tried.when, "rehearse")
    what = (
        "The rehearsal could not restore it." if tried.result == "damaged" else "The rehearsal found flaws."
    )
    return ProofLine("bad" if tried.result == "damaged" else "wait", what, "", tried.when, "rehearse")


def _newest(proofs: list[Proof]) -> Proof | None:
    return max(proofs, key=lambda proof: proof.when, default=None)
