"""prune, pin, import and to-finder as people and scripts use them, and the prune rule of the config file."""

import errno
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click
import pytest

from cli.conftest import ANN, BOB, PASSWORD, Cli, snapshots
from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.config.config_file import load
from ibackup.config.config_schema import PruneConfig
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.store import Store
from support.minted import UDID, Mint, Minted, tree_of
from support.runs import assert_is_the_phone, assert_sealed

Plug = Callable[..., list[VirtualPhone]]


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@pytest.fixture
def settled(mint: Mint) -> Minted:
    """A backup that nobody has touched for a day."""
    return old(mint())


def old(minted: Minted) -> Minted:
    for path in minted.folder.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return minted


def ids(store: Path) -> list[str]:
    return [path.name for path in snapshots(store, ANN)]


# -- prune --------------------------------------------------------------------------------------------------


def test_a_dry_run_only_says(ibackup: Cli, store: Path) -> None:
    old_one, new_one = ids(store)
    bobs_one = snapshots(store, BOB)[0].name
    before = tree_of(store)
    done = ibackup("prune", "--keep-last", "1", "--dry-run", "--json")
    assert done.code == 0
    result = done.result
    assert result["dry_run"] is True
    assert [row["snapshot"] for row in result["removed"]] == [old_one]  # type: ignore[attr-defined]
    kept = {row["snapshot"]: row["reasons"] for row in result["kept"]}  # type: ignore[attr-defined]
    assert kept == {
        new_one: ["last", "newest"],
        bobs_one: ["last", "newest"],
    }
    row: dict[str, int | str] = result["removed"][0]  # type: ignore[index]
    assert row["udid"] == ANN.udid
    assert 0 < int(row["gives_back"]) < int(row["bytes"]) + 100_000
    assert result["gives_back"] == row["gives_back"]
    text = ibackup("prune", "--keep-last", "1", "--dry-run")
    assert f"remove {old_one}" in text.flat
    assert f"keep {new_one}" in text.flat
    assert "1 snapshot would be removed, which would give back" in text.flat
    assert tree_of(store) == before


def test_it_removes_when_told_to(ibackup: Cli, store: Path) -> None:
    old_one, new_one = ids(store)
    done = ibackup("prune", "--keep-last", "1", "--yes")
    assert done.code == 0
    assert f"removed {old_one}" in done.flat
    assert "Removed 1 snapshot, which gives back" in done.flat
    assert ids(store) == [new_one]
    assert_sealed(snapshots(store, ANN)[0])
    again = ibackup("prune", "--keep-last", "1", "--json")
    assert (again.code, again.result["removed"]) == (0, [])


def test_one_phone_alone(ibackup: Cli, store: Path) -> None:
    done = ibackup("prune", "--keep-last", "1", "--phone", BOB.udid, "--yes", "--json")
    assert done.result["removed"] == []
    assert len(ids(store)) == 2


@pytest.mark.parametrize(
    "words", [(), ("--keep-last", "0"), ("--dry-run",), ("--yes",), ("--keep-within", "0")]
)
def test_nothing_is_removed_by_default(ibackup: Cli, store: Path, words: tuple[str, ...]) -> None:
    done = ibackup("prune", *words)
    assert done.code == ExitCode.USAGE
    assert "--keep-last" in done.flat_err
    assert len(ids(store)) == 2


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_nobody_is_asked_where_nobody_sits(ibackup: Cli, store: Path, words: tuple[str, ...]) -> None:
    done = ibackup("prune", "--keep-last", "1", *words)
    assert done.code == ExitCode.USAGE
    told = str(done.result["hint"]) if words else done.flat_err
    assert "--yes" in told
    assert len(ids(store)) == 2


