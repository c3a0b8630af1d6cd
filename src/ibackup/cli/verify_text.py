"""What ``ibackup verify`` says to people: ten thousand findings on one screen, and what to do about them."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ibackup.cli.output import count_text, printable, size_text, styled, whole, wrap
from ibackup.cli.snapshots import Target
from ibackup.errors import DamageFound, IbackupError

if TYPE_CHECKING:
    from ibackup.explore.apps import Apps
    from ibackup.manifest.findings import Finding
    from ibackup.proving import Verdict

_GROUPS = 12  # groups on screen; --json has all
_EXAMPLES = 20  # files named on screen, over all groups
_OF_EACH = 5  # of one group, when there are several
_WORDS = {
    "plist-unreadable": "cannot be read",
    "plists-disagree": "disagree with each other",
    "not-finished": "says that a backup was not finished",
    "manifest-damaged": "the backup's list of files is damaged",
    "row-unusable": "an entry of the list of files is unusable",
    "wrong-file-id": "stored under a wrong name",
    "record-unreadable": "what the list of files says of it cannot be read",
    "missing": "missing",
    "size-differs": "not of the right size",
    "content-changed": "changed since it was backed up",
    "unreadable": "cannot be read from this disk",
    "not-a-file": "not a plain file",
    "not-sealed": "added after the backup was sealed",
    "not-in-manifest": "not on the list of files",
    "seal-damaged": "damaged",
    "keybag-damaged": "the keys are damaged",
    "class-key-damaged": "a key is damaged",
    "file-key-damaged": "its key is damaged",
    "padding-wrong": "does not decrypt",
    "database-damaged": "a damaged database",
    "database-unchecked": "a database that was not checked",
}


def verdict_text(verdict: "Verdict", target: Target, *, verbose: bool, sealing: bool = False) -> str:
    """What came of one backup; ``sealing`` tells that a seal is made next."""
    name = f"snapshot {verdict.snapshot}" if verdict.snapshot else f"'{whole(printable(verdict.path))}'"
    if target.snapshot:
        name += f" of {printable(target.snapshot.meta.device_name)}"
    size = f"{count_text(verdict.files, 'file')}, {size_text(verdict.bytes)}"
    summary = verdict.summary
    if verdict.good:
        lines = [
            _headline("Good:", "green", f"{name}: {size}."),
            *_how(verdict, _lacking(target), sealing=sealing),
        ]
    else:
        count = count_text(summary.damage, "finding")
        lines = [
            _headline("DAMAGED:", "red", f"{name}: {count} in {size}."),
            *_groups(verdict, verbose=verbose),
        ]
        if summary.level.value == "deep":
            lines.append(
                wrap("A restore would lack what is named above, if the phone took this backup at all.")
            )
        lines += _advice(verdict)
    if summary.notes:
        notes = count_text(summary.notes, "note that is", "notes that are")
        lines.append(
            wrap(f"{notes} no cause for concern; --json has {'it' if summary.notes == 1 else 'them'}.")
        )
    return "\n".join(lines)


def failure_text(label: str, error: IbackupError) -> str:
    """What kept a backup from being proven."""
    mark, colour = ("DAMAGED:", "red") if isinstance(error, DamageFound) else ("Not checked:", "yellow")
    lines = [_headline(mark, colour, f"{printable(label)}: {printable(error.message)}")]
    return "\n".join([*lines, *([wrap(printable(error.hint), "  ")] if error.hint else [])])


def _headline(mark: str, colour: str, text: str) -> str:
    return styled(mark, fg=colour, bold=True) + wrap(f"{mark} {text}").removeprefix(mark)


def _lacking(target: Target) -> int:
    """How many files the phone could not read when it made the backup; not those that no phone ever reads."""
    unreadable = target.snapshot.meta.unreadable if target.snapshot else ()
    return sum(bool(file.code) and not file.expected for file in unreadable)


def _how(verdict: "Verdict", lacking: int, *, sealing: bool) -> Iterator[str]:
    summary = verdict.summary
    if lacking:
        could = "missing that the phone could not read"
        count = count_text(lacking, f"file is {could}", f"files are {could}")
        yield wrap(f"{count}; `ibackup show` says which.")
    if summary.level.value == "quick":
        sealed = " and on the seal" if verdict.sealed else ""
        listed = f"on the phone's list{sealed}" if summary.manifest_checked else "on the seal"
        every = "Every other file" if lacking else "Every file"
        yield wrap(f"{every} {listed} is there, with its size. No content was read: --level full does.")
    else:
        parts = []
        if summary.by_seal:
            parts.append(f"{summary.by_seal:,} agree with the checksum in the seal")
        if summary.by_digest:
            parts.append(f"{summary.by_digest:,} agree with the phone's own checksum")
        if summary.by_size:
            parts.append(f"{summary.by_size:,} could be compared by size only")
        yield wrap(f"Every byte was read. Of the phone's files, {', '.join(parts) or 'there are none'}.")
        if summary.by_size and not verdict.sealed and not sealing:
            yield wrap(
                "From now on every byte can be checked: `ibackup verify FOLDER --seal` writes down checksums."
            )
    if not summary.manifest_checked:
        yield wrap(
            "The phone's list of files is locked: with the password of the backups (--password-file, or at the "
            "prompt) it is compared, too."
        )
    if summary.level.value == "deep":
        if summary.decrypted:
            yield wrap(f"{count_text(summary.decrypted, 'file')} decrypted as they should.")
        if summary.databases:
            yield wrap(f"{count_text(summary.databases, 'database is', 'databases are')} sound.")
        yield wrap(f"A restore would have everything {'else' if lacking else 'it needs'}.")


def _groups(verdict: "Verdict", *, verbose: bool) -> Iterator[str]:
    """The groups, each with the first of its files."""
    apps = _apps(verdict)
    sums: Counter[tuple[str, str]] = Counter()
    for group in verdict.groups:
        if group.damage:
            sums[_owner(apps, group.domain, group.file, group.kind), group.kind] += group.count
    examples: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in verdict.findings:
        if finding.is_damage:
            about = "" if finding.domain or finding.file_id else finding.file
            kind = finding.kind.value
            examples[_owner(apps, finding.domain, about, kind), kind].append(finding)
    room = _EXAMPLES
    for (owner, kind), count in sums.most_common(_GROUPS):
        words = _WORDS.get(kind, kind)
        yield wrap(f"{printable(owner)}: {f'{count:,} x ' if count > 1 else ''}{words}", "  ", "    ")
        share = room if len(sums) == 1 else min(room, _OF_EACH)
        shown = examples[owner, kind][:share]
        room -= len(shown)
        for finding in shown:
            yield from _finding(finding, verdict, verbose=verbose)
        if shown and count > len(shown):
            yield f"    … and {count - len(shown):,} more"
    if len(sums) > _GROUPS:
        yield f"  … and {len(sums) - _GROUPS:,} more groups (--json has all)"


def _finding(finding: "Finding", verdict: "Verdict", *, verbose: bool) -> Iterator[str]:
    name = finding.path or (finding.file if finding.file_id else "")
    # Checksums that differ tell people nothing; figures and reasons do.
    telling = verbose or "SHA-" not in finding.expected
    details = f"expected {finding.expected}, found {finding.found}" if telling and finding.expected else ""
    if name or details:
        yield wrap(
            ": ".join(
                whole(printable(part)) if part is name else printable(part)
                for part in (name, details)
                if part
            ),
            "    ",
            "      ",
        )
    if finding.file in verdict.intact_in:
        yield f"      still whole in snapshot {verdict.intact_in[finding.file]}"


def _owner(apps: "Apps", domain: str, file: str, kind: str) -> str:
    if kind == "seal-damaged":
        return "The seal"
    if domain:
        return apps.owner(domain).name
    return file or "Files whose names are not known"


def _apps(verdict: "Verdict") -> "Apps":
    from ibackup.explore.apps import Apps
    from ibackup.manifest.backup import Backup

    with contextlib.suppress(IbackupError, OSError), Backup.open(verdict.path, known=True) as backup:
        return Apps.of(backup)
    return Apps({})


def _advice(verdict: "Verdict") -> Iterator[str]:
    if not verdict.snapshot:
        if verdict.outdated_seal:
            yield wrap(
                "The phone's own Status.plist has changed, too: it seems that a new backup was made into this folder "
                "after it was sealed. If so, nothing need be wrong: delete the old checksums, "
                f"'{printable(verdict.outdated_seal)}', and make new ones with --seal."
            )
        if any(group.kind == "not-finished" for group in verdict.groups):
            yield wrap(
                "A backup that broke off is gone on with when the program that made it backs up the phone again."
            )
        # Without its list of files nothing can be taken out by name.
        out = " What is not named above can still be taken out: `ibackup extract`."
        yield wrap(
            "What to do: take a new backup now, to another disk if this one may be failing, and keep this one until "
            f"then.{out if verdict.summary.manifest_checked else ''}"
        )
        return
    if verdict.intact_in:
        ids = sorted(set(verdict.intact_in.values()), reverse=True)
        count = count_text(len(verdict.intact_in), "damaged file is", "damaged files are")
        yield wrap(
            f"{count} still whole in {', '.join(ids[:3])}{' and others' if len(ids) > 3 else ''}: "
            "`ibackup extract` takes them out of there."
        )
    yield wrap(
        "What to do: run `ibackup now`; the phone sends again what it still has. This disk may be failing: look at it, "
        "and keep a second copy on another."
    )
