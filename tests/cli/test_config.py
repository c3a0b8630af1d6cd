"""The config file: what it may say, and where the error is when it says something else."""

from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup import config
from ibackup.errors import ExitCode, UsageError


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


PHONES = f"""
[[phones]]
name = "Ann"
udid = "{ANN.udid}"

[[phones]]
name = "bob"
udid = "{BOB.udid}"
"""


def test_everything_it_may_say(tmp_path: Path) -> None:
    found = config.load(
        str(
            written(
                tmp_path,
                f"""
store = "~/backups"  # of all of us

[[phones]]
name = "Ann"
udid = "{ANN.udid}"
password_file = "ann.password"

[[phones]]
udid = "{BOB.udid.replace("-", "").lower()}"
name = "Bob"
password_command = "pass show bob"
""",
            )
        )
    )
    assert found.store == "~/backups"
    assert [phone.name for phone in found.phones] == ["Ann", "Bob"]
    # A relative path starts at the config's folder, not at whatever folder the program is started in.
    assert found.phones[0].password_file == str(tmp_path / "ann.password")
    assert found.phones[1].password_command == "pass show bob"


def test_a_missing_one_is_an_empty_one_unless_it_was_asked_for(tmp_path: Path) -> None:
    assert config.load(None) == config.Config()
    with pytest.raises(UsageError, match=r"nothing\.toml is not there"):
        config.load(str(tmp_path / "nothing.toml"))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('stroe = "/x"', 1, "stroe is not known; did you mean store?"),
        ('\n\nstore = "/x"\ncolour = 1', 4, "colour is not known."),
        ("store = 3", 1, 'store takes a text in "quotes"'),
        ('store = ""', 1, "store is empty"),
        ('phones = "ann"', 1, "phones is written as [[phones]] tables"),
        ("phones = [1]", 1, "phones is written as [[phones]] tables"),
        ('# mine\n[[phones]]\nname = "Ann"', 2, "phones needs a name and a udid"),
        (PHONES + 'passwort_file = "x"', 9, "passwort_file is not known; did you mean password_file?"),
        (PHONES + "password_file = 1", 9, 'password_file takes a text in "quotes"'),
        (PHONES.replace(BOB.udid, "00008101"), 8, "udid '00008101' is not a UDID"),
        (PHONES.replace("bob", "ANN"), 7, "name 'ANN' stands for two phones"),
        (
            PHONES.replace(BOB.udid, ANN.udid.replace("-", "")),
            8,
            f"udid {ANN.udid.replace('-', '')} has two names",
        ),
    ],
)
def test_an_error_names_file_line_and_the_nearest_key(
    ibackup: Cli, tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = written(tmp_path, text)
    done = ibackup("list", "--config", path)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert f"{path}, line {line}: {said}" in done.flat_err
    assert "Known keys: " in done.flat_err
    assert "per phone: name, password_command, password_file, udid" in done.flat_err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'store = "/x', "at end of document"),
        (b'store = "/a"\nstore = "/b"\n', "at line 2"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_is_no_toml_at_all(ibackup: Cli, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    done = ibackup("list", "--config", path)
    assert done.code == ExitCode.USAGE
    assert str(path) in done.err
    assert said in done.flat_err


def test_a_folder_is_no_config(ibackup: Cli, tmp_path: Path) -> None:
    assert "cannot be read" in ibackup("list", "--config", tmp_path).flat_err


def test_where_the_store_is_said_to_be(
    ibackup: Cli, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = str(tmp_path / "nothing")

    def found(*args: str | Path) -> bool:
        return ibackup("list", *args).code == 0

    assert not found()  # ~/ibackup
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "ibackup").symlink_to(made)
    assert found()
    assert not found("--config", written(tmp_path, f'store = "{nothing}"'))
    monkeypatch.setenv("IBACKUP_STORE", str(made))
    assert found("--config", written(tmp_path, f'store = "{nothing}"'))
    assert not found("--store", nothing)
    monkeypatch.setenv("IBACKUP_STORE", "")
    assert found("--config", written(tmp_path, f'store = "{made}"'))
    relative = Path("..") / made.relative_to(tmp_path.parent)
    assert found("--config", written(tmp_path, f'store = "{relative.as_posix()}"'))


@pytest.mark.parametrize("name", ["Ann", "ann", ANN.udid, ANN.udid.lower(), ANN.udid.replace("-", "")])
def test_a_phone_is_meant_by_its_name_or_its_udid(
    ibackup: Cli, store: Path, tmp_path: Path, name: str
) -> None:
    path = written(tmp_path, PHONES)
    done = ibackup("list", "--config", path, "--phone", name, "--json")
    snapshots = done.result["snapshots"]
    assert isinstance(snapshots, list)
    assert {each["udid"] for each in snapshots} == {ANN.udid}


def test_a_name_that_is_nearly_one(ibackup: Cli, store: Path, tmp_path: Path) -> None:
    done = ibackup("show", "--config", written(tmp_path, PHONES), "--phone", "Anne")
    assert done.code == ExitCode.USAGE
    assert (
        "There is no phone named 'Anne'. Did you mean 'Ann'? Names in the config file: Ann, bob."
        in done.flat_err
    )
