"""The pages name no file, module or function that is gone."""

import re
from pathlib import Path

PACKAGE = "src/ibackup"
HISTORY = "decisions"  # a record names what was there on its day
_FILE = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)+\w+\.py\b")
_MODULE = re.compile(r"\bibackup(?:\.[A-Za-z_]\w*)+")
_DOTTED = re.compile(r"`([A-Za-z]\w*(?:\.[A-Za-z_]\w*)+)")
_NOT_CODE = {"json", "py", "md", "toml", "sqlite", "plist", "db", "txt", "pem", "fish", "prom", "log"}


def _exists(root: Path, name: str) -> bool:
    """Whether a dotted name, from the package or from any of its folders or files on, is in the code."""
    first, *rest = name.split(".")
    for start in (root / PACKAGE).rglob(f"{first}*"):
        if start.name in {first, f"{first}.py"} and _leads_on(start, rest):
            return True
    texts = (path.read_text(encoding="utf-8") for path in (root / PACKAGE).rglob("*.py"))
    return any(
        re.search(rf"^class {first}\b", text, re.MULTILINE) and re.search(rf"\b{rest[0]}\b", text)
        for text in texts
    )


def _leads_on(place: Path, rest: list[str]) -> bool:
    if not rest:
        return True
    if place.is_dir():
        inside = (place / rest[0], place / f"{rest[0]}.py")
        face = place / "__init__.py"
        return any(each.exists() and _leads_on(each, rest[1:]) for each in inside) or (
            face.exists() and _leads_on(face, rest)
        )
    return re.search(rf"\b{rest[0]}\b", place.read_text(encoding="utf-8")) is not None


def test_every_file_and_module_that_the_pages_name_is_there(
    root: Path, pages: dict[Path, str], tracked: list[Path]
) -> None:
    texts = {page: text for page, text in pages.items() if HISTORY not in page.parts}
    texts |= {path: path.read_text("utf-8") for path in tracked if path.parent == root / "scripts"}
    gone = []
    for page, text in texts.items():
        folders = (root, page.parent, root / PACKAGE, root / "tests")
        files = {name for name in _FILE.findall(text) if not any((at / name).exists() for at in folders)}
        modules = {name for name in _MODULE.findall(text) if name.split(".")[-1] not in _NOT_CODE}
        lost = {name for name in modules if not _leads_on(root / PACKAGE, name.split(".")[1:])}
        gone += [f"{page.name}: {name}" for name in sorted(files | lost)]
    assert gone == []


def test_every_dotted_name_in_the_page_on_the_design_is_in_the_code(root: Path) -> None:
    text = (root / "docs" / "design.md").read_text(encoding="utf-8")
    names = {name for name in _DOTTED.findall(text) if name.split(".")[-1] not in _NOT_CODE}
    assert len(names) > 10
    assert [name for name in sorted(names) if not _exists(root, name)] == []
