"""The manual pages: one for each command, and groff, which shows them, finds nothing wrong."""

import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from documenting.man_pages import man_pages
from documenting.walking import commands

from ibackup.cli.main import cli


@pytest.mark.peer
def test_groff_shows_a_page_for_each_command(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    made = man_pages("1.2.3", date(2026, 12, 1))
    assert {f"{path.replace(' ', '-')}.1" for path, _, _ in commands(cli, "ibackup")} <= made.keys()
    pages = {name: text for name, text in made.items() if not text.startswith(".so ")}
    for name, text in pages.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    groff = (require_tool("groff"), "-k", "-K", "utf-8", "-man", "-T", "utf8", "-P-cbou", "-ww", "-rLL=80n")
    done = subprocess.run([*groff, *sorted(pages)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    assert "ibackup-now - back up the connected phone, check the backup and seal it" in shown
    assert "--password-file FILE File whose first line is the backup password" in shown
    assert "15 phone or copy in use by another run" in shown
    assert (
        "ibackup-copy-add(1) Make a second copy called NAME at ADDRESS, and write it into the config file"
        in shown
    )
