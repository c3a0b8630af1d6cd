"""A backup whose maker chose what the phone and its apps are called, and every place where that is shown."""

import json
import plistlib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.simulator.spec import PhoneSpec
from support.hostile_names import NAMES, steers
from support.minted import Mint

from .conftest import Cli

_COMMANDS = (
    ("list",),
    ("show", "latest"),
    ("status",),
    ("verify", "latest"),
    ("files", "latest"),
    ("search", "hello"),
    ("du",),
    ("pin", "latest"),
    ("prune", "--keep-last", "1", "--dry-run"),
    ("encryption", "recovery-sheet"),
    ("doctor", "--offline"),
    ("log",),
)


@pytest.mark.parametrize("name", [name for name in NAMES if not re.search("[\0\x1b\ud800]", name)])
def test_a_connected_phones_name_gives_a_name_for_the_config(
    ibackup: Cli, plugged: Callable[..., object], tmp_path: Path, name: str
) -> None:
    plugged(PhoneSpec(name=name))
    config, words = tmp_path / "config.toml", ("--store", tmp_path / "store", "--patience", "0")
    proposed = ("setup", "--yes", "--no-encrypt", "--no-schedule", "--no-backup", "--config", config)
    shown = []
    for more in ((), ("--json",)):
        ran = ibackup(*proposed, *words, *more)
        assert ran.code == 0, ran.err
        shown += [ran.out, ran.err]
    [phone] = tomllib.loads(config.read_text(encoding="utf-8"))["phones"]
    assert re.fullmatch(r"[\w-]{1,40}", phone["name"])
    for kind in ("systemd", "launchd", "windows", "cron"):
        ran = ibackup("schedule", "install", "--print", "--kind", kind, "--config", config)
        assert ran.code == 0, ran.err
        shown += [ran.out.replace("\t", ""), ran.err]  # plistlib indents with them
    for text in shown:
        assert steers(text) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "store"
    made = Mint(tmp_path)()
    info = made.folder / "Info.plist"
    said = plistlib.loads(info.read_bytes())
    said |= dict.fromkeys(("Device Name", "Display Name", "Product Type", "Product Version"), name)
    said["Applications"] = {name: {"CFBundleIdentifier": name}}
    said["Installed Applications"] = [name]
    try:
        info.write_bytes(plistlib.dumps(said, fmt=plistlib.FMT_BINARY))
    except UnicodeEncodeError:
        pytest.skip("no property list can say that")
    ran = ibackup("import", made.folder, "--settled", "--store", store)
    assert ran.code == 0, ran.err
    prometheus = tmp_path / "metrics.prom"
    packet = tmp_path / "packet.txt"
    shown = []
    for words in (
        *_COMMANDS,
        ("status", "--prometheus", prometheus),
        ("doctor", "--offline", "--packet", packet),
    ):
        for more in ((), ("--json",)):
            ran = ibackup(*words, "--store", store, *more)
            assert ran.code not in (1, 2), ran.err
            assert "Traceback" not in ran.err
            shown += [ran.out, ran.err]
            for line in ran.out.splitlines() if more else ():
                json.loads(line)
    for file in (prometheus, packet):
        if file.exists():
            shown.append(file.read_text(encoding="utf-8"))
    assert prometheus.exists()
    for line in prometheus.read_text(encoding="utf-8").split("\n"):
        assert not line or line.startswith(("#", "ibackup_"))
    for text in shown:
        assert steers(text) == ""
    assert not list(tmp_path.rglob("owned"))
