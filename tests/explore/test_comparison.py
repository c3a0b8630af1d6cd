import hashlib
from collections.abc import Callable

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.mbfile import MBFile
from ibackup.apple.rows import BadRow, Row
from ibackup.explore.backup_diff import Difference, compare
from support.minted import Mint, Minted, Spec

Open = Callable[[Minted], Backup]
BEFORE = [
    Spec("HomeDomain", "Library", flags=2),
    Spec("HomeDomain", "same", b"same"),
    Spec("HomeDomain", "gone", b"12345"),
    Spec("HomeDomain", "grows", b"1"),
    Spec("HomeDomain", "shrinks", b"123"),
    Spec("HomeDomain", "touched", b"t", mtime=1_600_000_000),
    Spec("HomeDomain", "rewritten in place", b"old"),
    Spec("MediaDomain", "rewritten without digest", b"old"),
    Spec("HomeDomain", "link", flags=4, target="a"),
    Spec("HomeDomain", "becomes a link", b"x"),
]
AFTER = [
    Spec("HomeDomain", "Library", flags=2, mtime=1_800_000_000),
    Spec("HomeDomain", "new folder", flags=2),
    Spec("HomeDomain", "same", b"same"),
    Spec("HomeDomain", "new", b"123"),
    Spec("HomeDomain", "grows", b"1234"),
    Spec("HomeDomain", "shrinks", b"12"),
    Spec("HomeDomain", "touched", b"t", mtime=1_600_000_001),
    Spec("HomeDomain", "rewritten in place", b"new"),
    Spec("MediaDomain", "rewritten without digest", b"new"),
    Spec("HomeDomain", "link", flags=4, target="b"),
    Spec("HomeDomain", "becomes a link", flags=4, target="c"),
]


def refuse(row: BadRow) -> None:
    raise AssertionError(row)


def by_path(found: list[Difference]) -> dict[str, tuple[str, int, tuple[str, ...]]]:
    return {each.path: (each.change, each.growth, each.what) for each in found}


@pytest.mark.parametrize("era", ["10.2", "mbdb"])
def test_what_changed(mint: Mint, opened: Open, era: str) -> None:
    before, after = (opened(mint(None, era=era, specs=specs)) for specs in (BEFORE, AFTER))
    assert by_path(list(compare(before, after, refuse))) == {
        "gone": ("removed", -5, ()),
        "new": ("added", 3, ()),
        "grows": ("grown", 3, ("size", "digest")),
        "shrinks": ("changed", -1, ("size", "digest")),
        "touched": ("changed", 0, ("time",)),
        "rewritten in place": ("changed", 0, ("digest",)),
        "link": ("changed", 0, ("target",)),
        "becomes a link": ("changed", -1, ("kind", "size", "target")),
    }


def test_the_other_way_round_is_the_opposite(mint: Mint, opened: Open) -> None:
    before, after = (opened(mint(None, specs=specs)) for specs in (BEFORE, AFTER))
    forth, back = (list(compare(*pair, refuse)) for pair in ((before, after), (after, before)))
    assert sum(each.growth for each in forth) == -sum(each.growth for each in back)
    assert {each.path for each in forth} == {each.path for each in back}


def test_a_backup_and_itself(mint: Mint, opened: Open) -> None:
    minted = mint("password")
    assert list(compare(opened(minted), opened(minted), refuse)) == []


def test_what_is_the_same_in_both_is_not_even_decoded(
    mint: Mint, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 300,000 files nearly all are the same, and decoding them takes longest."""
    before, after = (opened(mint(None, specs=specs)) for specs in (BEFORE, AFTER))
    decode, decoded = Row.record, []

    def record(row: Row) -> MBFile:
        decoded.append(row.relative_path)
        return decode(row)

    monkeypatch.setattr(Row, "record", record)
    found = {each.path for each in compare(before, after, refuse)}
    assert set(decoded) == found


def test_digests_of_ciphertext_mean_nothing_across_encryption(mint: Mint, opened: Open) -> None:
    plain, encrypted = mint(None, specs=BEFORE), mint("password", specs=BEFORE)
    assert list(compare(opened(plain), opened(encrypted), refuse)) == []


def test_ids_order_the_answer_and_bad_rows_do_not_stop_it(mint: Mint, opened: Open) -> None:
    before, after = (mint(None, specs=specs) for specs in (BEFORE, AFTER))
    after.edit_database(
        lambda db: db.execute(
            "UPDATE Files SET file = x'00' WHERE fileID = ?", (Minted.file_id("HomeDomain", "same"),)
        )
    )
    bad: list[BadRow] = []
    found = list(compare(opened(before), opened(after), bad.append))
    assert [row.relative_path for row in bad] == ["same"]
    assert [each.file_id for each in found] == sorted(each.file_id for each in found)
    assert found[0].file_id == hashlib.sha1(f"{found[0].domain}-{found[0].path}".encode()).hexdigest()
