"""A disk that is too small for the next backup: the error says what removing old snapshots gives back."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cli.conftest import ANN, Cli, snapshots
from ibackup.simulator.faults import NoRoom
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

Plug = Callable[..., list[VirtualPhone]]
FULL: PhoneSpec = replace(ANN, faults=(NoRoom(missing=5 << 30),))


def test_what_prune_would_give_back_is_reported(ibackup: Cli, plugged: Plug, anns: Path) -> None:
    plugged(FULL)
    ran = ibackup("now", "--json")
    result = ran.result
    assert (ran.code, result["error_code"]) == (14, 105)
    assert "5.37 GB (5,368,709,120 bytes) are missing" in str(result["message"])
    found = re.search(
        r"`ibackup prune --keep-last 1` would give back .*?\(([\d,]+) bytes\)", str(result["hint"])
    )
    assert found
    # It is what comes free when the older one is removed, by another tool's count.
    older = snapshots(anns, ANN)[0]
    blocks = subprocess.run(["du", "--block-size=1", "-s", anns], check=True, capture_output=True, text=True)
    subprocess.run(["rm", "-rf", older], check=True)
    after = subprocess.run(["du", "--block-size=1", "-s", anns], check=True, capture_output=True, text=True)
    freed = int(blocks.stdout.split()[0]) - int(after.stdout.split()[0])
    assert int(found[1].replace(",", "")) <= freed < int(found[1].replace(",", "")) + 600 * 4096


def test_the_rule_of_the_config_comes_first(ibackup: Cli, plugged: Plug, anns: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[prune]\nkeep_last = 1\n")
    plugged(FULL)
    ran = ibackup("now", "--json", "--config", config)
    assert "`ibackup prune` would give back" in str(ran.result["hint"])
    assert len(snapshots(anns, ANN)) == 2


def test_nothing_is_promised_where_nothing_can_go(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(FULL)
    ran = ibackup("now", "--json", "--store", tmp_path / "new")
    assert ran.code == 14
    assert "would give back" not in str(ran.result["hint"])
