import json
import os
import plistlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.cli.main import run
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from store.lab import UDID, backup
from support.minted import Mint, Minted, Spec, tree_of

PASSWORD = "correct horse"
Said = tuple[int, str, str]
Run = Callable[..., Said]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration, state or password of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith("IBACKUP_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command: exit code, standard output, standard error."""

    def call(*args: str | Path) -> Said:
        capfd.readouterr()
        code = run([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


def events(out: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in out.splitlines()]
    assert found[-1]["event"] == "result"
    assert found[-1]["schema"] == 1
    if found[-1]["exit_code"]:  # a script has to be told why, whatever went wrong
        assert found[-1]["message"]
        assert found[-1]["hint"]
    return found


def of(found: list[dict[str, object]], kind: str) -> list[dict[str, object]]:
    return [event for event in found if event["event"] == kind]


class TestFiles:
    def test_names(self, said: Run, mint: Mint) -> None:
        minted = mint(None)
        code, out, err = said("files", minted.folder)
        assert code == 0
        wanted = sorted(f"{spec.domain}/{spec.path}" for spec in minted.specs if spec.flags != 2)
        assert sorted(out.splitlines()) == wanted
        assert "8 files" in err
        assert "1 link." in err

    @pytest.mark.parametrize(
        ("pattern", "count"),
        [("HomeDomain", 5), ("sms.db", 1), ("*.heic", 2), ("HomeDomain/Library/SMS/*", 1), ("nothing", 0)],
    )
    def test_patterns(self, said: Run, mint: Mint, pattern: str, count: int) -> None:
        assert len(said("files", mint(None).folder, pattern)[1].splitlines()) == count

    def test_long(self, said: Run, mint: Mint) -> None:
        minted = mint(None)
        _, out, _ = said("files", minted.folder, "Library/Preferences/a.plist", "--long")
        content = next(spec.content for spec in minted.specs if spec.path == "Library/Preferences/a.plist")
        file_id = Minted.file_id("HomeDomain", "Library/Preferences/a.plist")
        assert out.startswith("-rw-r--r-- ")
        assert f" {len(content)} " in out
        assert f" {file_id} HomeDomain/Library/Preferences/a.plist" in out
        assert "Library/link -> /private/var/mobile" in said("files", minted.folder, "--long")[1]

    def test_json_says_what_plistlib_and_sqlite_say(self, said: Run, mint: Mint) -> None:
        minted = mint(None)
        code, out, _ = said("files", minted.folder, "--json")
        assert code == 0
        found = {str(event["file_id"]): event for event in of(events(out), "file")}
        db = sqlite3.connect(f"file:{minted.folder / 'Manifest.db'}?mode=ro&immutable=1", uri=True)
        for file_id, domain, path, blob in db.execute("SELECT fileID, domain, relativePath, file FROM Files"):
            record = plistlib.loads(blob)["$objects"][1]
            event = found.pop(file_id)
            assert (event["domain"], event["path"], event["size"]) == (domain, path, record["Size"])
            assert event["mode"] == f"{record['Mode'] & 0o7777:04o}"
            moment = datetime.fromtimestamp(record["LastModified"], UTC)
            assert event["modified"] == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        db.close()
        assert not found
        result = events(out)[-1]
        folders = sum(spec.flags == 2 for spec in minted.specs)
        assert (result["files"], result["folders"], result["links"]) == (8, folders, 1)

    def test_encrypted_needs_its_password(self, said: Run, mint: Mint, password: Path) -> None:
        minted = mint(PASSWORD)
        assert said("files", minted.folder, "--json")[0] == 20
        code, out, _ = said("files", minted.folder, "--password-file", password)
        assert code == 0
        assert "HomeDomain/Library/SMS/sms.db" in out
        password.write_text("wrong\n")
        code, out, err = said("files", minted.folder, "--password-file", password)
        assert (code, out) == (20, "")
        assert "wrong" not in err

    def test_apps(self, said: Run, mint: Mint) -> None:
        code, out, _ = said("files", mint(None).folder, "--apps")
        assert code == 0
        assert "Photos (CameraRollDomain)" in out.splitlines()[0]
        found = events(said("files", mint(None).folder, "--apps", "--json")[1])
        assert next(event["name"] for event in of(found, "app")) == "Photos"

    def test_tree(self, said: Run, mint: Mint) -> None:
        code, out, _ = said("files", mint(None).folder, "--tree", "--depth", "2")
        assert code == 0
        assert "  Library/" in out
        assert "SMS/" not in out
        paths = [
            event["path"]
            for event in of(events(said("files", mint(None).folder, "--tree", "--json")[1]), "folder")
        ]
        assert "HomeDomain/Library/SMS" in paths

    def test_names_do_not_steer_the_terminal(self, said: Run, mint: Mint) -> None:
        evil = "a\x1b[2J\r\nb\u202e"
        minted = mint(None, specs=[Spec("HomeDomain", evil, b"x"), Spec("App\x07Domain-x", "c", b"y")])
        for how in ([], ["--long"], ["--apps"], ["--tree"]):
            _, out, err = said("files", minted.folder, *how)
            assert not {"\x1b", "\x07", "\r", "\u202e"}.intersection(out + err)
            assert "\n\n" not in out
        found = of(events(said("files", minted.folder, "--json")[1]), "file")
        assert evil in [event["path"] for event in found]

    def test_names_that_are_not_unicode(self, said: Run, mint: Mint) -> None:
        minted = mint(None, specs=[Spec("HomeDomain", "a", b"x")], parents=False)
        minted.edit_database(lambda db: db.execute("UPDATE Files SET relativePath = CAST(x'61ff' AS TEXT)"))
        (event,) = of(events(said("files", minted.folder, "--json")[1]), "file")
        assert event["path"] == "a\\xff"
        assert said("files", minted.folder)[1] == "HomeDomain/a\\udcff\n"

    def test_damaged_rows_are_reported(self, said: Run, mint: Mint) -> None:
        minted = mint(None)
        minted.edit_database(lambda db: db.execute("UPDATE Files SET file = x'00' WHERE flags = 4"))
        code, out, _ = said("files", minted.folder)
        assert code == 4
        assert "Library/link" in out
        found = events(said("files", minted.folder, "--json")[1])
        assert len(of(found, "finding")) == found[-1]["findings"] == 1

    def test_a_damaged_page_costs_no_more_than_what_is_on_it(
        self, said: Run, mint: Mint, tmp_path: Path
    ) -> None:
        minted = mint(None, specs=[Spec("HomeDomain", f"{number:03}", b"x") for number in range(200)])
        database = minted.folder / "Manifest.db"
        data = bytearray(database.read_bytes())
        leaves = [at for at in range(4096, len(data), 4096) if data[at] == 13]
        data[leaves[8] : leaves[8] + 8] = b"\xff" * 8
        database.write_bytes(data)
        code, out, _ = said("files", minted.folder)
        assert (code, "entries are lost" in out) == (4, True)
        code, out, _ = said("extract", minted.folder, "--all", "--to", tmp_path / "o")
        assert (code, "entries are lost" in out) == (4, True)
        assert 185 < len(list((tmp_path / "o/HomeDomain").iterdir())) < 200

    def test_a_damaged_row_does_not_steer_the_terminal(self, said: Run, mint: Mint) -> None:
        minted = mint(None)
        minted.edit_database(lambda db: db.execute("UPDATE Files SET flags = 'a\r\x1b[2Jb' WHERE flags = 4"))
        assert r"its flags are a\r\x1b[2Jb, not 1" in said("files", minted.folder)[1]

    @pytest.mark.parametrize("mode", [-1, 1 << 40, (1 << 64) - 1])
    def test_a_mode_that_no_file_has(self, said: Run, mint: Mint, mode: int) -> None:
        minted = mint(None, specs=[Spec("HomeDomain", "a", b"x")])

        def change(db: sqlite3.Connection) -> None:
            archive = plistlib.loads(db.execute("SELECT file FROM Files").fetchone()[0])
            archive["$objects"][1]["Mode"] = mode
            db.execute("UPDATE Files SET file = ?", (plistlib.dumps(archive, fmt=plistlib.FMT_BINARY),))

        minted.edit_database(change)
        for how in ("--json", "--long"):
            assert said("files", minted.folder, how)[0] == 0

    def test_two_ways_at_once(self, said: Run, mint: Mint) -> None:
        assert said("files", mint(None).folder, "--long", "--apps")[0] == 2

    def test_no_such_thing(self, said: Run, tmp_path: Path) -> None:
        assert said("files", tmp_path / "nothing")[0] == 2
        (tmp_path / "empty").mkdir()
        assert said("files", tmp_path / "empty")[0] == 21


class TestExtract:
    @pytest.mark.skipif(
        sys.platform in {"win32", "darwin"}, reason="their file systems are Unicode everywhere"
    )
    def test_names_that_the_locale_has_no_letters_for(self, mint: Mint, tmp_path: Path) -> None:
        """As in a Latin-1 locale."""
        specs = [Spec("HomeDomain", "\u540d/\u00e9", b"x"), Spec("HomeDomain", "\u524d/\u00e9", b"y")]
        minted = mint(None, specs=specs)
        environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [*(sys.executable, "-m", "ibackup", "extract", "--all", "--to"), tmp_path / "o", minted.folder],
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode, b"4 names had to change" in done.stdout) == (0, True)
        home = tmp_path / "o/HomeDomain"
        assert [(home / name).read_bytes() for name in ("_/_", "_ (2)/_")] == [b"x", b"y"]
        assert "\u540d" in (tmp_path / "o/ibackup-renamed.txt").read_text("utf-8")

    def test_a_preset(self, said: Run, mint: Mint, password: Path, tmp_path: Path) -> None:
        minted = mint(PASSWORD)
        before = tree_of(minted.root)
        code, out, _ = said(
            "extract", minted.folder, "--to", tmp_path / "o", "--messages", "--password-file", password
        )
        assert code == 0
        assert "Taken out: 1 file," in out
        whole = next(spec.content for spec in minted.specs if spec.path == "Library/SMS/sms.db")
        assert (tmp_path / "o/HomeDomain/Library/SMS/sms.db").read_bytes() == whole
        assert tree_of(minted.root) == before

    def test_json(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        minted = mint(
            None,
            specs=[
                Spec("HomeDomain", "a", b"1"),
                Spec("HomeDomain", "b?", b"2"),
                Spec("HomeDomain", "c", b"3"),
            ],
        )
        minted.blob("HomeDomain", "c").unlink()
        code, out, _ = said("extract", minted.folder, "--to", tmp_path / "o", "--all", "--portable", "--json")
        found = events(out)
        assert code == found[-1]["exit_code"] == 4
        (renamed,) = of(found, "renamed")
        assert (renamed["path"], renamed["became"], renamed["reason"]) == ("b?", "HomeDomain/b_", "character")
        (finding,) = of(found, "finding")
        assert (finding["kind"], finding["path"], finding["written"]) == ("missing", "c", False)
        result = found[-1]
        assert (result["files"], result["bytes"], result["renamed"]) == (2, 2, 1)
        assert result["findings"] == {"missing": 1}
        assert result["renamed_list"] == str(tmp_path / "o/ibackup-renamed.txt")

    def test_for_people(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        specs = [Spec("HomeDomain", "a\x1b[2J", b"1"), Spec("HomeDomain", "b?", b"2")]
        minted = mint(None, specs=specs)
        minted.blob("HomeDomain", "a\x1b[2J").unlink()
        code, out, err = said("extract", minted.folder, "--to", tmp_path / "o", "--all", "--portable")
        assert code == 4
        assert "\x1b" not in out + err
        assert "HomeDomain/b? is now HomeDomain/b_" in out
        assert "older snapshot" in out

    def test_what_is_there_stays(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        minted = mint(None)
        args = ("extract", minted.folder, "--to", tmp_path / "o", "--contacts")
        assert said(*args)[0] == 0
        assert "1 was there already" in said(*args)[1]
        (tmp_path / "o/HomeDomain/Library/AddressBook/AddressBook.sqlitedb").write_text("mine")
        assert events(said(*args, "--json")[1])[-1]["exit_code"] == 1
        code, out, _ = said(*args)
        assert code == 1
        assert "--overwrite" in out
        assert said(*args, "--overwrite")[0] == 0

    def test_nothing_chosen(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        folder = mint(None).folder
        assert said("extract", folder, "--to", tmp_path / "o")[0] == 2
        assert said("extract", folder, "--to", tmp_path / "o", "--all", "--photos")[0] == 2
        assert said("extract", folder, "--all")[0] == 2
        assert not (tmp_path / "o").exists()

    def test_where_photos_are_and_what_reads_the_messages(
        self, said: Run, mint: Mint, tmp_path: Path
    ) -> None:
        folder = mint(None).folder
        told = " ".join(said("extract", folder, "--to", tmp_path / "o", "--messages", "--photos")[1].split())
        assert "Messages (sms.db): this is a database" in told
        assert "`ibackup export --messages" in told
        where = told.partition("The photos are in ")[2]
        assert where.startswith(str(tmp_path / "o" / "CameraRollDomain" / "Media" / "DCIM"))
        assert "SQLite" not in said("extract", folder, "--to", tmp_path / "p", "--photos")[1]

    def test_nothing_found(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        code, out, _ = said("extract", mint(None).folder, "--to", tmp_path / "o", "--like", "*.nothing")
        assert code == 1
        assert "This backup has nothing" in out

    def test_each_choice_that_finds_nothing_is_named(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        wanted = ("--calls", "--photos", "--voice-memos", "--app", "org.example.none", "--like", "*.heic")
        folder = mint(None).folder
        code, out, _ = said("extract", folder, "--to", tmp_path / "o", *wanted)
        told = " ".join(out.split())
        assert code == 1
        assert "Taken out: 2 files" in told
        assert "--calls: call history is only in encrypted backups" in told
        assert "--voice-memos." in told
        assert "--app org.example.none: that app was not on the phone" in told
        assert "found for --photos" not in told
        result = events(said("extract", folder, "--to", tmp_path / "p", "--json", *wanted)[1])[-1]
        assert result["exit_code"] == 1
        assert "--calls" in str(result["message"])
        assert result["not_found"] == [
            {"kind": "app", "name": "org.example.none", "reason": "that app was not on the phone"},
            {"kind": "preset", "name": "calls", "reason": "call history is only in encrypted backups"},
            {"kind": "preset", "name": "voice-memos", "reason": None},
        ]

    def test_folders_alone_are_nothing(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        specs = [
            Spec("HomeDomain", "Library/Calendar", flags=2),
            Spec("HomeDomain", "Library/SMS/sms.db", b"x"),
        ]
        code, out, _ = said(
            "extract", mint(None, specs=specs).folder, "--to", tmp_path / "o", "--calendar", "--messages"
        )
        assert code == 1
        assert "Nothing was found for --calendar." in out


@pytest.mark.parametrize("era", ["10.2", "mbdb"])
class TestWithoutManifestPlist:
    """What verify says can still be taken out can be."""

    def test_a_plain_backup_is_read_by_its_list(
        self, said: Run, mint: Mint, tmp_path: Path, era: str
    ) -> None:
        minted = mint(None, era=era)
        (minted.folder / "Manifest.plist").write_bytes(b"bplist00")
        code, out, err = said("files", minted.folder)
        assert (code, len(out.splitlines())) == (0, 9)
        assert "Manifest.plist cannot be read" in err
        assert said("extract", minted.folder, "--to", tmp_path / "o", "--all")[0] == 0
        whole = next(spec.content for spec in minted.specs if spec.path == "Library/SMS/sms.db")
        assert (tmp_path / "o/HomeDomain/Library/SMS/sms.db").read_bytes() == whole
        assert said("diff", minted.folder, minted.folder)[0] == 0

    def test_an_encrypted_file_is_never_written_as_it_is(
        self, said: Run, mint: Mint, tmp_path: Path, era: str
    ) -> None:
        minted = mint(PASSWORD, era=era)
        (minted.folder / "Manifest.plist").unlink()
        code, out, err = said("extract", minted.folder, "--to", tmp_path / "o", "--all")
        if era == "10.2":
            assert (code, "Manifest.plist cannot be read" in err) == (21, True)
        else:
            assert (code, "8 files: encrypted, and the key is not here" in out) == (4, True)
        assert not [path for path in tmp_path.glob("o/**/*") if path.is_file()]


class TestDiff:
    def test_damaged_rows_are_reported(self, said: Run, mint: Mint) -> None:
        one, two = mint(None), mint(None)
        two.edit_database(lambda db: db.execute("UPDATE Files SET flags = 99 WHERE flags = 4"))
        found = events(said("diff", one.folder, two.folder, "--json")[1])
        assert (found[-1]["exit_code"], found[-1]["findings"]) == (4, 1)

    def test_what_changed(self, said: Run, mint: Mint) -> None:
        one = mint(None, specs=[Spec("HomeDomain", "a", b"1"), Spec("CameraRollDomain", "b", b"2")])
        two = mint(None, specs=[Spec("HomeDomain", "a", b"123"), Spec("CameraRollDomain", "c", b"456")])
        code, out, _ = said("diff", one.folder, two.folder, "--long")
        assert code == 0
        lines = out.splitlines()
        assert sorted(line.split()[0] for line in lines[:3]) == ["+", "-", ">"]
        assert any(line.startswith(">") and line.endswith("HomeDomain/a") for line in lines)
        assert lines[-1].split() == ["+4", "bytes", "1", "1", "0", "1", "all", "together"]
        found = events(said("diff", one.folder, two.folder, "--json")[1])
        assert len(of(found, "difference")) == 3
        assert {str(event["name"]): event["growth_bytes"] for event in of(found, "app")} == {
            "Photos": 2,
            "Messages, contacts, settings": 2,
        }
        result = found[-1]
        assert (result["added"], result["removed"], result["grown"], result["changed"]) == (1, 1, 1, 0)

    def test_the_same(self, said: Run, mint: Mint, password: Path) -> None:
        folder = mint(PASSWORD).folder
        code, out, _ = said("diff", folder, folder, "--password-file", password)
        assert (code, out) == (0, "Nothing changed.\n")


class TestWhichBackup:
    """A SNAPSHOT is an id, a unique beginning of one, latest, or a path."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return tmp_path / "a store"

    @pytest.fixture
    def phone(self, place: Path) -> PhoneFolder:
        folder = Store.open(place).phone(UDID)
        folder.make()
        return folder

    @pytest.fixture
    def snapshots(self, phone: PhoneFolder, mint: Mint) -> list[Snapshot]:
        """Two snapshots, with a file each that the other lacks."""
        made = []
        for day in (20, 21):
            minted = mint(None, specs=[Spec("HomeDomain", f"of day {day}", b"x")])
            files = {
                path.relative_to(minted.folder).as_posix(): path.read_bytes()
                for path in minted.folder.rglob("*")
                if path.is_file()
            }
            made.append(backup(phone, files, started=datetime(2026, 11, day, 2, 0, 4, tzinfo=UTC)))
        return made

    def test_by_id_beginning_latest_and_path(self, said: Run, place: Path, snapshots: list[Snapshot]) -> None:
        first, second = snapshots
        for ref, day in [
            (first.id, 20),
            ("20261120", 20),
            ("20261121T", 21),
            ("latest", 21),
            (first.path, 20),
            (second.backup_path, 21),
        ]:
            code, out, _ = said("files", ref, "--store", place)
            assert (code, out) == (0, f"HomeDomain/of day {day}\n"), ref

    def test_not_unique_and_not_there(self, said: Run, place: Path, snapshots: list[Snapshot]) -> None:
        assert said("files", "2026", "--store", place)[0] == 2
        assert said("files", "2025", "--store", place)[0] == 2
        assert said("files", "latest", "--store", place.parent / "elsewhere")[0] == 16

    def test_a_snapshot_that_no_longer_parses_is_damage(
        self, said: Run, place: Path, snapshots: list[Snapshot], tmp_path: Path
    ) -> None:
        """Not "no backup": a script must learn that what was sealed is broken."""
        manifest = Path(snapshots[-1].backup_path) / "Manifest.db"
        manifest.chmod(0o600)
        for flaw in (b"", manifest.read_bytes()[:4096]):
            manifest.write_bytes(flaw)
            for words in (
                ("files",),
                ("extract", "--all", "--to", tmp_path / "o"),
                ("diff", snapshots[0].id),
            ):
                name, *more = words
                code, out, _ = said(name, *more, snapshots[-1].id, "--store", place, "--json")
                assert (code, events(out)[-1]["exit_code"]) == (4, 4), words

    def test_another_phone(self, said: Run, place: Path, snapshots: list[Snapshot]) -> None:
        other = PhoneFolder(str(place / UDID.replace("0F01", "0F02")))
        other.make()
        assert said("files", "latest", "--store", place)[0] == 0  # it has no snapshot that could be meant
        shutil.copytree(snapshots[0].path, f"{other.snapshots_path}/{snapshots[0].id}")
        assert said("files", "latest", "--store", place)[0] == 2
        assert said("files", "latest", "--store", place, "--phone", UDID)[0] == 0

    def test_nothing_is_taken_out_into_the_store(
        self, said: Run, place: Path, snapshots: list[Snapshot]
    ) -> None:
        code, _, err = said("extract", "latest", "--store", place, "--all", "--to", place / "out")
        assert code == 2
        assert "store" in err
        assert not (place / "out").exists()

    def test_diff_of_two_snapshots(self, said: Run, place: Path, snapshots: list[Snapshot]) -> None:
        found = events(said("diff", "20261120", "latest", "--store", place, "--json")[1])
        assert [event["change"] for event in of(found, "difference")].count("added") == 1
        assert found[-1]["before"] == {"snapshot": snapshots[0].id, "path": snapshots[0].backup_path}

    def test_a_folder_with_one_backup_in_it(self, said: Run, mint: Mint, tmp_path: Path) -> None:
        minted = mint(None)
        assert said("files", minted.root)[0] == 0
        shutil.copytree(minted.folder, minted.root / UDID.replace("0F01", "0F02"))
        assert said("files", minted.root)[0] == 21
