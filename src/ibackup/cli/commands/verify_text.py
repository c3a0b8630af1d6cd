"""The output of ``ibackup verify``: ten thousand findings on one screen, and what to do about them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ibackup.apple.format_errors import NOT_DAMAGED
from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.sizes import size_text
from ibackup.cli.shell.output import printable, styled, whole, wrap

if TYPE_CHECKING:
    from ibackup.apple.verify.findings import Finding, Summary
    from ibackup.explore.app_owners import Apps
    from ibackup.jobs.proving.backup_proof import ProofVerdict

_GROUPS = 12  # groups on screen; --json has all
_EXAMPLES = 20  # files named on screen, over all groups
_OF_EACH = 5  # of one group, when there are several
_OLDER = {"not-updated"}
_TOLD = frozenset(f"Manifest.db{ending}" for ending in ("", "-wal", "-journal")) | {
    "Info.plist",
    "Manifest.plist",
}

_DECRYPTED = "`ibackup extract` takes all files out. To restore a phone, use another backup."


def verdict_text(verdict: "ProofVerdict", *, verbose: bool, sealing: bool = False, healing: str = "") -> str:
    """The result for one backup; ``sealing``: a seal is made next; ``healing``: what repairs it, as a sentence."""
    name = f"snapshot {verdict.snapshot}" if verdict.snapshot else f"'{whole(printable(verdict.path))}'"
    if verdict.device_name:
        name += f" of {printable(verdict.device_name)}"
    size = f"{count_text(verdict.files, 'file')}, {size_text(verdict.bytes)}"
    summary = verdict.summary
    if verdict.status == "good":
        lines = [
            _headline("Good:", "green", f"{name}: {size}."),
            *_how(verdict, sealing=sealing),
        ]
    elif verdict.status == "flawed":
        from ibackup.store import flawed_summary

        kinds = {group.kind for group in verdict.groups if group.severity == "flaw"}
        older = kinds == _OLDER and all(finding.reason != "outdated" for finding in verdict.findings)
        advice = (
            f"{flawed_summary.ADVICE} A restore may fail on these files; "
            "`ibackup restore --despite-flaws` tries it."
        )
        lines = [
            _headline(
                "FLAWED:", "yellow", f"{name}: as the phone sent it, and {differ_text(verdict)} ({size})."
            ),
            *_groups(verdict, "flaw", verbose=verbose),
            *_how(verdict, sealing=False),
            wrap(f"Nothing was lost or changed since then. {flawed_summary.AGAIN if older else advice}"),
        ]
    else:
        count = count_text(summary.damage, "finding")
        mixed, whole_files = _is_mixed_up(verdict), verdict.has_all_files
        mark, colour, told = "DAMAGED:", "red", count
        if mixed:
            mark, told = "MIXED UP:", f"its parts are of different backups: {count}"
        elif whole_files:
            mark, colour, told = "NO FILE LOST:", "yellow", f"but a phone does not take it like this: {count}"
            if not summary.damage:
                told = "but a phone does not take it like this: another program decrypted part of it;"
        lines = [
            _headline(mark, colour, f"{name}: {told} in {size}."),
            *_groups(verdict, "damage", verbose=verbose),
        ]
        if summary.flaws:
            lines.append(wrap(f"Also, {differ_text(verdict)}: the phone sent it this way."))
        if summary.level.value == "deep" and not whole_files:
            lines.append(
                wrap("A restore would lack what is named above, if the phone accepts this backup at all.")
            )
        if not summary.damage and whole_files:
            lines.append(wrap(f"What to do: {_DECRYPTED}"))
        elif mixed:
            lines.append(wrap(f"What to do: {NOT_DAMAGED}"))
        else:
            lines += _state_advice(verdict) if whole_files else _advice(verdict, healing)
    lines += _notes(verdict)
    return "\n".join(lines)


def _is_mixed_up(verdict: "ProofVerdict") -> bool:
    """Whether nothing is damaged, and yet what lies there is not one backup."""
    from ibackup.apple.verify.findings import MIXTURES

    return any(group.damage for group in verdict.groups) and all(
        group.kind in MIXTURES for group in verdict.groups if group.damage
    )


def _state_advice(verdict: "ProofVerdict") -> Iterator[str]:
    """What to do where no file is lost: nothing is urgent, and no new backup is needed for it."""
    kinds = {group.kind for group in verdict.groups if group.damage}
    files = {group.file for group in verdict.groups if group.damage}
    if verdict.snapshot:
        yield wrap(
            "What to do: the next `ibackup now` makes a snapshot with new ones. If it happens again, this disk may be "
            "failing. `ibackup extract` takes files out of this snapshot as usual."
        )
        return
    if "rearranged" in kinds:
        yield wrap(
            "What to do: `ibackup extract` takes the files out. Before a restore or an import, put them back in a copy "
            "of the folder: a phone stores them in folders 00 to ff, each under 40 digits from 0 to f, without an "
            "ending, in the folder of its first two digits."
        )
    if "not-finished" in kinds:
        yield wrap(
            "The program that made it continues an interrupted backup when it next backs up the phone. `ibackup "
            "extract` takes out what is here."
        )
    if "plists-disagree" in kinds:
        yield wrap(
            "What to do: Info.plist is of another phone. In a copy of the folder, delete it: `ibackup import` then "
            "makes one from the rest."
        )
    elif "Manifest.plist" in files:
        yield wrap(
            "What to do: `ibackup extract` takes all files out. For a restore, look for another copy of this backup: "
            "you need only its Manifest.plist."
        )
    elif files & {"Info.plist", "Status.plist"} and "not-finished" not in kinds:
        yield wrap(
            "What to do: `ibackup import FOLDER --settled` takes the backup into the store and makes a new one. "
            "`ibackup extract` works as it is."
        )


def _notes(verdict: "ProofVerdict") -> Iterator[str]:
    """Findings about the backup's own files; notes about the others are only counted."""
    rest = verdict.summary.notes
    for finding in verdict.findings:
        if finding.severity == "note" and finding.file in _TOLD:
            rest -= 1
            yield wrap(f"Note: {finding.file}: {printable(finding.found)}.")
    if rest:
        notes = count_text(rest, "note that is", "notes that are")
        yield wrap(f"{notes} no cause for concern; --json has {'it' if rest == 1 else 'them'}.")


