"""No window flashes: what the program starts without a person at a terminal says so to Windows, at every place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ibackup

SOURCES = Path(ibackup.__file__).parent
# A person sits there and reads what the child prints; or there is no such program on Windows.
AT_A_TERMINAL = {"cli/commands/demo_command.py"}
NOT_ON_WINDOWS = {"mount/system/by_mount_webdav.py", "jobs/backup/keep_awake.py"}


def starts() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "subprocess"
                and node.func.attr in {"run", "Popen", "call", "check_call", "check_output"}
            ):
                yield path.relative_to(SOURCES).as_posix(), node


def test_every_start_of_a_program() -> None:
    found = list(starts())
    assert len(found) > 5
    flashing = {
        name for name, call in found if "creationflags" not in {keyword.arg for keyword in call.keywords}
    }
    assert flashing == AT_A_TERMINAL | NOT_ON_WINDOWS
