"""Every command, with marked secrets: none of them is in what it prints, logs or leaves behind."""

import base64
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, Cli, Ran
from ibackup.base import identities
from ibackup.cli.main import COMMANDS
from ibackup.simulator.faults import DropAfterBytes, ErrorCodeAt
from ibackup.simulator.phone_trust import escrow_bag
from ibackup.simulator.spec import Passcode, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.keyrings import FileKeyring

Plug = Callable[..., list[VirtualPhone]]
SECRET = "Zaunkönig-MARKED-4711"
SECRET_TOO = "Wiedehopf-MARKED-1848"
TOKEN = "t0ken-MARKED-0815"  # in an address to which messages go
MARKED = replace(
    ANN,
    seed=77,
    name="Zoë's own phone",
    backup_password=SECRET,
    keybag_rounds=10,
    passcode=Passcode(kind="answered", delay_s=0.01),
)


def forms(secret: bytes) -> list[bytes]:
    """How a secret may be written."""
    base = base64.b64encode(secret)
    return [
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base,
        base[:-4],
        ascii(secret)[2:-1].encode(),
    ]


def secrets(spec: PhoneSpec) -> list[bytes]:
    """What is to be nowhere at all, in every form."""
    told = [TOKEN.encode(), escrow_bag(spec)]
    for secret in (SECRET, SECRET_TOO):
        told += [secret.encode(), secret.encode("utf-16-le")]
    return [form for secret in told for form in forms(secret)] + [b"PRIVATE KEY"]


def whose(spec: PhoneSpec) -> list[str]:
    """What is to be in no log."""
    return [spec.udid, spec.udid.replace("-", ""), spec.serial, spec.phone_number, spec.imei, spec.name]


@pytest.fixture
def nobody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "_noted", {})


class Watch:
    """Runs commands with a log, and looks at all they say."""

    def __init__(self, ibackup: Cli, folder: Path, password: Path) -> None:
        self._ibackup = ibackup
        self._log = folder / "log"
        self._password = password
        self._store = folder / "store"
        self.ran: set[str] = set()
        self.said: list[bytes] = []

    def __call__(self, command: str, *args: str | Path, code: int = 0) -> Ran:
        self.ran.add(command)
        common: list[str | Path] = ["-v", "--log-file", self._log, "--store", self._store]
        done = self._ibackup(command, *args, *common)
        assert done.code == code, done
        self.said.append((done.out + done.err).encode())
        return done

    def unlocked(self, command: str, *args: str | Path, code: int = 0) -> Ran:
        """One that takes the password."""
        return self(command, *args, "--password-file", self._password, code=code)

    def log(self) -> str:
        return self._log.read_text()


def files(folder: Path, *but: Path) -> Iterator[tuple[Path, bytes]]:
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            if path not in but:
                yield path, path.read_bytes()


