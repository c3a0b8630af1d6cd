"""Bookmarks as a file, read by Python's own HTML parser; what a browser would run of it."""

from html.parser import HTMLParser

from ibackup.contents.safari import Bookmark
from ibackup.export.formats.bookmark_file import bookmark_file


def mark(
    row: int, parent: int, title: str, *, url: str = "", order: int = 0, above: tuple[str, ...] = ()
) -> Bookmark:
    return Bookmark(
        id=str(row),
        row=row,
        parent=parent,
        order=order,
        is_folder=not url,
        title=title,
        url=url,
        folders=above,
        part="",
        changed=None,
    )


class Reader(HTMLParser):
    """The links with the folders that they are in, and every tag and attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[tuple[str, ...], str, str]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._path: list[str] = []
        self._title = self._href = ""
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._in = tag
        if tag == "dl":
            self._path.append(self._title)
        if tag in ("a", "h3"):
            self._title = ""
            self._href = dict(attrs).get("href") or ""

    def handle_data(self, data: str) -> None:
        if self._in in ("a", "h3"):
            self._title += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""
        if tag == "a":
            self.found.append((tuple(self._path[1:]), self._title, self._href))
        if tag == "dl":
            self._path.pop()


def read(*bookmarks: Bookmark) -> Reader:
    reader = Reader()
    reader.feed("".join(bookmark_file(bookmarks)))
    return reader


def test_folders_order_and_texts_are_kept() -> None:
    found = read(
        mark(1, 0, "BookmarksBar"),
        mark(2, 1, "Second", url='https://b.example/?a=1&b="2"', order=2, above=("BookmarksBar",)),
        mark(3, 1, "Tra<vel>", order=1, above=("BookmarksBar",)),
        mark(4, 3, "Trains", url="https://t.example/", above=("BookmarksBar", "Tra<vel>")),
        mark(5, 0, "Empty"),
    ).found
    assert found == [
        (("Favorites", "Tra<vel>"), "Trains", "https://t.example/"),
        (("Favorites",), "Second", 'https://b.example/?a=1&b="2"'),
    ]


def test_circles_of_folders_lose_no_page() -> None:
    found = read(
        mark(1, 1, "Self"),
        mark(2, 1, "in self", url="a:"),
        mark(3, 4, "A"),
        mark(4, 3, "B"),
        mark(5, 3, "in A", url="b:"),
        mark(6, 4, "in B", url="c:"),
        mark(7, 3, "below A"),
        mark(8, 7, "in below A", url="d:"),
        mark(9, 99, "nowhere", url="e:"),
    ).found
    assert sorted((path, title) for path, title, _ in found) == [
        ((), "nowhere"),
        (("A",), "in A"),
        (("A", "below A"), "in below A"),
        (("B",), "in B"),
        (("Self",), "in self"),
    ]


def test_folders_in_folders_without_end_lose_no_page() -> None:
    chain = [mark(row, row - 1, f"f{row}") for row in range(1, 3000)]
    pages = [mark(10_000 + row, row, f"p{row}", url="a:") for row in range(1, 3000)]
    found = read(*chain, *pages).found
    assert {title for _, title, _ in found} == {page.title for page in pages}
    assert max(len(path) for path, _, _ in found) <= 64


def test_a_title_is_never_markup_and_no_script_runs() -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    page = "".join(
        bookmark_file([mark(1, 0, hostile, url=f"javascript:alert(3){hostile}"), mark(2, 0, hostile)])
    )
    reader = Reader()
    reader.feed(page)
    assert reader.tags <= {"meta", "title", "h1", "dl", "p", "dt", "a", "h3"}
    assert not {name for name in reader.attributes if name.startswith("on")}
    assert "default-src 'none'" in page
    assert page.index("Content-Security-Policy") < page.index("javascript:")
