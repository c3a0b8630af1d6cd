"""Which words find which texts, compared with a plain scan of all texts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.errors import UsageError
from ibackup.contents.gaps import Gap
from ibackup.search.documents import Document
from ibackup.search.excerpts import excerpt
from ibackup.search.search_words import SearchWords
from ibackup.search.snapshot_index import IndexQuery, SnapshotIndex
from ibackup.search.text_blocks import MemoryBlocks
from ibackup.search.word_folding import folded_lower, folded_with_places
from support.plain_scan import matches


def index_of(texts: list[str]) -> SnapshotIndex:
    index = SnapshotIndex()
    index.write_to(MemoryBlocks())
    reading = index.reading("notes", index.add_snapshot("20261101T020004Z", "seal"))
    for number, text in enumerate(texts):
        reading.add(Document("notes", str(number), "", text))
    reading.finish("", whole=True)
    return index


def found(texts: list[str], *words: str) -> list[str]:
    with index_of(texts) as index:
        numbers = [
            each.number - 1
            for each in index.found(IndexQuery(SearchWords.parse(words).expression), "notes", None)
        ]
        return [texts[number] for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("station", "See you at the Station."),
        ("stat", "See you at the station"),
        ("cafe", "Café"),
        ("Café", "cafe"),
        ("strasse", "Straße"),
        ("STRASSE", "straße"),
        ("μηνυμα", "ΜΉΝΥΜΑ"),
        ("ели", "Ёли"),
        ("会議", "明日の会議は十時からです。"),
        ("は十時", "明日の会議は十時からです。"),
        ("コーヒー", "アイスコーヒーを飲む"),
        ("ｱｲｽ", "アイスコーヒー"),
        ("กาแฟ", "ฉันชอบกาแฟร้อน"),
        ("हिन्दी", "यह हिन्दी है"),
        ("안녕", "안녕하세요"),
        ("1234", "call +49 1234"),
        ("img_0001", "IMG_0001.HEIC"),
        ("don't", "I don't know"),
        ("see you at", "… see you, at seven"),
        ("\uff57ide", "wide letters"),
    ],
)
def test_these_words_find_this_text(words: str, text: str) -> None:
    assert found(["something else", text], words) == [text]
    assert excerpt(text, SearchWords.parse((words,))).marks


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("at",), "attention"),
        (("you see",), "see you"),
        (('"stat"',), "station"),
        (("tation",), "station"),
        (("京都",), "東京と京の都"),
        (("friday", "dinner"), "dinner on monday"),
        (("が",), "か"),
    ],
)
def test_these_words_do_not_find_this_text(words: tuple[str, ...], text: str) -> None:
    assert found([text], *words) == []


@pytest.mark.parametrize(
    "words",
    [
        'NEAR("a" "b")', "a OR b", "a AND b", "NOT a", "body : a", "{body} : a", "^a", "a + b", "-a", "a*b", '"', '""a',
        "a'", "a;--", "*", "(a", "a)", "\\", "\0a", "a\0", "\u2018a\u2019", "“a b”",
    ],
)  # fmt: skip
def test_words_are_never_a_language_of_their_own(words: str) -> None:
    texts = ["b a", "a b", "near a b", "or", "not a", "body a"]
    if not re.search(r"\w", words):
        with pytest.raises(UsageError):
            SearchWords.parse((words,))
        return
    wanted = SearchWords.parse((words,))
    with index_of(texts) as index:
        assert all(
            "a" in texts[each.number - 1]
            for each in index.found(IndexQuery(wanted.expression), "notes", None)
        )


_LETTERS = "aAbß éÉñ.,'-_*\"1\uff12 ΣσςЖж中文か゚がไทนี้कि안\u0301\u200d\u202e😹\n"
_TEXTS = st.text(alphabet=_LETTERS, max_size=24)


@given(st.lists(_TEXTS, min_size=1, max_size=12), st.lists(_TEXTS, min_size=1, max_size=3))
def test_a_search_finds_what_a_plain_scan_of_all_texts_finds(texts: list[str], words: list[str]) -> None:
    try:
        wanted = SearchWords.parse(tuple(words))
    except UsageError:
        return
    assert found(texts, *words) == [text for text in texts if matches(text, wanted)]


@given(st.data(), st.lists(st.text(alphabet=_LETTERS, min_size=3, max_size=24), min_size=1, max_size=8))
def test_a_word_out_of_a_text_finds_that_text(data: st.DataObject, texts: list[str]) -> None:
    text = data.draw(st.sampled_from(texts))
    words = [word for word in text.split() if parsed_or_none(word)]
    if words:
        assert text in found(texts, data.draw(st.sampled_from(words)))


def parsed_or_none(word: str) -> SearchWords | None:
    try:
        return SearchWords.parse((word,))
    except UsageError:
        return None


def test_an_excerpt_shows_the_words_and_fits_a_line() -> None:
    text = "many words before " * 30 + "see the\nneedle here " + "and after " * 300
    shown = excerpt(text, SearchWords.parse(("needle",)))
    (start, end), *_ = shown.marks
    assert shown.text[start:end] == "needle"
    assert "\n" not in shown.text
    assert len(shown.text) < 180
    assert shown.text.startswith("… ")
    assert shown.text.endswith(" …")


def test_a_document_that_is_far_too_long_is_found_by_its_beginning() -> None:
    with index_of(["needle " + "straw " * 1_000_000 + "pin"]) as index:
        assert list(index.found(IndexQuery(SearchWords.parse(("needle",)).expression), "notes", None))
        assert not list(index.found(IndexQuery(SearchWords.parse(("pin",)).expression), "notes", None))


def test_gaps_are_kept_with_their_snapshot() -> None:
    with index_of(["a"]) as index:
        index.add_gaps(
            1, [Gap("notes", "damaged", 2, damage=True), Gap("notes", "only in iCloud", 1)], lost=True
        )
        assert index.gaps == [(1, Gap("notes", "damaged", 2, damage=True), True)]


@given(st.text(max_size=60))
def test_folding_without_places_is_the_same_folding(text: str) -> None:
    assert folded_lower(text) == folded_with_places(text)[0]
