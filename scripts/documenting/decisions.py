"""The list of the decisions in docs/decisions, the newest first."""

import re
from pathlib import Path

NAME = re.compile(r"(\d{4}-\d\d-\d\d)-[a-z0-9-]+\.md")
INDEX = "README.md"


def index(folder: Path) -> str:
    """The page that leads to all records.

    Raises:
        ValueError: a record's name or first line is not as the page says.
    """
    rows = []
    for path in sorted(folder.glob("*.md"), reverse=True):
        if path.name == INDEX:
            continue
        named = NAME.fullmatch(path.name)
        lines = path.read_text("utf-8").splitlines()
        if not named or len(lines) < 3 or not lines[0].startswith("# ") or lines[2] != f"Date: {named[1]}":
            raise ValueError(
                f"docs/decisions/{path.name}: name it YYYY-MM-DD-words.md, begin with a title and that date."
            )
        rows.append(f"| {named[1]} | [{lines[0].removeprefix('# ')}]({path.name}) |")
    return "\n".join(
        [
            "# Decisions",
            "",
            (
                "Each file records one decision: what we do, and why not otherwise. Made from the files by "
                "`scripts/gen-docs`. To change a decision, add a new record that names the old one, and say in the "
                "old one which record replaces it. [How ibackup is built](../design.md) describes what is true now."
            ),
            "",
            "| Date | Decision |",
            "|---|---|",
            *rows,
            "",
        ]
    )
