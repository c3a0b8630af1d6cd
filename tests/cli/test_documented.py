"""The pages about JSON and the config file say what the program does."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import ANN, Cli, snapshots
from ibackup import config
from ibackup.simulator import VirtualPhone
from support.runs import flip


@pytest.fixture
def docs(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath / "docs"


def test_every_member_of_the_json_is_on_its_page(
    ibackup: Cli, store: Path, docs: Path, plugged: Callable[..., list[VirtualPhone]]
) -> None:
    plugged(ANN)
    flip(next(path for path in snapshots(store, ANN)[-1].glob("*/??/*") if path.stat().st_size > 3000))
    pages = [
        (docs / name).read_text(encoding="utf-8") for name in ("reference-json.md", "reference-store.md")
    ]
    named = set(re.findall(r"`(\w+)`", "".join(pages)))
    missing: set[str] = set()
    for line in (
        ("verify",),
        ("list",),
        ("devices",),
        ("show", "--phone", ANN.udid),
        ("show", "1999"),
        ("now", "-q"),
        ("doctor", "--offline"),
        ("doctor", "--list-checks"),
    ):
        for event in ibackup(*line, "--json").events:
            missing |= {f"{line[0]}: {name}" for name in {*event, str(event["event"])} if name not in named}
            for rows in event.values():
                if isinstance(rows, list):
                    members = {name for row in rows if isinstance(row, dict) for name in row}
                    missing |= {f"{line[0]}: {name}" for name in members - named}
    assert missing == set()


def test_the_config_on_its_page_is_one_that_loads(docs: Path, tmp_path: Path) -> None:
    text = (docs / "reference-config.md").read_text(encoding="utf-8")
    example = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(example) == 1
    path = tmp_path / "config.toml"
    path.write_text(example[0], encoding="utf-8")
    found = config.load(str(path))
    assert [phone.name for phone in found.phones] == ["ann", "bob"]
    keys = set(re.findall(r"^(\w+) =", example[0], re.MULTILINE))
    known = config._KEYS | config._PHONE_KEYS | config._PRUNE_KEYS
    assert keys == known - {"phones", "prune"}