def differ_text(verdict: "ProofVerdict") -> str:
    """How many files are not what the phone's list says, or not as new as the rest."""
    if {group.kind for group in verdict.groups if group.severity == "flaw"} == _OLDER:
        return count_text(verdict.summary.flaws, "file is an earlier copy", "files are earlier copies")
    return f"{count_text(verdict.summary.flaws, 'file differs', 'files differ')} from its list"


def failure_text(label: str, error: IbackupError, healing: str = "") -> str:
    """What prevented a backup from being verified; ``healing``: what repairs it, as a sentence."""
    mark, colour = ("DAMAGED:", "red") if isinstance(error, DamageFound) else ("Not checked:", "yellow")
    lines = [_headline(mark, colour, f"{printable(label)}: {printable(error.message)}")]
    hint = healing or error.hint
    return "\n".join([*lines, *([wrap(printable(hint), "  ")] if hint else [])])


def _headline(mark: str, colour: str, text: str) -> str:
    return styled(mark, fg=colour, bold=True) + wrap(f"{mark} {text}").removeprefix(mark)


def _compared(summary: "Summary", since: str) -> Iterator[str]:
    """The results of comparing the phone's files, sentence by sentence."""
    files = summary.by_seal + summary.by_digest + summary.by_size
    if summary.by_seal:
        every = "All " if summary.by_seal == files > 1 else ""
        yield f"{every}{count_text(summary.by_seal, 'file is', 'files are')} unchanged since {since}."
    if summary.by_digest:
        yield f"{count_text(summary.by_digest, 'file matches', 'files match')} the phone's own checksum."
    if summary.by_size:
        yield f"{count_text(summary.by_size, 'file')} could be compared by size only."
    if not files:
        yield "The backup has no files from the phone."


def _how(verdict: "ProofVerdict", *, sealing: bool) -> Iterator[str]:
    summary = verdict.summary
    if summary.level.value == "quick":
        sealed = " and on the seal" if verdict.sealed else ""
        listed = f"on the phone's list{sealed}" if summary.manifest_checked else "on the seal"
        every = "Every other file" if summary.flaws else "Every file"
        yield wrap(f"{every} {listed} is there, with the right size. To read the contents too: --level full.")
    else:
        since = "the backup" if verdict.snapshot else "the checksums were made"
        yield wrap(" ".join(["Every byte was read.", *_compared(summary, since)]))
        if summary.by_size and not verdict.sealed and not sealing:
            yield wrap(
                "To be able to check every byte later, write down checksums: `ibackup verify FOLDER --seal`."
            )
    if not summary.manifest_checked:
        yield wrap(
            "The phone's list of files is encrypted. With the backup password (--password-file, or at the "
            "prompt), ibackup also compares that."
        )
    if summary.level.value == "deep":
        if summary.decrypted:
            yield wrap(f"{count_text(summary.decrypted, 'file')} decrypted correctly.")
        if summary.databases:
            yield wrap(f"{count_text(summary.databases, 'database is', 'databases are')} sound.")
        if not verdict.decrypted_by_another:
            yield wrap(f"A restore would have everything {'else' if summary.flaws else 'it needs'}.")
    if verdict.decrypted_by_another and verdict.snapshot:
        yield wrap(f"No phone can be restored from it: another program decrypted part of it. {_DECRYPTED}")


