"""The version of uv that install.sh brings, and the checksums of its files."""

import re
from pathlib import Path

SCRIPT = "install.sh"
_BLOCK = re.compile(
    r"(?<=^# >>> written by scripts/gen-docs from scripts/lock\n).*?(?=^# <<<$)", re.MULTILINE | re.DOTALL
)


def script(root: Path) -> str:
    """install.sh with the pinned uv."""
    lock = (root / "scripts" / "lock" / "dev.txt").read_text(encoding="utf-8")
    (requirement,) = re.findall(r"^uv==\S+ \\\n(?: {4}--hash=\S+(?: \\)?\n)+", lock, re.MULTILINE)
    version = requirement[len("uv==") :].partition(" ")[0]
    block = f"uv_version={version}\nuv_requirement() {{\n    cat <<'END'\n{requirement}END\n}}\n"
    return _BLOCK.sub(lambda _: block, (root / SCRIPT).read_text(encoding="utf-8"))
