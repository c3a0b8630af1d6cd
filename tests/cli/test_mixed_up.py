"""Parts of an encrypted and of an unencrypted backup in one folder: no command takes ciphertext for a file."""

import json
from pathlib import Path

import pytest

from cli.commands.test_files_extract_diff import Run, alone, mint, password, said
from ibackup.apple.backup import Backup
from ibackup.base.errors import NotRestorable
from ibackup.jobs.restore import backup_contents
from support.minted import Mint, Minted, default_specs
from support.mixed import MIXTURES, PASSWORD

__all__ = ["alone", "mint", "password", "said"]

LOCKED = {
    "list of a plain one": 0,
    "list of a plain one, half its files": 2,
    "files of an encrypted one": 0,
    "one file in two of an encrypted one": 4,
    "opened list, plist of a plain one": 0,
}
"""Those of which files cannot be read any more, and how many files are plain for sure."""
NO_LIST = "plist of a plain one"


@pytest.fixture
def made(mint: Mint, tmp_path: Path, request: pytest.FixtureRequest) -> Minted:
    specs = default_specs(tmp_path)
    return MIXTURES[request.param](lambda secret: mint(secret, specs=list(specs)))


def result(out: str) -> dict[str, object]:
    found = json.loads(out.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("name", "made"), [(name, name) for name in MIXTURES], indirect=["made"], ids=list(MIXTURES)
)
def test_all_commands_say_the_same_and_none_gives_out_ciphertext(
    said: Run, made: Minted, name: str, password: Path, tmp_path: Path
) -> None:
    folder, given = made.folder, ("--password-file", password, "--json")
    out = tmp_path / "out"
    code, told, err = said("extract", folder, "--all", "--to", out, *given)
    written = 0
    for spec in made.specs:
        target = out / spec.domain / spec.path
        if spec.flags == 1 and target.exists():
            assert target.read_bytes() == spec.content, spec.path
            written += 1
    levels = {
        level: said("verify", folder, "--level", level, *given)[:2] for level in ("quick", "full", "deep")
    }
    answers = [said("import", folder, "--settled", "--store", tmp_path / "store", *given)[:2]]
    refused, reason, _ = said("rehearse", folder, *given)
    assert refused == 21, "no phone takes any of them"
    message = str(result(reason)["message"])
    assert "damaged" not in message
    if name == NO_LIST:
        assert (code, written) == (21, 0)
        assert "different backups" in str(result(told)["message"])
    elif name in LOCKED:
        assert (code, written) == (4, LOCKED[name])
        hint = str(result(told)["hint"])
        assert "There may be no damage" in hint
        assert "new backup" not in hint
    else:
        assert (code, written) == (0, 8), err
        assert answers[0][0] == 0
        assert result(answers[0][1])["not_restorable"]
        # Full never calls good what a restore refuses; quick does not look into the files.
        assert {levels[level][0] for level in ("full", "deep")} == {4}
        kinds = {group["kind"] for group in result(levels["full"][1])["groups"]}  # type: ignore[attr-defined]
        assert kinds == {"mixed-up"}
        return
    assert answers[0][0] == 4
    assert "different" in str(result(answers[0][1])["message"])
    for code, told in levels.values():
        assert code == 4
        groups = result(told)["groups"]
        assert {group["kind"] for group in groups if group["severity"] == "damage"} <= {  # type: ignore[attr-defined]
            "key-elsewhere",
            "mixed-up",
        }


@pytest.mark.parametrize("made", ["list of a plain one", NO_LIST], indirect=True)
def test_what_is_mixed_up_is_not_called_damaged(said: Run, made: Minted, password: Path) -> None:
    code, out, _ = said("verify", made.folder, "--password-file", password)
    assert code == 4
    assert out.startswith("MIXED UP:")
    assert "DAMAGED" not in out
    assert "make a new backup" not in out


@pytest.mark.parametrize("made", ["half its files", "all its files"], indirect=True)
def test_what_no_phone_takes_back_is_not_called_good(
    said: Run, made: Minted, password: Path, tmp_path: Path
) -> None:
    given = ("--password-file", password)
    code, out, _ = said("verify", made.folder, "--level", "deep", *given)
    assert code == 4
    assert out.startswith("NO FILE LOST:")
    assert "A restore would" not in out
    assert "new backup now" not in out
    store = ("--store", tmp_path / "store")
    assert said("import", made.folder, "--settled", *store, *given)[0] == 0
    code, out, _ = said("verify", *store, "--level", "deep", *given)
    assert code == 0  # the import said it; a proof each night need not
    assert "No phone can be restored from it" in " ".join(out.split())
    assert "A restore would" not in out


@pytest.mark.parametrize("made", ["half its files", "all its files"], indirect=True)
def test_a_restore_is_refused_where_only_the_list_is_encrypted(made: Minted) -> None:
    """A phone would decrypt the plain files, too: before anything is sent, not after."""
    with Backup.open(made.folder) as backup:
        backup.unlock(PASSWORD)
        with pytest.raises(NotRestorable, match="another program has decrypted"):
            backup_contents.read(backup)


@pytest.mark.parametrize("made", ["list of a plain one"], indirect=True)
def test_files_are_named_and_the_trouble_is_reported(said: Run, made: Minted) -> None:
    code, out, err = said("files", made.folder)
    assert code == 0
    assert "HomeDomain/Library/SMS/sms.db" in out
    assert "from another backup" in err


def test_an_ordinary_backup_is_none_of_them(said: Run, mint: Mint, password: Path, tmp_path: Path) -> None:
    for secret in (None, PASSWORD):
        made = mint(secret)
        code, out, err = said("verify", made.folder, "--password-file", password, "--json")
        assert code == 0, err
        assert result(out)["groups"] == []
        store = tmp_path / f"store {secret}"
        out = said(
            "import", made.folder, "--settled", "--store", store, "--password-file", password, "--json"
        )[1]
        assert result(out)["not_restorable"] is None
