"""The table of promises and the tests that hold them: docs/design.md has the one, marks on tests the other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROMISE = re.compile(r"^\d+\. \*\*(.+?)\*\*", re.MULTILINE)
BEGIN = "<!-- made by scripts/gen-docs from docs/design.md and the marks on tests -->\n"
END = "<!-- end of the table of promises -->"


class Unkept(Exception):
    """A promise has no test, or a mark names no promise."""


def table(design: str, tests: Path) -> str:
    """Each promise with its tests.

    Args:
        design: the text of docs/design.md.
        tests: the folder whose tests carry the marks.

    Raises:
        Unkept: a promise has no test, or a mark names no promise.
    """
    section = design.partition("\n## Promises\n")[2].partition("\n## ")[0]
    held: dict[str, list[str]] = {title: [] for title in PROMISE.findall(section)}
    for path in sorted(tests.rglob("test_*.py")):
        for title, test in marked(path):
            name = path.relative_to(tests).as_posix()
            if title not in held:
                raise Unkept(f"tests/{name} is marked for {title!r}, which docs/design.md does not promise.")
            held[title].append(f"`{name}`" + (f" ({test})" if test else ""))
    for title, names in held.items():
        if not names:
            raise Unkept(f"No test is marked for the promise {title!r}.")
    rows = [
        f"| {number}. {title} | {', '.join(names)} |" for number, (title, names) in enumerate(held.items(), 1)
    ]
    return "\n".join(["| Promise | Tests |", "|---|---|", *rows, ""])


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """The promises that a file's marks name, each with the words of the test, or with none for the whole file."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "pytestmark" for each in node.targets
        ):
            yield from ((title, "") for title in titles(node.value))
        if isinstance(node, ast.FunctionDef):
            words = node.name.removeprefix("test_").replace("_", " ")
            yield from ((title, words) for decorator in node.decorator_list for title in titles(decorator))


def titles(node: ast.expr) -> Iterator[str]:
    """What each ``pytest.mark.promise(TITLE)`` in an expression names."""
    for call in ast.walk(node):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "promise"
        ):
            yield from (str(each.value) for each in call.args if isinstance(each, ast.Constant))