@pytest.mark.parametrize("answer", [True, False])
def test_someone_at_a_terminal_is_asked(
    ibackup: Cli, store: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("ibackup.cli.shell.application.App.asks", True)
    monkeypatch.setattr("ibackup.cli.commands.prune_command.confirm", confirm)
    done = ibackup("prune", "--keep-last", "1")
    assert done.code == (0 if answer else ExitCode.INTERRUPTED)
    assert asked == ["Remove 1 snapshot for good?"]
    assert "gives back" in done.flat_err  # what it is about is said first
    assert len(ids(store)) == (1 if answer else 2)
    asked.clear()
    ibackup("prune", "--keep-last", "5")
    assert asked == []


def test_who_says_no_removes_nothing(ibackup: Cli, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of every question that was answered with no."""
    monkeypatch.setattr("ibackup.cli.shell.application.App.asks", True)
    monkeypatch.setattr("ibackup.cli.commands.prune_command.confirm", lambda *_, **__: False)
    done = ibackup("prune", "--keep-last", "1")
    assert done.code == ExitCode.INTERRUPTED
    assert "Nothing was removed." in done.flat_err
    assert len(ids(store)) == 2


def test_ctrl_c_at_the_question_changes_nothing(
    ibackup: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may have gone is said only of what was begun."""

    def confirm(text: str, **_: object) -> bool:
        raise click.Abort

    monkeypatch.setattr("ibackup.cli.shell.application.App.asks", True)
    monkeypatch.setattr("ibackup.cli.commands.prune_command.confirm", confirm)
    done = ibackup("prune", "--keep-last", "1")
    assert done.code == ExitCode.INTERRUPTED
    assert "Nothing was changed." in done.flat_err
    assert "may be gone" not in done.flat_err
    assert len(ids(store)) == 2


@pytest.mark.parametrize("words", [("--keep-last", "-1"), ("--keep-daily", "x"), ("--keep-within", "30")])
def test_bad_numbers(ibackup: Cli, store: Path, words: tuple[str, ...]) -> None:
    assert ibackup("prune", "--keep-last", "1", "--yes", *words).code == ExitCode.USAGE
    assert len(ids(store)) == 2


def test_an_empty_store(ibackup: Cli, store: Path) -> None:
    for path in store.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    done = ibackup("prune", "--keep-last", "1")
    assert (done.code, done.out) == (0, "There is no snapshot to remove.\n")


def test_what_an_interrupted_removal_left_goes_too(ibackup: Cli, anns: Path) -> None:
    folder = Store.open(anns).phone(ANN.udid)
    retired = folder.retire(str(snapshots(anns, ANN)[0]))
    assert "was being removed" in ibackup("list").flat
    assert ibackup("prune", "--keep-last", "1").code == 0
    assert not os.path.exists(retired)


# -- the rule in the config ---------------------------------------------------------------------------------


def test_prune_goes_by_the_config(ibackup: Cli, store: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[prune]\nkeep_last = 1\n")
    assert ibackup("prune", "--config", config, "--yes").code == 0
    assert len(ids(store)) == 1


def test_an_option_counts_more_than_the_config(ibackup: Cli, store: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[prune]\nkeep_last = 1\n")
    assert ibackup("prune", "--config", config, "--keep-last", "2", "--yes").code == 0
    assert len(ids(store)) == 2


def test_a_success_is_followed_by_the_rule(ibackup: Cli, anns: Path, plugged: Plug, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[prune]\nkeep_last = 2\n")
    plugged(ANN)
    oldest = ids(anns)[0]
    done = ibackup("now", "--config", config, "--json")
    assert done.code == 0
    assert [row["snapshot"] for row in done.result["pruned"]] == [oldest]  # type: ignore[attr-defined]
    assert len(ids(anns)) == 2
    text = ibackup("now", "--config", config)
    assert "Removed 1 snapshot, which gives back" in text.flat
    assert ibackup("now", "--json").result["pruned"] == []


def test_a_prune_that_fails_does_not_fail_the_backup(
    ibackup: Cli, anns: Path, plugged: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[prune]\nkeep_last = 1\n")
    plugged(ANN)

    def refuse(*_: object) -> str:
        raise UsageError("It cannot be renamed.")

    monkeypatch.setattr(PhoneFolder, "retire", refuse)
    done = ibackup("now", "--config", config)
    assert done.code == 0
    assert "Old snapshots could not be removed. It cannot be renamed." in done.flat_err
    assert len(ids(anns)) == 3


def test_the_table(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[prune]\nkeep_last = 7\nkeep_daily = 14\nkeep_within = "30d"\n')
    assert load(str(file)).prune == PruneConfig(7, 14, keep_within_s=timedelta(days=30).total_seconds())
    assert load(os.devnull).prune is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keep_last = -1", "line 3: keep_last must be a whole number"),
        ("keep_last = true", "keep_last must be a whole number"),
        ('keep_last = "7"', "keep_last must be a whole number"),
        ('keep_within = "30"', "keep_within must be a duration"),
        ("keep_within = 30", "must be a duration as in"),
        ("keep_lsat = 7", "did you mean keep_last"),
        ("keep_last = 0", "would keep nothing"),
        ("", "would keep nothing"),
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'store = "x"\n[prune]\n{text}\n')
    with pytest.raises(UsageError, match=message):
        load(str(file))


# -- pin ----------------------------------------------------------------------------------------------------


def test_pin_and_unpin(ibackup: Cli, anns: Path) -> None:
    first = ids(anns)[0]
    done = ibackup("pin", first, "--note", "before the repair", "--json")
    assert (done.code, done.result["pinned"], done.result["pin_note"]) == (0, True, "before the repair")
    assert "pinned: before the repair" in ibackup("list").flat
    assert "before the repair" in ibackup("show", first).flat
    row: dict[str, object] = ibackup("list", "--json").result["snapshots"][0]  # type: ignore[index]
    assert (row["pinned"], row["pin_note"]) == (True, "before the repair")
    assert ibackup("show", first, "--json").result["pin_note"] == "before the repair"
    kept = ibackup("prune", "--keep-last", "1", "--yes", "--json").result["kept"]
    assert ["pinned"] in [row["reasons"] for row in kept]  # type: ignore[attr-defined]
    done = ibackup("pin", first, "--remove")
    assert (done.code, done.out) == (0, f"Snapshot {first} is no longer pinned.\n")
    assert "pinned" not in ibackup("list").out
    ibackup("prune", "--keep-last", "1", "--yes")
    assert len(ids(anns)) == 1


def test_what_cannot_be_pinned(ibackup: Cli, anns: Path, settled: Minted) -> None:
    assert ibackup("pin", settled.folder).code == ExitCode.USAGE
    assert ibackup("pin", "2031").code == ExitCode.USAGE
    assert ibackup("pin", "latest", "--remove", "--note", "x").code == ExitCode.USAGE
    assert ibackup("pin").code == ExitCode.USAGE


def test_a_pin_that_cannot_be_written_says_that(
    ibackup: Cli, anns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: str, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr("ibackup.store.records.proof_records.durable.write_file", read_only)
    done = ibackup("pin", "latest")
    assert done.code == ExitCode.FAILED
    assert "The pin could not be recorded. It is on a file system that is mounted read-only." in done.flat_err


# -- import -------------------------------------------------------------------------------------------------


def test_import_as_the_first_command(ibackup: Cli, settled: Minted, tmp_path: Path) -> None:
    store = tmp_path / "new store"
    done = ibackup("import", settled.folder, "--store", store, "--json")
    assert done.code == 0
    result = done.result
    assert (result["udid"], result["checked"], result["source"]) == (UDID, "manifest", str(settled.folder))
    assert_sealed(str(result["path"]))
    assert [event["phase"] for event in done.events if event["event"] == "phase"] == [
        "receive",
        "check",
        "seal",
    ]
    listed = ibackup("list", "--store", store)
    assert str(result["snapshot"]) in listed.out
    assert listed.out.startswith(f"Ann's iPhone ({UDID})\n")  # its plists name no model
    shown = ibackup("show", "latest", "--store", store)
    assert shown.out.startswith("Ann's iPhone, iOS 17.1\n")
    assert "imported a backup that another program made; its data is from 2026-11-22" in shown.flat
    assert ibackup("verify", "--store", store, "--level", "deep").code == 0
    assert ibackup("import", settled.folder, "--store", store).code == ExitCode.USAGE


def test_an_encrypted_one(ibackup: Cli, mint: Mint, store: Path, password_file: Path) -> None:
    minted = old(mint(PASSWORD))
    done = ibackup("import", minted.folder)
    assert done.code == 0
    assert "no password was given" in done.flat
    shutil.rmtree(store / UDID)
    done = ibackup("import", minted.folder, "--password-file", password_file)
    assert done.code == 0
    assert "no password was given" not in done.flat
    shutil.rmtree(store / UDID)
    wrong = password_file.with_name("wrong")
    wrong.write_text("wrong\n")
    wrong.chmod(0o600)
    assert ibackup("import", minted.folder, "--password-file", wrong).code == ExitCode.PASSWORD


def test_damage(ibackup: Cli, store: Path, settled: Minted) -> None:
    settled.blob("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC").unlink()
    done = ibackup("import", settled.folder)
    assert done.code == ExitCode.DAMAGE
    assert "IMG_0001.HEIC: missing" in done.flat_err
    assert "ibackup verify" in done.flat_err


def test_one_that_changed_lately(ibackup: Cli, store: Path, mint: Mint) -> None:
    minted = mint()
    done = ibackup("import", minted.folder)
    assert done.code == ExitCode.BUSY
    assert "--wait" in done.flat_err
    assert "--settled" in done.flat_err
    assert ibackup("import", minted.folder, "--settled").code == 0


def test_what_is_no_backup(ibackup: Cli, store: Path, tmp_path: Path) -> None:
    assert ibackup("import", tmp_path / "nothing").code == ExitCode.NOT_A_BACKUP
    assert ibackup("import", store).code == ExitCode.NOT_A_BACKUP


# -- to-finder ----------------------------------------------------------------------------------------------


def test_to_finder(ibackup: Cli, anns: Path, tmp_path: Path, plugged: Plug) -> None:
    target = tmp_path / "Backup"
    done = ibackup("to-finder", "latest", "--to", target, "--json")
    assert done.code == 0
    assert (done.result["path"], done.result["archived"]) == (str(target / ANN.udid), False)
    assert ibackup("verify", target).code == 0
    again = ibackup("to-finder", "latest", "--to", target)
    assert again.code == 0
    plain, archived = sorted(os.listdir(target))
    assert plain == ANN.udid
    assert archived.startswith(f"{ANN.udid}-20")
    third = ibackup("to-finder", "latest", "--to", target)
    assert third.code == ExitCode.USAGE
    assert "exists already" in third.flat_err


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="Linux has no folder of Finder's")
def test_to_finder_on_linux_needs_a_folder(ibackup: Cli, anns: Path) -> None:
    done = ibackup("to-finder", "latest")
    assert done.code == ExitCode.USAGE
    assert "--to" in done.flat_err


def test_to_finder_takes_snapshots_only(ibackup: Cli, anns: Path, settled: Minted, tmp_path: Path) -> None:
    assert ibackup("to-finder", settled.folder, "--to", tmp_path / "x").code == ExitCode.USAGE
    assert ibackup("to-finder", "latest", "--to", anns).code == ExitCode.USAGE
    assert not (tmp_path / "x").exists()


# -- the round ----------------------------------------------------------------------------------------------


def test_out_and_in_again(ibackup: Cli, anns: Path, plugged: Plug, tmp_path: Path) -> None:
    """A snapshot that goes to Finder's folder and comes back into another store is what the next run builds upon."""
    (phone,) = plugged(ANN)
    ibackup("now")
    target, other = tmp_path / "Backup", tmp_path / "other"
    assert ibackup("to-finder", "latest", "--to", target).code == 0
    assert ibackup("import", target, "--settled", "--store", other).code == 0
    phone.change(added=1)
    result = ibackup("now", "--store", other, "--json").result
    assert (result["exit_code"], result["full"]) == (0, False)
    assert_is_the_phone(str(result["path"]), phone)


def test_list_says_what_was_never_proven_or_sealed(ibackup: Cli, anns: Path) -> None:
    first, second = snapshots(anns, ANN)
    assert ibackup("list").out.count("not verified yet") == 2
    assert ibackup("verify").code == 0
    assert ibackup("list").out.count("not verified yet") == 1
    (first / "SHA256SUMS").unlink()
    listed = ibackup("list", "--json").result["snapshots"]
    assert [row["state"] for row in listed] == ["damaged", "good"]  # type: ignore[attr-defined]
    assert "seal is missing" in ibackup("list").flat
    assert second.exists()


def test_now_says_what_broken_runs_left(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    folder = Store.open(anns).phone(ANN.udid)
    from ibackup.store.work.working_copy import WorkingCopy

    with WorkingCopy.create(folder, None) as working:
        working.set_aside()
    plugged(ANN)
    done = ibackup("now")
    assert "Left over from an interrupted run" in done.flat_err
    assert "removed after the next successful backup" in done.flat_err
    assert "re-read every byte" not in done.flat_err
    assert folder.left_overs() == []
