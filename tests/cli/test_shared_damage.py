"""Damage in a file that snapshots share: all of them are known as damaged, and the next backup does not build on it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ANN, Cli, Ran, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.virtual_phone import VirtualPhone
from support.page_calls import PageCalls
from support.runs import flip

pytestmark = pytest.mark.promise("Any later change is found")


@pytest.fixture
def shared(anns: Path) -> list[Path]:
    """One photo in both snapshots of Ann's phone, which have it as one file."""
    first, second = snapshots(anns, ANN)
    path = next(
        path.relative_to(second)
        for path in sorted(second.glob("*/??/*"))
        if path.stat().st_size > 3000 and (first / path.relative_to(second)).is_file()
    )
    assert (first / path).read_bytes() == (second / path).read_bytes()
    (second / path).unlink()
    os.link(first / path, second / path)
    return [first / path, second / path]


def rows(ran: Ran, key: str) -> list[dict[str, Any]]:
    found = ran.result[key]
    assert isinstance(found, list)
    return found


def states(ibackup: Cli) -> list[str]:
    return [row["state"] for row in rows(ibackup("list", "--json"), "snapshots")]


def test_damage_is_known_wherever_the_file_is_shared(
    ibackup: Cli, anns: Path, shared: list[Path], plugged: Callable[..., list[VirtualPhone]]
) -> None:
    first, second = (path.parent.parent.parent for path in shared)
    assert ibackup("status").code == 0
    flip(shared[0], later=False)
    (second / ANN.udid / "Status.plist").unlink()  # missing in the second one alone
    found = ibackup("verify", second.name, "--json")
    assert (found.code, found.result["shared_with"]) == (ExitCode.DAMAGE, [first.name])
    assert "1 other snapshot shares damaged files with it" in ibackup("verify", second.name).flat
    assert states(ibackup) == ["damaged", "damaged"]
    (row,) = rows(ibackup("status", "--json"), "phones")
    assert (row["newest_snapshot"], row["stale"]) == (None, True)
    assert "is safe" not in PageCalls(anns).get("/").text
    file = "/".join(shared[0].parts[-2:])
    known = json.loads((anns / ANN.udid / "proofs" / f"{first.name}.json").read_text())
    assert known["damaged"] == [file]
    # Only a proof that reads every byte says something else, and only of its own snapshot.
    assert ibackup("verify", first.name, "--level", "quick").code == 0
    assert states(ibackup) == ["damaged", "damaged"]
    plugged(ANN)
    assert ibackup("now").code == 0
    newest = snapshots(anns, ANN)[-1]
    assert not (newest / ANN.udid / file).samefile(shared[0])
    assert ibackup("verify", newest.name).code == 0
    assert states(ibackup) == ["damaged", "damaged", "good"]
    flip(shared[0], later=False)
    assert ibackup("verify", first.name).code == 0
    assert states(ibackup) == ["good", "damaged", "good"]


def test_a_copy_of_its_own_is_not_damaged_with_it(ibackup: Cli, shared: list[Path]) -> None:
    shared[1].unlink()
    shared[1].write_bytes(shared[0].read_bytes())
    flip(shared[0], later=False)
    assert ibackup("verify", shared[0].parts[-4]).code == ExitCode.DAMAGE
    assert states(ibackup) == ["damaged", "good"]
