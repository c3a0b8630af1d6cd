"""Encrypted snapshots without their password: what is locked is said at the start, and by programs too."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from explore.taking import PASSWORD
from support.program import Program, programs
from support.runs import SMALL

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def program(tmp_path: Path, require_tool: Callable[[str], str]) -> Iterator[Program]:
    """Of two phones, one encrypts its backups."""
    require_tool("fusermount3")
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    locked = replace(
        SMALL, backup_password=PASSWORD, keybag_rounds=10, udid="00008101-000A0B0C0D0E0F02", name="Locked"
    )
    with programs(tmp_path) as make:
        program = make(locked, SMALL)
        program.now("--udid", locked.udid, "--password-file", str(secret))
        yield program


def test_what_stays_locked_is_said_and_if_that_is_all_it_is_an_error(
    program: Program, tmp_path: Path
) -> None:
    at = str(tmp_path / "mnt")
    refused = program.run("mount", "--at", at, code=20)
    assert "encrypted and no password was given" in " ".join(refused.err.split())
    assert "--password-file" in refused.err
    assert "encrypted" in str(program.run("mount", "--at", at, "--json", code=20).result["message"])
    assert not Path(at).exists()
    [snapshot] = program.snapshots
    program.now("--udid", SMALL.udid)
    process = program.start("mount", "--at", at, "--json")
    assert process.stdout is not None
    *before, event = iter_to(process.stdout, "mounted")
    assert event["locked"] == [snapshot.name]
    [said] = [str(each["message"]) for each in before if each["event"] == "warning"]
    assert said.startswith("Locked: 1 of 1 snapshots stay locked.")
    [text] = (next((tmp_path / "mnt" / "Locked").glob("2*"))).iterdir()
    assert "encrypted" in text.read_text()
    program.run("unmount", at)
    program.finish(process, 0)


def iter_to(lines: "Iterator[str]", event: str) -> Iterator[dict[str, object]]:
    """Events to the first one of a kind."""
    for each in map(json.loads, lines):
        yield each
        if each["event"] == event:
            return
