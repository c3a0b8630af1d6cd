"""Keys of the config file that are changed from a page: the rest of the file stays as its owner wrote it."""

import os
from pathlib import Path

import pytest

from ibackup.base.errors import UsageError
from ibackup.config import config_file
from ibackup.config.config_changes import ConfigChange, changed
from ibackup.config.value_kinds import window
from ibackup.jobs.config_writing import change_config, config_mark

UDID = "00008101-000A0B0C0D0E0F01"
FILE = f"""\
# Our phones; ask Ann before you change anything.
store = "/mnt/disk/ibackup"   # the blue disk

[[phones]]
name = "ann"
udid = "{UDID}"
password_command = "pass show ann"  # secret
every = "44h" # she is often away

[nightly]
window = "21:00-07:00" # after dinner
max_age = "7d"

[notify]
urls = ["ntfys://ntfy.sh/topic"]
"""


def test_a_changed_value_leaves_comments_and_everything_else() -> None:
    found = changed(
        FILE,
        [
            ConfigChange("nightly", "window", window("22:00-06:00")),
            ConfigChange("nightly", "power", False),
            ConfigChange("nightly", "max_age", None),
            ConfigChange("phones", "every", 20 * 3600.0, UDID),
            ConfigChange("prune", "keep_last", 7),
        ],
    )
    expected = FILE.replace('"21:00-07:00" #', '"22:00-06:00" #').replace(
        'max_age = "7d"\n', "power = false\n"
    )
    expected = expected.replace('"44h" #', '"20h" #')
    assert found.startswith(expected.rstrip())
    assert found.removeprefix(expected.rstrip()).split() == ["[prune]", "keep_last", "=", "7"]


def test_a_table_without_keys_goes() -> None:
    text = FILE + "\n[prune]\nkeep_last = 7\n"
    found = changed(text, [ConfigChange("prune", "keep_last", None), ConfigChange("nightly", "every", None)])
    assert "[prune]" not in found
    assert config_file.parse(found, Path("x")).prune is None


def test_an_empty_file_gets_what_is_set() -> None:
    assert (
        config_file.parse(changed("", [ConfigChange("nightly", "power", False)]), Path("x")).nightly.power
        is False
    )
    assert changed("", [ConfigChange("nightly", "power", None)]) == ""


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("phones", "password_command"),
        ("notify", "urls"),
        ("notify", "failed"),
        ("notify", "heartbeat_url"),
        ("nightly", "nothing"),
        ("nothing", "power"),
    ],
)
@pytest.mark.parametrize("value", ["touch owned", None])
def test_what_runs_programs_or_holds_secrets_is_never_changed(
    table: str, key: str, value: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        changed(FILE, [ConfigChange(table, key, value, UDID)])
    assert "owned" not in caught.value.message + caught.value.hint


def test_a_file_that_someone_changed_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FILE, encoding="utf-8")
    seen = config_mark(path)
    path.write_text(FILE + "# and one more\n", encoding="utf-8")
    with pytest.raises(UsageError, match="meantime"):
        change_config(path, [ConfigChange("nightly", "power", False)], seen)
    assert path.read_text(encoding="utf-8").endswith("# and one more\n")
    assert change_config(path, [ConfigChange("nightly", "power", False)], config_mark(path))
    assert not config_file.load(str(path)).nightly.power


def test_what_would_be_no_valid_config_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[nightly]\nnonsense = "x"\n', encoding="utf-8")
    with pytest.raises(UsageError, match="nonsense"):
        change_config(path, [ConfigChange("nightly", "power", False)])
    assert path.read_text(encoding="utf-8") == '[nightly]\nnonsense = "x"\n'


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_a_link_and_the_file_is_for_its_owner(tmp_path: Path) -> None:
    real, link = tmp_path / "dots.toml", tmp_path / "config.toml"
    real.write_text(FILE, encoding="utf-8")
    link.symlink_to(real)
    assert change_config(link, [ConfigChange("nightly", "power", False)])
    assert link.is_symlink()
    assert "power = false" in real.read_text(encoding="utf-8")
    assert real.stat().st_mode & 0o077 == 0
