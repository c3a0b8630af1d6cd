"""The config file: what it may say, and where the error is when it says something else."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.config import config_file, config_schema


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
    found = config_file.load(
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


def test_nights_and_who_is_told(tmp_path: Path) -> None:
    found = config_file.load(
        str(
            written(
                tmp_path,
                PHONES
                + """
window = "always"
every = "3d"
[phones.prune]
keep_last = 2

[nightly]
window = "21:30-07:00"
max_prompts = 1
min_free = "50GB"

[proof]
full_every = "0"
deep = false

[notify]
desktop = false
urls = ["ntfys://ntfy.example/topic"]
done = []
heartbeat_url = "https://hc.example/ping/1"

[prune]
keep_daily = 7
""",
            )
        )
    )
    ann, bob = found.rules(ANN.udid), found.rules(BOB.udid)
    assert str(ann.window) == "21:30-07:00"
    assert (ann.every_s, ann.max_age_s, ann.prune) == (72000, 604800, config_schema.PruneConfig(keep_daily=7))
    assert bob.window is None
    assert (bob.every_s, bob.prune) == (259200, config_schema.PruneConfig(keep_last=2))
    assert (found.nightly.max_prompts, found.nightly.min_free_bytes) == (1, 50 * 10**9)
    assert (found.proof.full_every_s, found.proof.deep, found.notify.desktop) == (0, False, False)
    assert found.notify.urls_for("done") == ()
    assert found.notify.urls_for("failed") == ("ntfys://ntfy.example/topic",)
    assert found.notify.secrets() == ("ntfys://ntfy.example/topic", "https://hc.example/ping/1")
    assert "example" not in repr(found.notify)
    overridden = found.overridden(every_s=60.0, max_age_s=120.0)
    assert overridden.rules(BOB.udid).every_s == 60
    assert overridden.rules(ANN.udid).max_age_s == 120


def test_variables_win_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, '[notify]\nurls = ["json://a.example"]')
    monkeypatch.setenv("IBACKUP_NOTIFY_URLS", "json://b.example json://c.example")
    monkeypatch.setenv("IBACKUP_NOTIFY_DESKTOP", "0")
    monkeypatch.setenv("IBACKUP_HEARTBEAT_URL", "http://hc.example/1")
    for found in (config_file.load(str(path)), config_file.load(None)):
        assert found.notify.urls == ("json://b.example", "json://c.example")
        assert (found.notify.desktop, found.notify.heartbeat_url) == (False, "http://hc.example/1")
    monkeypatch.setenv("IBACKUP_HEARTBEAT_URL", "s3cret")
    with pytest.raises(UsageError, match="IBACKUP_HEARTBEAT_URL must be an address") as failed:
        config_file.load(str(path))
    assert "s3cret" not in str(failed.value)


def test_how_long_a_phone_may_be_silent(tmp_path: Path) -> None:
    usual = config_file.load(None).limits
    hours, minutes = 3600, 60
    assert (usual.scan_s, usual.message_s, usual.trickle_s) == (4 * hours, 2 * hours, 2 * hours)
    assert (usual.between_files_s, usual.within_file_s) == (30 * minutes, 10 * minutes)
    assert (usual.sending_s, usual.sending_restore_s) == (15 * minutes, 30 * minutes)
    found = config_file.load(str(written(tmp_path, '[limits]\nscan = "5h"\nwithin_file = "90s"\n'))).limits
    assert found == replace(usual, scan_s=5 * hours, within_file_s=90)


def test_a_missing_one_is_an_empty_one_unless_it_was_asked_for(tmp_path: Path) -> None:
    assert config_file.load(None) == config_schema.Config()
    with pytest.raises(UsageError, match=r"nothing\.toml does not exist"):
        config_file.load(str(tmp_path / "nothing.toml"))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('stroe = "/x"', 1, "stroe is unknown; did you mean store?"),
        ('\n\nstore = "/x"\ncolour = 1', 4, "colour is unknown."),
        ("store = 3", 1, 'store must be text in "quotes"'),
        ('store = ""', 1, "store is empty"),
        ('phones = "ann"', 1, "phones is written as [[phones]] tables"),
        ("phones = [1]", 1, "phones is written as [[phones]] tables"),
        ('# mine\n[[phones]]\nname = "Ann"', 2, "phones needs a name and a udid"),
        (PHONES + 'passwort_file = "x"', 9, "passwort_file is unknown; did you mean password_file?"),
        (PHONES + "password_file = 1", 9, 'password_file must be text in "quotes"'),
        (PHONES.replace(BOB.udid, "00008101"), 8, "udid must be a UDID (`ibackup devices` shows it)"),
        (PHONES.replace("bob", "ANN"), 7, "name 'ANN' names two phones"),
        (
            PHONES.replace("Ann", "Zo\u00eb").replace("bob", "zoe\u0308"),
            7,
            "name 'zoe\u0308' names two phones",
        ),
        ('every = "20h"', 1, "every is unknown here; it belongs in [[phones]] or [nightly] or [[copies]]."),
        ('[nigtly]\nevery = "20h"', 1, "nigtly is unknown; did you mean nightly?"),
        ('[nightly]\nevry = "20h"', 2, "evry is unknown; did you mean every?"),
        ("[nightly]\nevery = 20", 2, "every must be a duration as in 30s, 90m, 36h, 7d or 8w"),
        ('nightly.every = "x"', 1, "every must be a duration"),
        ('[nightly]\nwindow = "21-7"', 2, 'window must be a range of hours as in "21:00-07:00", or "always"'),
        ('[nightly]\nwindow = "24:00-07:00"', 2, "window must be a range of hours as in"),
        ("[nightly]\nmax_prompts = -1", 2, "max_prompts must be a whole number, 0 or more"),
        ("[nightly]\npower = 1", 2, "power must be true or false"),
        ('[nightly]\nmin_free = "10"', 2, "min_free must be a size as in 500MB, 4.2GB or 1TB"),
        ("nightly = 1", 1, "nightly is written as a [nightly] table"),
        ('[proof]\nfull_evry = "30d"', 2, "full_evry is unknown; did you mean full_every?"),
        ('[notify]\nfailed = ["no address"]', 2, "failed must be a list of addresses"),
        ('[notify]\nheartbeat_url = "hc-ping.com"', 2, "heartbeat_url must be an address"),
        ("[prune]\nkeep_last = 0", 1, "prune would keep nothing"),
        ("[limits]\nscan = 60", 2, "scan must be a duration from 1s to 7d as in 90s, 10m or 4h"),
        ('[limits]\nscan = "0"', 2, "scan must be a duration from 1s to 7d"),
        ('[limits]\nscan = "8d"', 2, "scan must be a duration from 1s to 7d"),
        ('[limits]\nbetween_file = "1h"', 2, "between_file is unknown; did you mean between_files?"),
        ('[limits]\nsending = "3h"', 1, "trickle is shorter than between_files"),
        (PHONES + "[phones.prune]\nkeep_lst = 1", 10, "keep_lst is unknown; did you mean keep_last?"),
        (PHONES + "window = 3", 9, 'window must be a range of hours as in "21:00-07:00", or "always"'),
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
    assert "Known keys" in done.flat_err


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
    assert "There is no phone named 'Anne'. Did you mean 'Ann'? Known phones: Ann and bob." in done.flat_err


COPY = f'[[copies]]\nname = "usb"\nto = "/mnt/usb"\nrepository_id = "{"0" * 64}"\n'


@pytest.mark.parametrize(
    ("text", "line", "flaw"),
    [
        ('copies = "usb"', 1, "copies is written as [[copies]] tables"),
        ("copies = [1]", 1, "copies is written as [[copies]] tables"),
        ('[[copies]]\nname = "usb"', 1, "copies needs to in each table"),
        (COPY + COPY, 6, "name 'usb' names two copies"),
        (COPY.replace("usb", "../usb", 1), 2, "name must be a name of at most 32 letters"),
        (COPY.replace("0" * 64, "0"), 4, "repository_id must be 64 hexadecimal digits"),
        (COPY + "read_parts = 257", 5, "read_parts must be a whole number from 0 to 256"),
        (COPY + "pasword_file = 1", 5, "pasword_file is unknown; did you mean password_file?"),
    ],
)
def test_what_is_wrong_with_a_copy_is_named(tmp_path: Path, text: str, line: int, flaw: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        config_file.load(str(path))
    assert f"line {line}: {flaw}" in caught.value.message


def test_a_password_in_the_address_of_a_copy_is_not_shown(ibackup: Cli, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COPY.replace("/mnt/usb", "rest:https://ann:Geheim-7@nas/ann"))
    done = ibackup("config", "show", "--config", path)
    assert "rest:https://ann:***@nas/ann" in done.out
    assert "Geheim" not in done.out + ibackup("copy", "list", "--config", path, "--json").out
