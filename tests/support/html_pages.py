"""Exported pages: whether they are well-formed, keep to themselves, and link only what is there."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote


class Page(HTMLParser):
    """What a page has: its tags with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.path = path
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{self.path}: {tag} is not nested"

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def check_pages(folder: Path) -> None:
    """Every page below a folder: no script, a strict policy, links to files that exist or to the web."""
    pages = [path for path in folder.rglob("*.html") if path.is_file()]
    assert pages
    for path in pages:
        page = Page(path)
        assert page.open == [], path
        assert not page.all("script")
        policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
        assert policy
        assert policy.startswith("default-src 'none'")
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") for name in attributes), (path, tag)
            for name in ("src", "href"):
                address = attributes.get(name) or ""
                if name == "src":
                    assert "://" not in address
                if address and ":" not in address and not address.startswith("#"):
                    assert (path.parent / unquote(address.partition("#")[0] or path.name)).is_file(), (
                        path,
                        address,
                    )
                assert not address.lower().startswith(("javascript:", "data:", "file:")), (path, address)