def _groups(verdict: "ProofVerdict", severity: str, *, verbose: bool) -> Iterator[str]:
    """The groups of one severity, each with its first files."""
    from ibackup.apple.reasons import WORDS
    from ibackup.apple.verify.findings import KIND_WORDS, FindingKind
    from ibackup.explore.app_owners import Apps

    apps = Apps.of_folder(verdict.path)
    sums: Counter[tuple[str, str]] = Counter()
    for group in verdict.groups:
        if group.severity == severity:
            sums[_owner(apps, group.domain, group.file, group.kind), group.kind] += group.count
    examples: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in verdict.findings:
        if finding.severity == severity:
            about = "" if finding.domain or finding.file_id else finding.file
            kind = finding.kind.value
            examples[_owner(apps, finding.domain, about, kind), kind].append(finding)
    room = _EXAMPLES
    for (owner, kind), count in sums.most_common(_GROUPS):
        # If the phone sent it this way, the reason says more, in the words of the backup that met it.
        reason = next((each.reason for each in examples[owner, kind] if severity == "flaw"), None)
        words = WORDS[reason] if reason is not None else KIND_WORDS[FindingKind(kind)]
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


def _finding(finding: "Finding", verdict: "ProofVerdict", *, verbose: bool) -> Iterator[str]:
    name = finding.path or (finding.file if finding.file_id else "")
    # Checksums mean nothing to people; figures and reasons do.
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
        yield f"      still good in snapshot {verdict.intact_in[finding.file]}"


def _owner(apps: "Apps", domain: str, file: str, kind: str) -> str:
    if kind == "seal-damaged":
        return "The seal"
    if kind == "rearranged":
        return "The phone's files"
    if domain:
        return apps.owner(domain).name
    return file or "Files with unknown names"


def _instead_of_a_backup(verdict: "ProofVerdict") -> str:
    """What brings a folder back that only lacks something; empty if nothing is known that would."""
    from ibackup.apple import recognising

    damage = [finding for finding in verdict.findings if finding.is_damage]
    if {finding.file for finding in damage} == {"Manifest.plist"}:
        return "look for another copy of this backup: you need only its Manifest.plist."
    if all(finding.kind == "manifest-damaged" for finding in damage) and (
        maybe := recognising.renamed_list(verdict.path)
    ):
        return f"{maybe}, and verify that copy."
    missing = [finding.file for finding in damage if finding.kind == "missing"]
    if recognising.is_in_icloud_drive(verdict.path, missing):
        return (
            "these files are in iCloud Drive, which left placeholders here. In Finder, choose Download Now for the "
            "folder, wait until all of it is here, and run `ibackup verify` again."
        )
    return ""


def _advice(verdict: "ProofVerdict", healing: str) -> Iterator[str]:
    if not verdict.snapshot:
        if verdict.outdated_seal:
            yield wrap(
                "The phone's own Status.plist has also changed: a new backup was probably made into this "
                "folder after it was sealed. If so, nothing may be wrong: delete the old checksums, "
                f"'{printable(verdict.outdated_seal)}', and write new ones with --seal."
            )
        if any(group.kind == "not-finished" for group in verdict.groups):
            yield wrap(
                "The program that made it continues an interrupted backup when it next backs up the phone."
            )
        if instead := _instead_of_a_backup(verdict):
            yield wrap(f"What to do: {instead} Until then, keep this folder unchanged.")
            return
        # Without the list of files, nothing can be taken out by name.
        out = " To take out files that are not named above: `ibackup extract`."
        yield wrap(
            "What to do: make a new backup now, to another disk if this one may be failing, and keep this "
            f"one until then.{out if verdict.summary.manifest_checked else ''}"
        )
        return
    if verdict.intact_in:
        ids = sorted(set(verdict.intact_in.values()), reverse=True)
        count = count_text(len(verdict.intact_in), "damaged file is", "damaged files are")
        yield wrap(
            f"{count} still good in {', '.join(ids[:3])}{' and others' if len(ids) > 3 else ''}: "
            "take them out with `ibackup extract`."
        )
    if verdict.shared_with:
        ids = sorted(verdict.shared_with, reverse=True)
        count = count_text(len(ids), "other snapshot shares", "other snapshots share")
        yield wrap(
            f"{count} damaged files with it, and {'is' if len(ids) == 1 else 'are'} now known as damaged too: "
            f"{', '.join(ids[:3])}{' and others' if len(ids) > 3 else ''}."
        )
    if healing:
        yield wrap(f"What to do: {healing} This disk may be failing: check it.")
        return
    yield wrap(
        "What to do: run `ibackup now`; the phone sends again what it still has. This disk may be failing: "
        "check it, and keep a second copy on another disk."
    )
