"""The pages about JSON and the config file say what the program does."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, Cli, snapshots
from ibackup.config import config_file, config_schema
from ibackup.config.config_keys import keys
from ibackup.config.config_schema import TABLES
from ibackup.simulator.virtual_phone import VirtualPhone
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
        ("restore", "--dry-run"),
        ("restore", "--yes"),
        ("rehearse", "--phone", ANN.udid),
        ("now", "-q"),
        ("status", "--max-age", "0"),
        ("schedule", "show"),
        ("schedule", "install", "--print", "--kind", "systemd"),
        ("config", "show"),
        ("config", "check"),
        ("setup", "--check"),
        ("setup", "--yes", "--no-schedule", "--no-backup", "--phone", ANN.udid),
        ("nightly", "--once", "--every", "0"),
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
    found = config_file.load(str(path))
    assert [phone.name for phone in found.phones] == ["ann", "bob"]
    told = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert told == {key.name for kind in TABLES.values() for _, key in keys(kind)}


KEYS = [(table, key.name) for table, kind in TABLES.items() for _, key in keys(kind)]


@pytest.mark.parametrize(("table", "name"), KEYS)
def test_each_example_of_a_key_is_one_that_loads(tmp_path: Path, table: str, name: str) -> None:
    key = next(key for _, key in keys(TABLES[table]) if key.name == name)
    head = {
        "": "",
        "phones": '[[phones]]\nname = "x"\nudid = "00008101-000A0B0C0D0E0F01"\n',
        "mqtt": '[mqtt]\nhost = "x"\n',
        "copies": f'[[copies]]\nname = "x"\nto = "/x"\nrepository_id = "{"0" * 64}"\n',
    }
    text = head.get(table, f"[{table}]\n")
    path = tmp_path / "config.toml"
    path.write_text(text + ("" if f"\n{name} =" in text else f"{name} = {key.example}\n"))
    config_file.load(str(path))


def test_the_defaults_are_as_the_page_says(tmp_path: Path) -> None:
    told = [
        f"[{table}]\n{key.name} = {key.default_in_toml}\n"
        for table, kind in TABLES.items()
        for _, key in keys(kind)
        if table in ("nightly", "proof", "notify") and key.default_in_toml
    ]
    assert len(told) >= 9
    for text in told:
        path = tmp_path / "config.toml"
        path.write_text(text)
        assert replace(config_file.load(str(path)), path=None) == config_schema.Config(), text
