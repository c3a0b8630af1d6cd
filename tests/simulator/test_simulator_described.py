"""The reference page of spec files: every option is on it, described, and its example is a spec."""

import tomllib
from dataclasses import fields
from pathlib import Path

from ibackup.simulator.described import tables
from ibackup.simulator.faults import FAULTS
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.specfile import load_spec

PAGE = Path(__file__).parents[2] / "docs" / "reference-simulator.md"


def test_every_option_is_described() -> None:
    missing = [
        f"{table.name}.{option.name}" for table in tables() for option in table.options if not option.text
    ]
    assert missing == []
    assert all(table.summary for table in tables())


def test_nothing_is_left_out() -> None:
    found = {table.name: [option.name for option in table.options] for table in tables()}
    assert found["PhoneSpec"] == [field.name for field in fields(PhoneSpec)]
    assert {kind.__name__ for kind in FAULTS} <= set(found)
    assert {"Passcode", "Trust", "DomainSpec", "AppSpec", "ICloudSpec", "AttemptSpec", "SignalsSpec"} <= set(
        found
    )
    page = PAGE.read_text("utf-8")
    assert all(f"| `{option.name}` |" in page for table in tables() for option in table.options)


def test_the_example_is_a_spec(tmp_path: Path) -> None:
    example = PAGE.read_text("utf-8").partition("```toml\n")[2].partition("```")[0]
    assert tomllib.loads(example)
    path = tmp_path / "phone.toml"
    path.write_text(example, "utf-8")
    spec = load_spec(path)
    assert spec.ios_version == "27.0"
    assert len(spec.faults) == 1
    assert spec.lockdown[("com.apple.mobile.battery", "BatteryCurrentCapacity")] == 12
