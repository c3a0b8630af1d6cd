"""The reference pages list exactly what the code writes."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from ibackup.apple.verify.findings import FindingKind
from ibackup.base.events import Phase, PromptKind
from ibackup.store.records.failed_endings import Ending, Place
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.proof_records import Proofs
from ibackup.store.records.snapshot import Flawed, SnapshotMeta


def section(text: str, heading: str) -> str:
    """The part of a page under one heading."""
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def members(part: str) -> set[str]:
    """The names in the first column of its table."""
    rows = re.findall(r"^\| (`.+?) \|", part, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_snapshot_record(root: Path) -> None:
    part = section((root / "docs" / "reference-store.md").read_text(encoding="utf-8"), "snapshot.json")
    assert members(part) == {field.name for field in fields(SnapshotMeta)} | {"sha256"}
    assert all(f"`{field.name}`" in part for field in fields(Flawed))


def test_proofs_record(root: Path) -> None:
    part = section((root / "docs" / "reference-store.md").read_text(encoding="utf-8"), "proofs/ID.json")
    assert members(part) == {field.name for field in fields(Proofs)} | {"schema"}


def test_seen_record(root: Path) -> None:
    part = section((root / "docs" / "reference-store.md").read_text(encoding="utf-8"), "seen.json")
    assert members(part) == {field.name for field in fields(LastSeen)} | {"schema"}


def test_endings_record(root: Path) -> None:
    part = section((root / "docs" / "reference-store.md").read_text(encoding="utf-8"), "endings.json")
    assert members(part) == {"schema", "endings"}
    assert all(f"`{field.name}`" in part for field in fields(Ending))
    assert all(f"`{place}`" in part for place in get_args(Place))


def test_json_phases_and_prompts(root: Path) -> None:
    text = (root / "docs" / "reference-json.md").read_text(encoding="utf-8")
    assert re.findall(r"`(\w+)`", text.partition("`phase` is one of ")[2].partition(".")[0]) == list(
        get_args(Phase)
    )
    kinds = text.partition("`kind` is one of ")[2].partition(".")[0]
    assert re.findall(r"`(\w+)`", kinds) == list(get_args(PromptKind))


def test_json_kinds_of_findings(root: Path) -> None:
    text = (root / "docs" / "reference-json.md").read_text(encoding="utf-8")
    listed = text.partition("The kind of a `finding` of `verify` is one of ")[2].partition(".")[0]
    assert re.findall(r"`([\w-]+)`", listed) == list(FindingKind)
