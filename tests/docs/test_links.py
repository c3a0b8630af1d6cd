"""Every link between our pages leads somewhere, headings included."""

import re
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def headings(text: str) -> set[str]:
    """The anchors that a Markdown viewer makes for a page."""
    lines = re.findall(r"^#{1,6} (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_links_lead_somewhere(pages: dict[Path, str]) -> None:
    broken = []
    for page, text in pages.items():
        for link in LINK.findall(FENCE.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and anchor not in headings(target.read_text(encoding="utf-8"))):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_web_links_are_encrypted(pages: dict[Path, str]) -> None:
    plain = [
        f"{page.name}: {link}"
        for page, text in pages.items()
        for link in re.findall(r"\bhttp://(?!127\.0\.0\.1\b)\S+", text)  # this computer itself
    ]
    assert plain == []


def test_every_page_is_reachable_from_the_index(root: Path, pages: dict[Path, str]) -> None:
    index = root / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(pages[index])}
    unlinked = {page.name for page in pages if page.parent == index.parent and page != index} - {
        path.name for path in linked
    }
    assert unlinked == set()
