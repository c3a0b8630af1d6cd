"""No page, and no sentence of the program, uses the words that docs/style.md rules out."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import ibackup

SOURCES = Path(ibackup.__file__).parent
GENERATED = {
    "errors.md",
    "icloud.md",
    "reference-api.md",
    "reference-cli.md",
    "reference-config.md",
    "reference-simulator.md",
}


def ruled_out(pages: dict[Path, str]) -> re.Pattern[str]:
    (style,) = [text for page, text in pages.items() if page.name == "style.md"]
    (line,) = re.findall(r"^Never, in any page .+?:(.+?)\n\n", style, re.MULTILINE | re.DOTALL)
    words = re.findall(r"\*(.+?)\*", " ".join(line.split()))
    assert len(words) > 9
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


def sentences(source: str) -> Iterator[str]:
    """The docstrings, texts and comments of a program; a text without a space may be a name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield " ".join(node.value.split())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def test_no_page_uses_a_word_that_is_ruled_out(pages: dict[Path, str]) -> None:
    words = ruled_out(pages)
    found = [
        f"{page.name}: {match[0]}"
        for page, text in pages.items()
        if page.name not in GENERATED | {"style.md"}
        for match in words.finditer(" ".join(text.split()))
    ]
    assert found == []


def test_no_sentence_of_the_program_uses_one_either(pages: dict[Path, str]) -> None:
    words = ruled_out(pages)
    found = [
        f"{path.relative_to(SOURCES)}: {match[0]}"
        for path in sorted(SOURCES.rglob("*.py"))
        for text in sentences(path.read_text(encoding="utf-8"))
        for match in words.finditer(text)
    ]
    assert found == []
    assert [*sentences('"""Whoever did it."""\nmend = 1  # anew\n')] == ["Whoever did it.", "# anew"]


def test_no_template_uses_one_either(pages: dict[Path, str]) -> None:
    words = ruled_out(pages)
    found = [
        f"{path.relative_to(SOURCES)}: {match[0]}"
        for path in sorted(SOURCES.rglob("*.html"))
        for match in words.finditer(" ".join(path.read_text(encoding="utf-8").split()))
    ]
    assert found == []
