"""Bytes from outside: what was found once is tried each time, and a little is searched; scripts/fuzz searches on."""

import random
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rig import LONG
from support import fuzzing
from support.fuzzing import BREAK, TARGETS, UDID, Target, message
from support.mutating import Fuzzer

EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))

pytestmark = pytest.mark.timeout(0 if LONG else 600)


@pytest.fixture(autouse=True, scope="module")
def nothing_left() -> Iterator[None]:
    yield
    fuzzing.close()


@EACH
def test_the_corpus(target: Target) -> None:
    for data in [*target.seeds(), *target.corpus()]:
        target.attempt(data)


@EACH
def test_a_few_changes(target: Target) -> None:
    """What the fuzzer makes of the corpus, always the same."""
    fuzzer = Fuzzer(target, random.Random(target.name))
    fuzzer.inputs = [*target.seeds(), *target.corpus()]
    for _ in range(3000 if LONG else 60):
        target.attempt(fuzzer.mutated())


PLACES = ["", "/", "..", "Snapshot", "link", "link/secret", "Manifest.db", "Status.plist", "00/" + "00" * 20]
PATHS = st.one_of(st.sampled_from(PLACES), st.text(max_size=12))
ODD = ["DLMessageUploadFiles", "DLMessagePurgeDiskSpace", "DLMessageMakeTea"]
NUMBERS = st.one_of(st.integers(-(1 << 63), (1 << 64) - 1), st.floats(allow_nan=False), st.booleans())


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A message or a file, well formed, about whatever."""

    def path() -> str:
        top = draw(st.sampled_from([f"{UDID}/", UDID, "../", "other/"]))
        return top + "".join(char for char in draw(PATHS) if char.isprintable())

    kind = draw(st.sampled_from(["upload", "move", "remove", "copy", "make", "list", "download", "odd"]))
    if kind == "upload":
        files = draw(
            st.lists(st.tuples(st.binary(max_size=20), st.sampled_from([0, 0, 0, 11, 6])), max_size=3)
        )
        parts = [message("DLMessageUploadFiles", {}, 1.0, draw(NUMBERS))]
        for data, code in files:
            parts += [b"n/x", b"n" + path().encode("utf-8", "replace"), b"c\x0c" + data, b"c" + bytes([code])]
        return BREAK.join([*parts, b"e"])
    makers = {
        "move": lambda: message("DLMessageMoveItems", {path(): path()}, {}, 1.0),
        "remove": lambda: message("DLMessageRemoveItems", [path(), path()], {}, 1.0),
        "copy": lambda: message("DLMessageCopyItem", path(), path(), {}, 1.0, 1),
        "make": lambda: message("DLMessageCreateDirectory", path(), {}),
        "list": lambda: message("DLContentsOfDirectory", path(), {}),
        "download": lambda: message("DLMessageDownloadFiles", [path()], {}, 1.0, draw(st.integers(0, 9))),
        "odd": lambda: message(draw(st.sampled_from(ODD)), draw(NUMBERS)),
    }
    return makers[kind]()


@settings(max_examples=2000 if LONG else 60)
@given(st.lists(records(), min_size=1, max_size=6))
def test_conversations_that_are_well_formed(parts: list[bytes]) -> None:
    """Deeper than changed bytes come: requests that are understood, in any order, about any path."""
    before = threading.active_count()
    TARGETS["conversation"].attempt(BREAK.join(parts))
    assert threading.active_count() <= before
