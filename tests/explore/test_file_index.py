"""All files of a backup in little memory, compared with the backup's own list."""

from collections.abc import Callable

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.rows import Kind
from ibackup.explore import file_index
from ibackup.explore.file_index import BelowFolder, FileIndex, ListedFile, ListedFolder
from support import hostile_names
from support.minted import Mint, Minted, Spec

Open = Callable[[Minted], Backup]
SPECS = [
    Spec("AppDomain-com.example.app", "Documents/b.txt", bytes(10)),
    Spec("AppDomain-com.example.app", "Documents/A.txt", bytes(30)),
    Spec("AppDomain-com.example.app", "Documents/Maps/one", bytes(200)),
    Spec("AppDomain-com.example.app", "Documents/Empty", flags=2),
    Spec("AppDomain-com.example.app", "link", flags=4, target="Documents"),
    Spec("AppDomainGroup-group.com.example.app.shared", "top", bytes(5)),
    Spec("HomeDomain", "Library/SMS/sms.db", bytes(1000)),
]


def read(mint: Mint, opened: Open, specs: list[Spec] = SPECS) -> FileIndex:
    return FileIndex.of(opened(mint(None, specs=specs)))


def test_sizes_by_app_and_by_folder(mint: Mint, opened: Open) -> None:
    index = read(mint, opened)
    assert (index.files, index.bytes, index.unreadable) == (6, 1245, 0)
    assert [(each.key, each.bytes, each.files) for each in index.apps] == [
        ("HomeDomain", 1000, 1),
        ("com.example.app", 245, 5),
    ]
    folder = index.folder("AppDomain-com.example.app", "Documents")
    assert folder is not None
    assert (folder.bytes, folder.files, folder.here) == (240, 3, 4)
    by_name: list[object] = [ListedFolder("Empty", 0, 0), ListedFolder("Maps", 200, 1)]
    by_name += [ListedFile("A.txt", 30, is_link=False), ListedFile("b.txt", 10, is_link=False)]
    assert folder.listing(by_size=False, start=0, count=100) == by_name
    assert folder.listing(by_size=False, start=1, count=2) == by_name[1:3]
    assert [each.bytes for each in folder.listing(by_size=True, start=0, count=9)] == [200, 0, 30, 10]


def test_what_is_not_there_is_none(mint: Mint, opened: Open) -> None:
    index = read(mint, opened)
    for domain, path in [
        ("HomeDomain", "Library/Nothing"),
        ("Nothing", ""),
        ("HomeDomain", "../HomeDomain"),
        ("HomeDomain", "Library/SMS/sms.db"),
        ("", ""),
    ]:
        assert index.folder(domain, path) is None
    assert index.app("nothing") is None


def test_everything_below_a_folder(mint: Mint, opened: Open) -> None:
    domain = "AppDomain-com.example.app"
    folder = read(mint, opened).folder(domain)
    assert folder is not None
    assert set(folder.below()) == {
        BelowFolder(domain, "Documents/b.txt", Kind.FILE),
        BelowFolder(domain, "Documents/A.txt", Kind.FILE),
        BelowFolder(domain, "Documents/Maps/one", Kind.FILE),
        BelowFolder(domain, "Documents/Empty", Kind.FOLDER),
        BelowFolder(domain, "link", Kind.LINK),
    }


NAMES = [name for name in hostile_names.NAMES if not {"/", "\0", "\ud800"} & set(name) and len(name) < 1000]


def test_every_name_stays_as_it_is(mint: Mint, opened: Open) -> None:
    specs = [Spec("HomeDomain", f"in/{name}", bytes(place + 1)) for place, name in enumerate(NAMES)]
    folder = read(mint, opened, specs).folder("HomeDomain", "in")
    assert folder is not None
    sizes = {each.name: each.bytes for each in folder.listing(by_size=False, start=0, count=1000)}
    assert sizes == {name: place + 1 for place, name in enumerate(NAMES)}


@pytest.mark.parametrize("limit", ["_DEEPEST", "_MOST_FOLDERS"])
def test_too_many_folders_become_longer_names(
    mint: Mint, opened: Open, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(file_index, limit, 3)
    path = "a/b/c/d/e"
    index = read(mint, opened, [Spec("HomeDomain", path, bytes(7)), Spec("HomeDomain", "a/b/x", bytes(1))])
    assert (index.files, index.bytes) == (2, 8)
    folder = index.folder("HomeDomain")
    assert folder is not None
    assert {each.path for each in folder.below()} == {path, "a/b/x"}
