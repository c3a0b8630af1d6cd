"""Runs command lines within this process, far from the user who runs the tests, against stores made once."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import keyring
import pytest
from keyring.backends.null import Keyring as NullKeyring

from ibackup.cli.main import run
from ibackup.simulator.server import serve
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.disk import record_times
from ibackup.store.store import Store
from support.keyrings import FileKeyring
from support.runs import Lab

PASSWORD = "Kurzhaar-Wisent 7"
ANN = PhoneSpec(
    seed=1,
    name="Ann’s phone",  # noqa: RUF001 - as phones spell it
    domains=(
        DomainSpec(name="CameraRollDomain", count=4, min_size=3_000, max_size=20_000),
        DomainSpec(name="HomeDomain", count=6, min_size=20, max_size=4096),
    ),
)
BOB = PhoneSpec(
    seed=2,
    name="Bob",
    device_class="iPad",
    product_type="iPad13,1",
    domains=(DomainSpec(name="HomeDomain", count=3, min_size=20, max_size=4096),),
    backup_password=PASSWORD,
    keybag_rounds=10,
)


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        """Its JSON; every line has to be an object with an event."""
        assert self.out.endswith("\n")
        events = [json.loads(line) for line in self.out[:-1].split("\n")]
        assert all(isinstance(event, dict) and isinstance(event.get("event"), str) for event in events)
        return events

    @property
    def result(self) -> dict[str, object]:
        """The last line, which must be the only result."""
        assert [event["event"] for event in self.events].count("result") == 1
        result = self.events[-1]
        assert result["event"] == "result"
        assert result["schema"] == 1
        assert result["exit_code"] == self.code
        assert isinstance(result["command"], str)
        if self.code:
            assert result.keys() >= {"error_code", "message", "hint"}
            assert result["message"]
            assert isinstance(result["hint"], str)
        return result

    @property
    def flat(self) -> str:
        """Standard output with its line breaks taken as spaces."""
        return re.sub(r"\s+", " ", self.out)

    @property
    def flat_err(self) -> str:
        """Standard error likewise."""
        return re.sub(r"\s+", " ", self.err)


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No configuration, state, password, keychain, phone or terminal of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith("IBACKUP_")]:
        monkeypatch.delenv(name)
    for name in ("CREDENTIALS_DIRECTORY", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "no-usbmuxd"))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        "ibackup.jobs.schedule.scheduler_choice._here", lambda: ()
    )  # nobody's crontab is looked at
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    before = keyring.get_keyring()
    keyring.set_keyring(NullKeyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def ring(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> FileKeyring:
    """A keychain that keyring finds, outside of the test's own folder; the next test has none again."""
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path_factory.mktemp("ring") / "ring.json"))
    mine = FileKeyring()
    keyring.set_keyring(mine)
    return mine


@pytest.fixture
def ibackup(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line."""

    def call(*args: str | Path) -> Ran:
        capfd.readouterr()
        code = run([str(arg) for arg in args])
        return Ran(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two snapshots of Ann's phone, not encrypted, and one of Bob's, encrypted; never to be changed."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("IBACKUP_STATE_DIR", str(folder / "state"))
        for spec, times in ((ANN, 2), (BOB, 1)):
            lab = Lab(folder / "store", stack, VirtualPhone(spec))
            patch.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
            for _ in range(times):
                lab.now(PASSWORD)
                lab.phone.change()
            newest = snapshots(folder / "store", spec)[-1].name
            while (
                record_times.as_id(record_times.now()) <= newest
            ):  # or two phones' snapshots may have the same id
                time.sleep(0.1)
    return folder / "store"


@pytest.fixture
def store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which every command takes."""
    path = tmp_path / "store"
    shutil.copytree(made, path, symlinks=True)
    monkeypatch.setenv("IBACKUP_STORE", str(path))
    return path


@pytest.fixture
def anns(store: Path) -> Path:
    """A store with Ann's phone alone."""
    shutil.rmtree(store / BOB.udid)
    return store


@pytest.fixture
def bobs(store: Path) -> Path:
    """A store with Bob's iPad alone."""
    shutil.rmtree(store / ANN.udid)
    return store


def snapshots(store: Path, spec: PhoneSpec) -> list[Path]:
    """The folders of a phone's snapshots, the oldest first."""
    return [Path(each.path) for each in Store.open(store).phone(spec.udid).snapshots()]


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[VirtualPhone]]]:
    """Plugs virtual phones in, by their specs."""
    with ExitStack() as stack:

        def plug(*specs: PhoneSpec) -> list[VirtualPhone]:
            phones = [VirtualPhone(spec) for spec in specs]
            server = stack.enter_context(serve(*phones))
            monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", server.address)
            return phones

        yield plug


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """A file with Bob's password."""
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path
