"""The start icon of each system, as its own tools read it."""

import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError
from ibackup.jobs.start_icon import icon_linux, icon_macos, icon_windows
from ibackup.jobs.start_icon.icon_types import StartIcon
from ibackup.jobs.start_icon.installed_icon import icon_here, install

ODD = ("/opt/my py/b$in\\python`3", "-m", "ibackup", "open", "100%", 'it\'s "so"')


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "data"


def _read(exec_line: str) -> list[str]:
    """What a desktop starts: the rules of the Desktop Entry Specification, the other way round."""
    text = re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "\\": "\\"}[found[1]], exec_line)
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text)
    return [
        (re.sub(r"\\(.)", r"\1", quoted) if quoted else plain).replace("%%", "%") for quoted, plain in words
    ]


def test_a_desktop_starts_exactly_this_command(data: Path) -> None:
    install(icon_linux.icon(ODD, b"<svg/>"))
    entry = (data / "applications" / "ibackup.desktop").read_text("utf-8")
    line = next(line for line in entry.splitlines() if line.startswith("Exec="))
    assert _read(line.removeprefix("Exec=")) == list(ODD)
    assert (data / "icons/hicolor/scalable/apps/ibackup.svg").read_bytes() == b"<svg/>"
    if (checker := shutil.which("desktop-file-validate")) is not None:
        subprocess.run([checker, data / "applications" / "ibackup.desktop"], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="a bundle holds a shell script")
def test_a_bundle_starts_exactly_this_command(tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = (
        sys.executable,
        "-c",
        f"import sys; open({str(said)!r}, 'w').write(repr(sys.argv[1:]))",
        *ODD[1:],
    )
    install(icon_macos.icon(command, b""))
    contents = tmp_path / "Applications" / "ibackup.app" / "Contents"
    about = plistlib.loads((contents / "Info.plist").read_bytes())
    subprocess.run([contents / "MacOS" / about["CFBundleExecutable"]], check=True)
    assert said.read_text() == repr(list(ODD[1:]))


def test_a_shortcut_gets_its_words_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPDATA", "C:\\Users\\ann\\AppData\\Roaming")
    icon = icon_windows.icon(ODD, b"")
    variables = dict(icon.environment)
    assert variables["IBACKUP_ICON_PROGRAM"] == ODD[0]
    assert variables["IBACKUP_ICON_ARGUMENTS"] == subprocess.list2cmdline(ODD[1:])
    assert variables["IBACKUP_ICON_PATH"].endswith("ibackup.lnk")
    assert not any(word in " ".join(icon.command) for word in ODD[1:] if len(word) > 4)


def test_a_program_that_fails_is_told() -> None:
    failing = StartIcon((), "nowhere", (sys.executable, "-c", "import sys; sys.exit('no such menu')"))
    with pytest.raises(IbackupError, match="no such menu"):
        install(failing)


def test_one_that_is_there_is_replaced(data: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("writes no file there")
    install(icon_here(["old"], b"<svg/>"))
    install(icon_here(["new"], b"<svg/>"))
    found = [path.read_text("utf-8", "replace") for path in data.parent.rglob("*") if path.is_file()]
    assert any("new" in text for text in found)
    assert not any("old" in text for text in found)
    assert os.environ["XDG_DATA_HOME"]
