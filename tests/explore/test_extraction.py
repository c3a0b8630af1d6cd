import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from explore.taking import PASSWORD, Take, files_below
from ibackup.apple.backup import Backup
from ibackup.base.errors import NoRoom, UsageError
from ibackup.explore.extraction import Wanted, extract
from ibackup.explore.selection import Selection
from ibackup.explore.target_names import RENAMED_LIST
from support.made_store import ANN, add_snapshot, make_store
from support.minted import Mint, Minted, Spec
from support.readers import by_iphone_backup_decrypt, by_pyiosbackup

SIZES = [0, 1, 15, 16, 17, 4095, 131071, 131072, 131073, 131072 * 2 - 16, 131072 * 2, 131072 * 3 + 5]


def sized() -> list[Spec]:
    return [Spec("HomeDomain", f"Library/sizes/{size}", os.urandom(size)) for size in SIZES]


def expected(minted: Minted) -> dict[str, bytes]:
    return {f"{spec.domain}/{spec.path}": spec.content for spec in minted.specs if spec.flags == 1}


@pytest.mark.parametrize(
    ("password", "era"),
    [(PASSWORD, "10.2"), (None, "10.2"), (PASSWORD, "10.0"), (PASSWORD, "mbdb"), (None, "mbdb")],
)
def test_everything_comes_out_as_it_went_in(
    mint: Mint, take: Take, tmp_path: Path, password: str | None, era: str
) -> None:
    minted = mint(password, era=era)
    taken = take(minted, tmp_path / "out")
    assert files_below(tmp_path / "out") == expected(minted)
    assert taken.done.files == len(expected(minted))
    assert taken.done.bytes == sum(map(len, expected(minted).values()))
    assert taken.done.left_links == 1
    assert not taken.troubles
    assert not taken.renamed


def test_the_same_as_two_peers(mint: Mint, take: Take, tmp_path: Path) -> None:
    minted = mint(PASSWORD, specs=[*mint(PASSWORD).specs, *sized()])
    take(minted, tmp_path / "ours")
    with by_pyiosbackup(minted.folder, PASSWORD) as peer:
        peer.unback(tmp_path / "pyiosbackup")
    with by_iphone_backup_decrypt(minted.folder, PASSWORD) as other:
        other.extract_files(
            domain_like="%",
            output_folder=str(tmp_path / "decrypt"),
            preserve_folders=True,
            domain_subfolders=True,
        )
    ours = files_below(tmp_path / "ours")
    assert ours == files_below(tmp_path / "pyiosbackup")
    assert ours == files_below(tmp_path / "decrypt")


def test_files_and_folders_have_their_times(mint: Mint, take: Take, tmp_path: Path) -> None:
    specs = [
        Spec("HomeDomain", "", flags=2, mtime=1_500_000_000),
        Spec("HomeDomain", "Library", flags=2, mtime=1_400_000_000),
        Spec("HomeDomain", "Library/a", b"a", mtime=1_300_000_000),
        Spec("HomeDomain", "Library/empty folder", flags=2, mtime=1_200_000_000),
        Spec("HomeDomain", "Library/before-1970", b"b", mtime=-1_000_000),
    ]
    take(mint(PASSWORD, specs=specs), tmp_path / "out")
    home = tmp_path / "out/HomeDomain"
    assert home.stat().st_mtime == 1_500_000_000
    assert (home / "Library").stat().st_mtime == 1_400_000_000
    assert (home / "Library/a").stat().st_mtime == 1_300_000_000
    assert (home / "Library/empty folder").stat().st_mtime == 1_200_000_000
    assert (home / "Library/before-1970").stat().st_mtime == (0 if sys.platform == "win32" else -1_000_000)


