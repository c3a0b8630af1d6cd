"""The access list of a store on Windows: what is asked of its programs, and what is read from their answer."""

import os
import sys
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError
from ibackup.store.disk import windows_access
from ibackup.store.disk.windows_access import others_in

ANN = "S-1-5-21-1004336348-1177238915-682003330-1001"
OWN = f"store\r\nD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{ANN})\r\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OWN, ()),
        (OWN.replace("(A;OICI;FA;;;SY)", "(A;OICIIO;FA;;;CO)(D;OICI;FA;;;WD)"), ()),
        ("x\r\nD:AI(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)(A;ID;0x1301bf;;;AU)\r\n", ("BU", "AU")),
        (f"D:P(A;;FA;;;{ANN[:-1]}2)(A;;FA;;;{ANN})", (f"{ANN[:-1]}2",)),
        ('D:(XA;;FR;;;WD;(@User.Project Any_of {"a"}))(A;;FA;;;BA)', ("WD",)),
        ("D:P(A;;FA;;;LA)", ("LA",)),
    ],
)
def test_who_else_gets_in(text: str, found: tuple[str, ...]) -> None:
    assert others_in(text, ANN) == found


def test_the_administrator_is_nobody_else_to_themselves() -> None:
    assert others_in("D:P(A;;FA;;;LA)(A;;FA;;;SY)", "S-1-5-21-1-2-3-500") == ()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An icacls that keeps what it is told beside itself, and a whoami."""
    if sys.platform == "win32":
        pytest.skip("Windows has its own")
    made = {
        "whoami": f'print(\'"office\\\\ann","{ANN}"\')',
        "icacls": f"""
import pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / "asked", "a") as asked: print(*sys.argv[1:], file=asked)
if "/save" in sys.argv: pathlib.Path(sys.argv[3]).write_bytes({OWN!r}.replace("SY", "BU").encode("utf-16-le"))
""",
    }
    for name, text in made.items():
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def test_setting_and_looking(programs: Path) -> None:
    windows_access.restrict("/the store")
    assert windows_access.others("/the store") == ("BU",)
    first = (programs / "asked").read_text().splitlines()[0]
    everybody = " ".join(f"*{who}:(OI)(CI)F" for who in (ANN, "S-1-5-18", "S-1-5-32-544"))
    assert first == f"/the store /inheritance:r /grant:r {everybody} /Q"


def test_where_there_are_no_such_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert windows_access.others("/the store") == ()
    with pytest.raises(IbackupError):
        windows_access.restrict("/the store")