@pytest.mark.promise("No secret leaks")
@pytest.mark.usefixtures("nobody_is_known")
def test_no_command_reveals_a_secret(
    ibackup: Cli, plugged: Plug, tmp_path: Path, ring: FileKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    (phone,) = plugged(MARKED)
    password = tmp_path / "password"
    password.write_text(SECRET + "\n", encoding="utf-8")
    password.chmod(0o600)
    watch = Watch(ibackup, tmp_path, password)

    phone.set_faults(DropAfterBytes(count=300))
    watch.unlocked("now", code=13)
    phone.set_faults(ErrorCodeAt(where="end", code=207, text="wrong password"))
    watch.unlocked("now", code=20)
    phone.set_faults()
    watch.unlocked("now")
    phone.change(changed=2)
    watch.unlocked("now", "--json")
    watch("devices")
    watch.unlocked("doctor", "--offline")
    watch.unlocked("doctor", "--offline", "--json", "--packet", tmp_path / "page.txt")
    watch("list")
    watch("show")
    watch.unlocked("verify", "--level", "deep")
    watch("verify", "--level", "quick")
    watch.unlocked("files", "latest")
    watch.unlocked("export", "latest", "--everything", "--to", tmp_path / "exported")
    watch.unlocked("search", "hello")
    watch.unlocked("extract", "latest", "--all", "--to", tmp_path / "out")
    watch.unlocked("restore", "--dry-run")
    watch.unlocked("restore", "--yes")
    phone.set_faults(ErrorCodeAt(where="start", code=207, text="wrong password"))
    watch.unlocked("restore", "--yes", "--json", code=20)
    phone.set_faults()
    watch.unlocked("rehearse")
    one, two = sorted((tmp_path / "store" / phone.udid / "snapshots").iterdir())
    watch.unlocked("diff", one.name, two.name)
    watch("pin", two.name)
    watch("to-finder", "latest", "--to", tmp_path / "finder")
    watch.unlocked("import", next((tmp_path / "finder").iterdir()), "--settled", code=2)
    new = tmp_path / "new"
    new.write_text(SECRET_TOO + "\n", encoding="utf-8")
    new.chmod(0o600)
    watch.unlocked("encryption", "status")
    watch.unlocked("encryption", "keychain", "--key")
    watch.unlocked("encryption", "change", "--new-password-file", new, "--keychain")
    watch("encryption", "recovery-sheet")
    watch.unlocked("encryption", "off", "--yes", code=20)
    watch("encryption", "off", "--yes")
    watch("encryption", "on", "--new-password-file", new, "--json")
    phone.set_faults(ErrorCodeAt(where="end", code=100))
    watch("encryption", "change", "--password-file", new, "--new-password-file", password, code=12)
    phone.set_faults()
    watch("icloud", "on", "--yes")
    watch("wifi", "on", "--json")
    watch("wifi", "off")
    watch("prune", "--keep-last", "1", "--yes")
    config = tmp_path / "config.toml"
    config.write_text(
        f'[notify]\ndesktop = false\nurls = ["json://{TOKEN}@127.0.0.1:9/{TOKEN}"]\n'
        f'heartbeat_url = "http://127.0.0.1:9/{TOKEN}"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = 9\nuser = "ann"\npassword_file = "{new}"\n'
    )
    config.chmod(0o600)
    for extra in ([], ["--json"]):
        watch.unlocked("nightly", "--once", "--every", "0", "--config", config, *extra)
    threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()
    watch.unlocked("watch", "--config", config, code=130)
    monkeypatch.setenv("BROWSER", "none")
    monkeypatch.setattr(
        "webbrowser.open", lambda _url: os.kill(os.getpid(), signal.SIGINT)
    )  # as soon as it answers
    watch("open", "--config", config)
    watch.unlocked("setup", "--yes", "--no-schedule", "--no-backup", "--config", config)
    for extra in ([], ["--json"]):
        watch("config", "show", "--config", config, *extra)
        watch("log", *extra)
        watch("du", *extra)
        watch("notify", "test", "--config", config, *extra, code=1)
    watch("help", "exit-codes")
    config.write_text(
        f'[[copies]]\nname = "nas"\nto = "rest:http://ann:{TOKEN}@127.0.0.1:9/ann"\n'
        f'repository_id = "{"0" * 64}"\npassword_file = "{new}"\n'
    )
    for extra in ([], ["--json"]):
        watch("copy", "list", "--config", config, *extra)
        watch("copy", "show", "nas", "--config", config, *extra)
        watch("heal", "--config", config, *extra)
        watch("config", "show", "--config", config, *extra)
        watch.unlocked("encryption", "recovery-sheet", "--config", config, *extra)
    config.unlink()
    for extra in ([], ["--json"]):
        watch.unlocked("mount", "latest", "--at", new, *extra, code=2)  # a file is in the way
        watch("unmount", *extra)
        watch("fleet", "status", *extra, code=2)  # test_fleet.py looks at its secrets
    watch("simulator", "run", "--spec", tmp_path / "none.toml", code=2)
    watch("completion", "bash")
    watch.unlocked("schedule", "install", "--print", "--kind", "systemd")
    watch("status", "--prometheus", tmp_path / "metrics.prom")
    watch("demo", "--help")
    assert watch.ran == set(COMMANDS), "a command that is not here is not looked at"

    unwanted = secrets(MARKED)
    for said in watch.said:
        assert [form for form in unwanted if form in said] == []
    for path, data in files(tmp_path, password, new):
        assert [form for form in unwanted if form in data] == [], path
    assert [each for each in whose(MARKED) if each in watch.log()] == []


@pytest.mark.usefixtures("nobody_is_known")
def test_a_log_says_what_helps(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    """Phases, the phone's requests by name and count, and what was decided."""
    (phone,) = plugged(MARKED)
    watch = Watch(ibackup, tmp_path, tmp_path / "none")
    watch("now")
    phone.change(added=5)
    phone.set_faults(DropAfterBytes(count=300))
    watch("now", code=13)
    phone.set_faults()
    watch("now")
    log = watch.log()
    for said in (
        "INFO receive: Receiving files.",
        "DEBUG DeviceLink 400",
        "DEBUG UploadFiles, ",
        " files, ",
        "DEBUG CreateDirectory, 514 in a row",
        "DEBUG Status.plist says 'moving'",
        "DEBUG the phone's last word: 'Response', error code '0'",
        "DEBUG a new working copy ",
        "DEBUG an attempt ended: ConnectionLost",
        "DEBUG taken over at receiving",
        "DEBUG phase sealed is done",
        "backups encrypted: True",
    ):
        assert said in log, said
