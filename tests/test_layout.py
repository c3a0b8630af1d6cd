"""The house rules of the source tree: no circles, no shortcuts through packages, one meaning for each name."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import ibackup

SOURCES = Path(ibackup.__file__).parent
FACES = {"ibackup", "ibackup.apple", "ibackup.simulator"}
"""Packages that hand out names: to the programs of others, never to our own code."""

# What stands at both ends of one wire is called the same at both, and a fault as in the spec files.
SAME_FILE_NAME = {"afc", "os_trace", "pcapd"}
SAME_CLASS_NAME = {"NoRoom"}


@cache
def modules() -> dict[str, Path]:
    """Every file by its dotted name."""
    found = {}
    for path in sorted(SOURCES.rglob("*.py")):
        parts = ("ibackup", *path.relative_to(SOURCES).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every import of our own, also those inside functions and for type checkers: the module, and the name if any."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in modules():
                    yield whole, ""
                elif node.module in modules():
                    yield str(node.module), alias.name
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name in modules())


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of files that import each other, by Tarjan's algorithm."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        path.append(name)
        for other in sorted(arrows[name]):
            if other not in number:
                visit(other)
            if other in path:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            at = path.index(name)
            group, path[at:] = path[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for name in arrows:
        if name not in number:
            visit(name)
    return found


def test_no_circle_between_files() -> None:
    arrows = {name: {other for other, _ in imports(path)} - {name} for name, path in modules().items()}
    assert circles(arrows) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_names_come_from_the_file_that_defines_them() -> None:
    """A package is a folder with a sentence about it; two have a face besides, which our own code leaves alone."""
    packages = {name: path for name, path in modules().items() if path.name == "__init__.py"}
    more = [name for name, path in packages.items() if name not in FACES and len(tree(path).body) != 1]
    assert more == []
    without = [name for name, path in packages.items() if not ast.get_docstring(tree(path))]
    assert without == []
    shortcuts = [
        f"{name}: {package}.{what}"
        for name, path in modules().items()
        for package, what in imports(path)
        if package in packages and what and what != "__version__"
    ]
    assert shortcuts == []


def test_no_file_passes_on_the_names_of_others() -> None:
    passed = [
        f"{name}: {module}.{what}"
        for name, path in modules().items()
        for module, what in imports(path)
        if what and module not in FACES and not what.startswith("__") and what not in defined(module)
    ]
    assert passed == []


@cache
def defined(module: str) -> frozenset[str]:
    """What a file defines itself, at its top level."""
    found: set[str] = set()
    for node in ast.walk(tree(modules()[module])):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                found |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return frozenset(found)


def test_a_file_name_stands_once() -> None:
    seen: dict[str, list[str]] = {}
    for name, path in modules().items():
        if path.name != "__init__.py":
            seen.setdefault(path.stem, []).append(name)
    assert {
        stem: names for stem, names in seen.items() if len(names) > 1 and stem not in SAME_FILE_NAME
    } == {}


def test_a_class_name_has_one_meaning() -> None:
    seen: dict[str, list[str]] = {}
    for name, path in modules().items():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                seen.setdefault(node.name, []).append(name)
    assert {
        each: names for each, names in seen.items() if len(names) > 1 and each not in SAME_CLASS_NAME
    } == {}


def cut_off(source: str) -> list[int]:
    """Lines that are only text, and no docstring: the lost end of the text above."""
    lines = source.splitlines()
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant | ast.JoinedStr)
        and lines[node.lineno - 1].strip().startswith(('"', "'", 'f"', "f'"))
        and not lines[node.lineno - 1].strip().startswith('"""')
    ]


def test_no_sentence_is_cut_off() -> None:
    found = {name: cut_off(path.read_text(encoding="utf-8")) for name, path in modules().items()}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert cut_off('A = "begins "\n"and ends"\n') == [2]


OWNER_OF_PATHS = "ibackup.base.settings_paths"


def spelled(source: str) -> list[str]:
    """The paths in Settings that a file spells, also in the middle of a text or over several lines."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    own = re.compile(r"Settings( on the \S+)? > |General > |iCloud > |Find My > |\[?your name\]? > ")
    return [text for text in texts if own.search(text)]


def test_a_path_in_settings_is_spelled_in_one_file() -> None:
    found = {name: spelled(path.read_text(encoding="utf-8")) for name, path in modules().items()}
    assert {name: texts for name, texts in found.items() if texts and name != OWNER_OF_PATHS} == {}
    assert found[OWNER_OF_PATHS]
    assert spelled('a = f"See Settings " f"> General on {b}."')


def test_a_file_is_short_enough_to_read() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > 500} == {}
