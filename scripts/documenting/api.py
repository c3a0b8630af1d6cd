"""The reference of the public Python API, from the docstrings.

They are read as source, so that every Python makes the same page.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator

PUBLIC: dict[str, dict[str, tuple[str, ...]]] = {
    "ibackup.apple": {
        "Backup": (
            *("open", "close", "info", "status", "manifest", "udid", "is_encrypted"),
            *("unlocked", "unlock", "entries", "entry"),
        ),
        "Entry": ("size", "mode", "mtime", "open"),
        "Kind": (),
        "BadRow": (),
        "InfoPlist": (),
        "StatusPlist": ("is_finished",),
        "ManifestPlist": (),
    },
    "ibackup.apple.verify.verification": {"verify": (), "Verification": ("close",)},
    "ibackup.apple.verify.findings": {
        "Level": (),
        "Finding": ("is_damage", "is_flaw"),
        "FindingKind": (),
        "Severity": (),
        "Summary": ("good",),
    },
    "ibackup.apple.verify.seal": {"Seal": ("read", "get")},
    "ibackup.base.errors": {
        "IbackupError": (),
        "NotABackup": (),
        "PasswordNeeded": (),
        "PasswordWrong": (),
        "ExitCode": (),
    },
    "ibackup.apple.format_errors": {"FormatError": (), "KeyRefused": (), "SealDamaged": ()},
}
"""What docs/howto-python.md promises: modules, their names, and the methods and properties of these."""
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):\s*(.*)$")


def page() -> str:
    """The whole page."""
    parts = [
        "# The Python API",
        "",
        (
            "Made from the docstrings by `scripts/gen-docs`. Start with [Use it from Python](howto-python.md), which "
            "has an example."
        ),
        "",
        (
            "What is on this page is public. While the version begins with 0, a release that changes it in an "
            "incompatible way raises the second figure. Everything else is internal and may change at any time."
        ),
        "",
    ]
    for module, names in PUBLIC.items():
        parts += [f"## `{module}`", ""]
        for name, members in names.items():
            parts += described(getattr(importlib.import_module(module), name), members)
    return "\n".join(parts)


def described(found: object, members: tuple[str, ...]) -> Iterator[str]:
    """One class or function, and these members of it."""
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        raise TypeError(f"{found!r} is neither a class nor a function.")
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(found))).body
    if isinstance(node, ast.FunctionDef):
        yield from (f"### `{call(node)}`", "", *text(node, node.name))
    elif isinstance(node, ast.ClassDef):
        yield from (f"### `{node.name}`", "", *text(node, node.name), *values(node))
        methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
        for name in members:
            yield from (f"#### `{heading(node.name, methods[name])}`", "")
            yield from text(methods[name], f"{node.name}.{name}")


def heading(owner: str, node: ast.FunctionDef) -> str:
    """A method as it is called; a property as it is read."""
    decorators = {ast.unparse(each) for each in node.decorator_list}
    if decorators & {"property", "cached_property", "functools.cached_property"}:
        return f"{owner}.{node.name}"
    return f"{owner}.{call(node)}"


def call(node: ast.FunctionDef) -> str:
    """Name, arguments and result, without ``self``."""
    arguments = node.args
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        arguments.args = arguments.args[1:]
    result = f" -> {plain(ast.unparse(node.returns))}" if node.returns else ""
    return f"{node.name}({plain(ast.unparse(arguments))}){result}"


def plain(annotation: str) -> str:
    """Annotations without the quotes of forward references."""
    return re.sub(r"""['"]([A-Z]\w*)['"]""", r"\1", annotation)


def values(node: ast.ClassDef) -> Iterator[str]:
    """The members of an enumeration."""
    if not any("Enum" in ast.unparse(base) or "Flag" in ast.unparse(base) for base in node.bases):
        return
    names = [ast.unparse(each.targets[0]) for each in node.body if isinstance(each, ast.Assign)]
    yield from ("Members: " + ", ".join(f"`{name}`" for name in names if not name.startswith("_")) + ".", "")


def text(node: ast.ClassDef | ast.FunctionDef, name: str) -> Iterator[str]:
    """A docstring as Markdown."""
    docstring = ast.get_docstring(node)
    if not docstring:
        raise ValueError(f"{name} is public and has no docstring.")
    in_section = False
    for block in re.split(r"\n\s*\n", docstring.replace("``", "`")):
        lines = block.splitlines()
        begins = SECTION.match(lines[0])
        in_section = in_section or begins is not None
        if begins:
            title = "Arguments" if begins[1] == "Args" else begins[1]
            yield from (f"**{title}**", "")
            lines = [f"    {begins[2]}"] if begins[2] else lines[1:]
        yield from listed(lines) if in_section else lines
        yield ""


def listed(lines: list[str]) -> Iterator[str]:
    """The items of a section, one line each."""
    for item in re.split(r"\n {4}(?=\S)", "\n" + "\n".join(lines))[1:]:
        key, colon, rest = " ".join(item.split()).partition(": ")
        yield f"- `{key}`: {rest}" if colon and re.fullmatch(r"[\w, .*]+", key) else f"- {key}{colon}{rest}"
