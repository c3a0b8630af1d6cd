"""What scripts/gen-docs makes of marks, records and docstrings, and what it refuses."""

import re
from pathlib import Path

import pytest
from documenting import api, decisions, licences, promises

DESIGN = """# Built

## Promises
1. **It stays**: whatever
   comes.
2. **"Done" means it**: always.

## Words
1. **Not this**: no promise.
"""
KEPT = """
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.promise("It stays")]


@pytest.mark.parametrize("a", [1])
@pytest.mark.promise('"Done" means it')
def test_a_whole_thing(a): ...
"""


def test_every_promise_is_listed_with_its_tests(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "test_it.py").write_text(KEPT, encoding="utf-8")
    (tmp_path / "test_other.py").write_text("def test_other(): ...\n", encoding="utf-8")
    assert promises.table(DESIGN, tmp_path).splitlines()[2:] == [
        "| 1. It stays | `sub/test_it.py` |",
        '| 2. "Done" means it | `sub/test_it.py` (a whole thing) |',
    ]


def test_a_promise_without_a_test_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(KEPT.replace("'\"Done\" means it'", '"It stays"'), encoding="utf-8")
    with pytest.raises(promises.Unkept, match="No test is marked for the promise '\"Done\" means it'"):
        promises.table(DESIGN, tmp_path)


def test_a_mark_for_no_promise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(KEPT.replace('"It stays"', '"Not this"'), encoding="utf-8")
    with pytest.raises(promises.Unkept, match=r"test_it\.py is marked for 'Not this'"):
        promises.table(DESIGN, tmp_path)


def test_the_promises_of_the_design_are_found(root: Path) -> None:
    design = (root / "docs" / "design.md").read_text(encoding="utf-8")
    assert promises.table(design, root / "tests").count("\n| ") == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("windows.md", "# Windows\n\nDate: 2026-11-30\n"),
        ("2026-11-30-windows.md", "# Windows\n\nDate: 2026-11-29\n"),
        ("2026-11-30-windows.md", "Windows\n"),
    ],
)
def test_a_record_without_its_date_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(name)):
        decisions.index(tmp_path)


def test_the_newest_decision_comes_first(tmp_path: Path) -> None:
    for date in ("2026-11-22", "2027-01-02"):
        (tmp_path / f"{date}-words.md").write_text(f"# Of {date}\n\nDate: {date}\n", encoding="utf-8")
    rows = re.findall(r"\[(Of .+?)\]", decisions.index(tmp_path))
    assert rows == ["Of 2027-01-02", "Of 2026-11-22"]


def test_the_guide_uses_only_what_the_reference_has(root: Path) -> None:
    guide = (root / "docs" / "howto-python.md").read_text(encoding="utf-8")
    for module, names in re.findall(r"^from (\S+) import (.+)$", guide, re.MULTILINE):
        assert set(names.split(", ")) <= {
            name for each, found in api.PUBLIC.items() for name in found if each.startswith(module)
        }
    for name in re.findall(r"\b(?:backup|entry|verification)\.(\w+)\(", guide):
        assert any(name in members for found in api.PUBLIC.values() for members in found.values()), name


def test_a_package_with_an_unknown_or_unfit_licence_is_refused(root: Path, tmp_path: Path) -> None:
    """Every row comes from a package, or from the row of the same version; nothing is guessed."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "scripts" / "lock").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    (tmp_path / "scripts" / "lock" / "dev.txt").write_text("", encoding="utf-8")
    run, page = tmp_path / "scripts" / "lock" / "run.txt", tmp_path / "docs" / licences.PAGE
    run.write_text("of-another-system==1.0 ; sys_platform == 'win32' \\\n", encoding="utf-8")
    with pytest.raises(licences.UnknownLicence, match=r"of-another-system 1\.0 is unknown here"):
        licences.page(tmp_path)
    page.write_text("| of-another-system | 1.0 | MIT | |\n", encoding="utf-8")
    assert "| of-another-system | 1.0 | MIT | Windows |" in licences.page(tmp_path)
    for refused in ("SSPL-1.0", "MIT AND GPL-2.0-only", "Proprietary"):
        page.write_text(f"| of-another-system | 1.0 | {refused} | |\n", encoding="utf-8")
        with pytest.raises(licences.UnknownLicence, match=refused):
            licences.page(tmp_path)
    assert licences.compatible("EPL-2.0 OR BSD-3-Clause")