def test_only_the_user_can_read_what_was_encrypted(mint: Mint, take: Take, tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("modes are POSIX")
    take(mint(PASSWORD), tmp_path / "out")
    modes_seen = {path.stat().st_mode & 0o077 for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert modes_seen == {0}


def test_a_second_run_writes_nothing_again(mint: Mint, take: Take, tmp_path: Path) -> None:
    minted = mint(PASSWORD)
    first = take(minted, tmp_path / "out")
    before = {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*")}
    second = take(minted, tmp_path / "out")
    assert second.done.files == 0
    assert second.done.same == first.done.files
    assert {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*")} == before


def test_what_is_there_is_not_replaced_unless_asked(mint: Mint, take: Take, tmp_path: Path) -> None:
    minted = mint(PASSWORD)
    take(minted, tmp_path / "out")
    mine = tmp_path / "out/HomeDomain/Library/Preferences/a.plist"
    mine.write_bytes(b"mine")
    taken = take(minted, tmp_path / "out")
    assert taken.kinds() == {"Library/Preferences/a.plist": "exists"}
    assert mine.read_bytes() == b"mine"
    taken = take(minted, tmp_path / "out", overwrite=True)
    assert taken.done.files == 1
    assert files_below(tmp_path / "out") == expected(minted)


def test_an_empty_file_in_the_way_is_replaced(mint: Mint, take: Take, tmp_path: Path) -> None:
    minted = mint(PASSWORD)
    place = tmp_path / "out/HomeDomain/Library/Preferences/a.plist"
    place.parent.mkdir(parents=True)
    place.touch()
    assert not take(minted, tmp_path / "out").troubles
    assert files_below(tmp_path / "out") == expected(minted)


def test_a_folder_in_the_way_is_never_removed(mint: Mint, take: Take, tmp_path: Path) -> None:
    place = tmp_path / "out/HomeDomain/Library/Preferences/a.plist/mine"
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    taken = take(mint(PASSWORD), tmp_path / "out", overwrite=True)
    assert taken.kinds() == {"Library/Preferences/a.plist": "exists"}
    assert place.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_in_the_target_leads_nowhere(mint: Mint, take: Take, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/HomeDomain").symlink_to(outside)
    taken = take(mint(PASSWORD), tmp_path / "out", overwrite=True)
    assert set(taken.kinds().values()) == {"refused"}
    assert list(outside.iterdir()) == []
    assert (tmp_path / "out/CameraRollDomain").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_are_written_only_when_asked_and_never_followed(mint: Mint, take: Take, tmp_path: Path) -> None:
    specs = [
        Spec("HomeDomain", "Library/out", flags=4, target=str(tmp_path)),
        Spec("HomeDomain", "Library/out/planted", b"planted"),
        Spec("HomeDomain", "Library/good", b"good"),
    ]
    minted = mint(PASSWORD, specs=specs)
    assert take(minted, tmp_path / "without").done.left_links == 1
    taken = take(minted, tmp_path / "with", links=True)
    assert os.readlink(tmp_path / "with/HomeDomain/Library/out") == str(tmp_path)
    assert not (tmp_path / "planted").exists()
    assert (tmp_path / "with/HomeDomain/Library/good").read_bytes() == b"good"
    # The file below what is a link elsewhere got a folder of another name.
    assert [renamed.path for renamed in taken.renamed] == ["Library/out"]
    assert (tmp_path / "with/HomeDomain/Library/out (2)/planted").read_bytes() == b"planted"


class TestDamage:
    """The rest continues; what is damaged is named."""

    def test_missing_file(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(PASSWORD)
        minted.blob("HomeDomain", "Library/SMS/sms.db").unlink()
        taken = take(minted, tmp_path / "out")
        assert taken.kinds() == {"Library/SMS/sms.db": "missing"}
        assert taken.done.damaged == 1
        assert len(files_below(tmp_path / "out")) == len(expected(minted)) - 1

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
    def test_link_instead_of_file(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(PASSWORD)
        secret = tmp_path / "secret"
        secret.write_bytes(b"not yours" * 100)
        blob = minted.blob("HomeDomain", "Library/SMS/sms.db")
        blob.unlink()
        blob.symlink_to(secret)
        assert take(minted, tmp_path / "out").kinds() == {"Library/SMS/sms.db": "unreadable"}

    def test_key_of_a_file_damaged(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(PASSWORD)
        name = Minted.file_id("HomeDomain", "Library/SMS/sms.db")

        def spoil(db: object) -> None:
            (blob,) = db.execute("SELECT file FROM Files WHERE fileID = ?", (name,)).fetchone()  # type: ignore[attr-defined]
            at = blob.index(b"\x03\0\0\0") + 20
            spoiled = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
            db.execute("UPDATE Files SET file = ? WHERE fileID = ?", (spoiled, name))  # type: ignore[attr-defined]

        minted.edit_database(spoil)
        assert take(minted, tmp_path / "out").kinds() == {"Library/SMS/sms.db": "key"}

    def test_record_damaged(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(PASSWORD)
        name = Minted.file_id("HomeDomain", "Library/SMS/sms.db")
        minted.edit_database(lambda db: db.execute("UPDATE Files SET file = x'00' WHERE fileID = ?", (name,)))
        taken = take(minted, tmp_path / "out")
        assert taken.kinds() == {"Library/SMS/sms.db": "record"}
        assert taken.done.files == len(expected(minted)) - 1

    def test_last_bytes_damaged_is_written_and_reported_each_time(
        self, mint: Mint, take: Take, tmp_path: Path
    ) -> None:
        minted = mint(PASSWORD)
        blob = minted.blob("HomeDomain", "Library/SMS/sms.db")
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.write_bytes(data)
        for run in range(2):
            taken = take(minted, tmp_path / "out")
            assert taken.kinds() == {"Library/SMS/sms.db": "padding"}
            assert taken.troubles[0].written
            assert taken.done.same == (0 if run == 0 else len(expected(minted)))
        whole = expected(minted)["HomeDomain/Library/SMS/sms.db"]
        there = (tmp_path / "out/HomeDomain/Library/SMS/sms.db").read_bytes()
        assert len(there) == len(whole)
        assert there[:-16] == whole[:-16]

    @pytest.mark.parametrize("password", [PASSWORD, None])
    def test_cut_short_gives_what_is_there(
        self, mint: Mint, take: Take, tmp_path: Path, password: str | None
    ) -> None:
        content = os.urandom(200_000)
        minted = mint(password, specs=[Spec("MediaDomain", "a", content)])
        blob = minted.blob("MediaDomain", "a")
        blob.write_bytes(blob.read_bytes()[:150_005])
        for _ in range(2):
            taken = take(minted, tmp_path / f"out{_}")
            assert taken.kinds() == {"a": "short"}
            assert taken.troubles[0].written
            there = (tmp_path / f"out{_}/MediaDomain/a").read_bytes()
            assert there == content[: len(there)]
            assert len(there) == (150_000 if password else 150_005)

    def test_a_file_of_nothing(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(PASSWORD, specs=[Spec("MediaDomain", "a", b"content"), Spec("MediaDomain", "empty")])
        minted.blob("MediaDomain", "a").write_bytes(b"")
        minted.blob("MediaDomain", "empty").write_bytes(b"")
        taken = take(minted, tmp_path / "out")
        assert taken.kinds() == {"a": "short"}
        assert (tmp_path / "out/MediaDomain/empty").read_bytes() == b""

    @pytest.mark.parametrize("claimed", [100, 131_072, 200_000, 300_000, 300_010, 500_000])
    def test_a_database_in_use_is_as_long_as_its_padding_says(
        self, mint: Mint, take: Take, tmp_path: Path, claimed: int
    ) -> None:
        content = os.urandom(300_001)
        minted = mint(PASSWORD, specs=[Spec("HomeDomain", "live.db", content, size=claimed)])
        for _ in range(2):
            taken = take(minted, tmp_path / "out")
            assert not taken.troubles
        assert taken.done.same == 1
        assert (tmp_path / "out/HomeDomain/live.db").read_bytes() == content


class TestHostileNames:
    """Nothing lands outside the target, nothing is lost."""

    PATHS = (
        "../../../escape",
        "/etc/absolute",
        "a//b",
        "a/./b",
        "a/../../b",
        "..",
        ".",
        "nul\0inside",
        "x" * 300,
        "deep/" * 10_000 + "end",
        "y/" + "z" * 5000,
        "ends/",
        "tab\tnew\nline",
        "\u202eevil",
    )

    @pytest.mark.parametrize("portable", [False, True])
    def test_all_files_stay_inside(self, mint: Mint, take: Take, tmp_path: Path, portable: bool) -> None:
        specs = [Spec("HomeDomain", path, path.encode()[:50]) for path in self.PATHS]
        specs += [
            Spec("../out-of-here", "a", b"domain"),
            Spec(".ibackup-part", "b", b"staging"),
            Spec("", "c", b"none"),
        ]
        # Without the ten thousand folders of the deep one, whose names alone would be half a gigabyte.
        minted = mint(PASSWORD, specs=specs, parents=False)
        out = tmp_path / "box/out"
        before = {path for path in tmp_path.rglob("*") if minted.root not in path.parents}
        taken = take(minted, out, portable=portable)
        assert not taken.troubles
        found = files_below(out)
        listed = found.pop(RENAMED_LIST).decode()
        assert sorted(found.values()) == sorted(spec.content for spec in specs)
        after = {path for path in tmp_path.rglob("*") if minted.root not in path.parents}
        assert {path for path in after - before if out not in path.parents} == {out, out.parent}
        assert len(listed.splitlines()) == taken.done.renamed == len(taken.renamed)
        assert taken.done.renamed_list == str(out / RENAMED_LIST)

    def test_names_that_are_not_unicode(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(PASSWORD, specs=[Spec("HomeDomain", "a", b"content")])
        name = Minted.file_id("HomeDomain", "a")
        minted.edit_database(
            lambda db: db.execute(
                "UPDATE Files SET relativePath = CAST(x'61ff62' AS TEXT) WHERE fileID = ?", (name,)
            )
        )
        taken = take(minted, tmp_path / "out", portable=True)
        assert [renamed.became for renamed in taken.renamed] == ["HomeDomain/a\ufffdb"]
        assert (tmp_path / "out/HomeDomain/a\ufffdb").read_bytes() == b"content"

    def test_the_list_grows_with_later_runs(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        minted = mint(None, specs=[Spec("HomeDomain", "a?b", b"1"), Spec("MediaDomain", "c:d", b"2")])
        take(minted, tmp_path / "out", Selection.of(domains=["HomeDomain"]), portable=True)
        take(minted, tmp_path / "out", Selection.of(domains=["MediaDomain"]), portable=True)
        lines = (tmp_path / "out" / RENAMED_LIST).read_text().splitlines()
        assert [line.split("\t") for line in lines] == [
            ["HomeDomain/a_b", "HomeDomain", "a?b", "character"],
            ["MediaDomain/c_d", "MediaDomain", "c:d", "character"],
        ]
        again = take(minted, tmp_path / "out", portable=True)
        assert again.done.renamed == 2
        assert (tmp_path / "out" / RENAMED_LIST).read_text().splitlines() == lines


class TestTheTarget:
    def test_not_within_the_backup(self, mint: Mint, opened: Callable[[Minted], Backup]) -> None:
        minted = mint(PASSWORD)
        with pytest.raises(UsageError, match="backup or a store"):
            extract(opened(minted), Wanted(Selection(), str(minted.folder / "out")))

    def test_not_within_the_store(
        self, mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path
    ) -> None:
        store = make_store(tmp_path / "store")
        snapshot = add_snapshot(store, ANN, timedelta(days=1))
        wanted = Wanted(Selection(), str(tmp_path / "store/x/../out"), snapshot=snapshot)
        with pytest.raises(UsageError, match="backup or a store"):
            extract(opened(mint(PASSWORD)), wanted)
        assert not (tmp_path / "store/out").exists()

    def test_not_a_file(self, mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        with pytest.raises(UsageError, match="not a folder"):
            extract(opened(mint(PASSWORD)), Wanted(Selection(), str(tmp_path / "out")))

    def test_left_overs_of_a_broken_run_are_removed(self, mint: Mint, take: Take, tmp_path: Path) -> None:
        (tmp_path / "out/.ibackup-part/w0").mkdir(parents=True)
        (tmp_path / "out/.ibackup-part/w0/1.new").write_bytes(b"half")
        minted = mint(PASSWORD)
        take(minted, tmp_path / "out")
        assert files_below(tmp_path / "out") == expected(minted)

    @pytest.mark.skipif(sys.platform == "win32", reason="no flock there")
    def test_two_runs_at_once(self, mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path) -> None:
        import fcntl

        staging = tmp_path / "out/.ibackup-part"
        staging.mkdir(parents=True)
        other = os.open(staging, os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(UsageError, match="Another"):
                extract(opened(mint(PASSWORD)), Wanted(Selection(), str(tmp_path / "out")))
        finally:
            os.close(other)

    def test_not_enough_room_is_reported_before_the_start(
        self, mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        minted = mint(None, specs=[Spec("MediaDomain", "large", bytes(300_000))])
        usage = shutil.disk_usage(tmp_path)._replace(free=200_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
        with pytest.raises(NoRoom, match="are free"):
            extract(opened(minted), Wanted(Selection(), str(tmp_path / "out")))
        assert list((tmp_path / "out").iterdir()) == []

    def test_one_damaged_size_does_not_keep_all_other_files_in(
        self, mint: Mint, take: Take, tmp_path: Path
    ) -> None:
        specs = [Spec("MediaDomain", "claims much", b"x", size=1 << 60), Spec("MediaDomain", "good", b"y")]
        done = take(mint(None, specs=specs), tmp_path / "out")
        assert (tmp_path / "out/MediaDomain/good").read_bytes() == b"y"
        assert [trouble.kind for trouble in done.troubles] == ["short"]

    @pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs root to mount tmpfs"
    )
    @pytest.mark.parametrize("writers", [1, 2])
    def test_a_disk_that_fills_up(
        self, mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path, writers: int
    ) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
            pytest.skip("no tmpfs to be had here")
        try:
            # Something is there already, so that the run may find part of the files and is let begin.
            (disk / "mine").write_text("mine")
            specs = [Spec("MediaDomain", f"{n}", os.urandom(100_000)) for n in range(30)]
            with pytest.raises(NoRoom):
                extract(opened(mint(PASSWORD, specs=specs)), Wanted(Selection(), str(disk), writers=writers))
            assert not (disk / ".ibackup-part").exists()
            assert all(len(path.read_bytes()) == 100_000 for path in (disk / "MediaDomain").iterdir())
        finally:
            subprocess.run(["umount", disk], check=True)


def test_many_files_by_many_processes(mint: Mint, take: Take, tmp_path: Path) -> None:
    specs = [Spec("MediaDomain", f"f{n % 7}/{n}", b"%d" % n * (n % 50)) for n in range(600)]
    minted = mint(PASSWORD, specs=specs)
    taken = take(minted, tmp_path / "out", writers=3)
    assert taken.done.files == 600
    assert files_below(tmp_path / "out") == expected(minted)
