import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.confined import name_flaw
from ibackup.explore.target_names import LONG_PATHS, RENAMED_LIST, STAGING, Namer, NameRules, Renamed

ID = "0123456789abcdef0123456789abcdef01234567"
PLAIN = NameRules()
EVERYWHERE = NameRules.everywhere()


class Naming:
    """A namer with what it told."""

    def __init__(self, rules: NameRules) -> None:
        self.told: list[Renamed] = []
        self.namer = Namer(rules, self.told.append)

    def file(self, path: str, domain: str = "D") -> str:
        return "/".join(self.namer.file(domain, path, ID))


@pytest.mark.parametrize(
    ("path", "place", "reason"),
    [
        ("a:b", "D/a_b", "character"),
        ('<>"|?*\\', "D/_______", "character"),
        ("line\nbreak", "D/line_break", "character"),
        ("ends. ", "D/ends_", "character"),
        ("...", "D/_", "character"),
        ("CON", "D/_CON", "reserved"),
        ("aux.txt", "D/_aux.txt", "reserved"),
        ("COM¹.log", "D/_COM¹.log", "reserved"),
        ("a/NUL/b", "D/a/_NUL/b", "reserved"),
    ],
)
def test_windows_rules(path: str, place: str, reason: str) -> None:
    naming = Naming(EVERYWHERE)
    assert naming.file(path) == place
    assert [told.reason for told in naming.told] == [reason]


def test_a_system_without_those_rules_keeps_the_names() -> None:
    naming = Naming(PLAIN)
    for path in ("a:b", '<>"|?*\\', "line\nbreak", "ends. ", "CON", "Ünï", "ÜNÏ"):
        assert naming.file(path) == f"D/{path}"
    assert not naming.told


def test_case_collisions() -> None:
    naming = Naming(EVERYWHERE)
    assert naming.file("Photo.JPG") == "D/Photo.JPG"
    assert naming.file("photo.jpg") == "D/photo (2).jpg"
    assert naming.file("PHOTO.jpg") == "D/PHOTO (3).jpg"
    assert [(told.path, told.reason) for told in naming.told] == [
        ("photo.jpg", "collision"),
        ("PHOTO.jpg", "collision"),
    ]


def test_folders_that_differ_in_case_stay_apart_and_are_reported_once() -> None:
    naming = Naming(EVERYWHERE)
    places = [naming.file(path) for path in ("Cache/a", "cache/a", "cache/b", "Cache/b")]
    assert places == ["D/Cache/a", "D/cache (2)/a", "D/cache (2)/b", "D/Cache/b"]
    assert [told.path for told in naming.told] == ["cache"]


def test_unicode_duplicates() -> None:
    naming = Naming(EVERYWHERE)
    composed, decomposed = (unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD"))
    assert naming.file(composed) == f"D/{composed}"
    assert naming.file(decomposed) == f"D/{unicodedata.normalize('NFD', 'é')} (2).txt"
    assert naming.file("zero\u200bwidth") == "D/zero\u200bwidth"
    assert naming.file("zerowidth") == "D/zerowidth (2)"


def test_a_file_and_a_folder_of_one_name() -> None:
    naming = Naming(PLAIN)
    assert naming.file("a/b") == "D/a/b"
    assert naming.file("a") == "D/a (2)"


def test_replaced_characters_do_not_make_two_files_one() -> None:
    naming = Naming(EVERYWHERE)
    assert len({naming.file(path).casefold() for path in ("a?", "a*", "a_", "a:")}) == 4


def test_names_that_leave_their_folder() -> None:
    naming = Naming(PLAIN)
    assert naming.file("../../etc/passwd") == "D/__/__/etc/passwd"
    assert naming.file("/etc/passwd") == "D/_/etc/passwd"
    assert naming.file("a", domain="../x") == ".._x/a"
    assert naming.file("a", domain="..") == "__/a"
    assert naming.file("b\0c") == "D/b_c"


def test_our_own_names_are_not_given_away() -> None:
    for rules in (PLAIN, EVERYWHERE):
        naming = Naming(rules)
        assert naming.file("a", domain=STAGING) != f"{STAGING}/a"
        assert naming.file("a", domain=RENAMED_LIST) != f"{RENAMED_LIST}/a"


def test_long_names_keep_their_ending_and_stay_apart() -> None:
    naming = Naming(PLAIN)
    one, other = "ä" * 200 + "1.jpeg", "ä" * 200 + "2.jpeg"
    places = [naming.file(one), naming.file(other)]
    assert len(set(places)) == 2
    for place in places:
        assert place.endswith(".jpeg")
        assert len(place.removeprefix("D/").encode()) <= 255
    assert [told.reason for told in naming.told] == ["length", "length"]


def test_long_paths_go_to_a_folder_of_their_own() -> None:
    naming = Naming(PLAIN)
    place = naming.file("deep/" * 10_000 + "end.txt")
    assert place == f"{LONG_PATHS}/01234567 end.txt"
    assert naming.file("deeper/" * 10_000 + "end.txt") == f"{LONG_PATHS}/01234567 end (2).txt"
    assert [told.reason for told in naming.told] == ["length", "length"]


def test_a_shortened_name_that_collides_is_still_short() -> None:
    naming = Naming(NameRules(name_limit=64))
    name = "n" * 64
    places = {naming.file(name) for _ in range(20)}
    assert len(places) == 20
    assert max(len(place) for place in places) <= 66


PIECES = [*"aA.é\u0301 :*?/\\\0\n\udcff", "CON", "nul.", "..", "x" * 120]
NAMES = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.lists(st.tuples(st.sampled_from(["D", "d", "..", "A-b"]), NAMES), unique=True, max_size=30))
def test_every_file_gets_a_good_place_of_its_own(files: list[tuple[str, str]]) -> None:
    naming = Naming(EVERYWHERE)
    places = [naming.namer.file(domain, path, ID) for domain, path in files]
    assert len({"/".join(place).casefold() for place in places}) == len(files)
    for place in places:
        for part in place:
            assert name_flaw(part) == ""
            part.encode()
    kept = {f"{told.domain}/{told.path}" for told in naming.told}
    for (domain, path), place in zip(files, places, strict=True):
        if "/".join(place) != f"{domain}/{path}":
            above = [f"{domain}/{path[:end]}" for end in range(len(path) + 1)]
            assert kept.intersection(above)


def test_probing_this_disk(tmp_path: Path) -> None:
    rules = NameRules.probe(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "Case").touch()
    (tmp_path / "\u00e9").touch()
    assert rules.folds == (
        sys.platform == "win32" or (tmp_path / "cASE").exists() or (tmp_path / "e\u0301").exists()
    )
    if os.name == "posix" and rules.any_bytes:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
