"""Something else on the cable with a phone's UDID, a phone that was erased, and one that forgot this computer."""

import ast
import plistlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import ibackup
from ibackup.device.mux.usbmux import Usbmux, parse_address
from ibackup.simulator import lockdownd, phone_trust
from ibackup.simulator.spec import Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from support.program import MakeProgram, Program
from support.runs import PASSWORD, SMALL, photograph
from support.screens import Terminal

ON_A_TERMINAL = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
KNOWN = replace(SMALL, name="Wim")


@dataclass(frozen=True)
class Scene:
    """A store with a backup, and then something else with that phone's UDID in its place."""

    real: Program
    fake: Program
    secret: str

    @property
    def phone(self) -> VirtualPhone:
        return self.fake.phone

    def assert_nothing_was_given(self, before: Mapping[str, object]) -> None:
        assert self.phone.journal.details("request") == []
        assert photograph(self.fake.store / self.phone.udid / "snapshots") == before
        assert self.phone.spec.backup_password is None
        assert self.phone.restored is None


@pytest.fixture
def scene(request: pytest.FixtureRequest, make_program: MakeProgram, tmp_path: Path) -> Scene:
    """The impostor has a key of its own. What usbmuxd knows of it is the parameter."""
    real = make_program(KNOWN)
    real.now()
    before = real.server.usbmuxd.record(real.phone.udid)
    phone_trust._key.cache_clear()
    phone_trust._certificates.cache_clear()
    trust = Trust() if request.param == "paired by usbmuxd" else Trust(kind="dialog")
    fake = make_program(replace(KNOWN, udid=real.phone.udid, trust=trust))
    if request.param in ("our pairing", "told to forget"):
        assert before is not None
        if request.param == "told to forget":
            before = plistlib.dumps(plistlib.loads(before) | {"HostID": "ANOTHER"})
        Usbmux(parse_address(fake.server.address)).save_pair_record(real.phone.udid, 1, before)
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    return Scene(real, fake, str(secret))


COMMANDS = [
    ("now",),
    ("now", "--all"),
    ("restore", "--yes"),
    ("restore", "--dry-run"),
    ("encryption", "on", "--new-password-file", "SECRET"),
    ("encryption", "off", "--yes", "--password-file", "SECRET"),
    ("encryption", "change", "--password-file", "SECRET", "--new-password-file", "SECRET"),
    ("icloud", "status"),
    ("icloud", "off", "--yes"),
    ("setup", "--yes", "--no-encrypt", "--no-backup"),
]
WAYS = ["paired by usbmuxd", "our pairing", "no pairing", "told to forget"]
in_every_way = pytest.mark.parametrize("scene", WAYS, indirect=True)
when_usbmuxd_paired = pytest.mark.parametrize("scene", WAYS[:1], indirect=True)


@when_usbmuxd_paired
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_takes_something_else_for_the_phone(scene: Scene, words: tuple[str, ...]) -> None:
    before = photograph(scene.fake.store / scene.phone.udid / "snapshots")
    known = [path.read_bytes() for path in scene.fake.folder.rglob("key.json")]
    assert len(known) == 2
    paired = scene.fake.server.usbmuxd.record(scene.phone.udid)
    done = scene.fake.run(*(scene.secret if word == "SECRET" else word for word in words), code=None)
    assert done.code == 11, done
    assert "not the iPhone that was backed up before" in " ".join((done.out + done.err).split())
    assert [path.read_bytes() for path in scene.fake.folder.rglob("key.json")] == known
    assert scene.fake.server.usbmuxd.record(scene.phone.udid) == paired
    scene.assert_nothing_was_given(before)


@in_every_way
def test_it_makes_no_difference_what_usbmuxd_knows(scene: Scene) -> None:
    before = photograph(scene.fake.store / scene.phone.udid / "snapshots")
    paired = scene.fake.server.usbmuxd.record(scene.phone.udid)
    assert "not the iPhone that was backed up before" in " ".join(scene.fake.run("now", code=11).err.split())
    assert scene.fake.server.usbmuxd.record(scene.phone.udid) == paired
    scene.assert_nothing_was_given(before)


@when_usbmuxd_paired
def test_a_night_ends_with_11(scene: Scene) -> None:
    before = photograph(scene.fake.store / scene.phone.udid / "snapshots")
    config = scene.fake.folder / "config.toml"
    config.write_text(
        f'[nightly]\nwindow = "always"\n[[phones]]\nname = "wim"\nudid = "{scene.phone.udid}"\nevery = "0"\n',
        encoding="utf-8",
    )
    done = scene.fake.run("nightly", "--once", "--config", str(config), code=11)
    said = " ".join((done.out + done.err).split())
    assert "not the iPhone that was backed up before" in said
    assert "--new-key" in said
    scene.assert_nothing_was_given(before)


@ON_A_TERMINAL
@pytest.mark.parametrize("scene", ["our pairing"], indirect=True)
@pytest.mark.parametrize("words", [("now",), ("restore", "--yes"), ("icloud", "status")], ids=" ".join)
def test_a_person_may_vouch_for_it(scene: Scene, words: tuple[str, ...]) -> None:
    """An erased phone has another key. Who says so once is not asked again."""
    before = photograph(scene.fake.store / scene.phone.udid / "snapshots")
    terminal = Terminal(scene.fake, *words)
    terminal.answer("Is this your phone", "n")
    terminal.end(11)
    assert "or it was erased and set up again" in " ".join(terminal.shown.split())
    scene.assert_nothing_was_given(before)

    terminal = Terminal(scene.fake, *words)
    terminal.answer("Is this your phone", "y")
    terminal.end(0)
    scene.fake.run(*words, "--patience", "10s")


@in_every_way
@pytest.mark.parametrize("words", [("restore", "--yes")], ids=" ".join)
def test_an_option_vouches_for_it(scene: Scene, words: tuple[str, ...]) -> None:
    scene.fake.run(*words, "--new-key")
    scene.fake.run(*words)


@when_usbmuxd_paired
@pytest.mark.parametrize("words", [("doctor",), ("encryption", "status")], ids=" ".join)
def test_what_only_asks_says_that_it_did_not(scene: Scene, words: tuple[str, ...]) -> None:
    """These have another source, the backup that is here."""
    done = scene.fake.run(*words, code=None)
    assert "not the iPhone that was backed up before" in " ".join((done.out + done.err).split())
    assert scene.phone.journal.details("service") == []


def test_without_tls_nothing_is_believed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where the pairing is too damaged to tell the phone's key: the store has it."""
    program.now()
    requests = program.phone.journal.details("request")
    mux = Usbmux(parse_address(program.server.address))
    whole = plistlib.loads(program.server.usbmuxd.record(program.phone.udid) or b"")
    real = lockdownd._Connection._start_session

    def start_session(self: Any, request: Any) -> dict[str, object]:
        return {**real(self, request), "EnableSessionSSL": False}

    monkeypatch.setattr(lockdownd._Connection, "_start_session", start_session)
    monkeypatch.setattr("ibackup.simulator.stream.Stream.start_tls", lambda *_: None)
    for certificate in (whole["DeviceCertificate"], b"x"):
        mux.save_pair_record(
            program.phone.udid, 1, plistlib.dumps(whole | {"DeviceCertificate": certificate})
        )
        done = program.run("now", code=11)
        assert "not the iPhone that was backed up before" in " ".join(done.err.split())
    assert program.phone.journal.details("request") == requests


def test_a_pairing_is_not_replaced_unasked(program: Program) -> None:
    """The very phone, which was told to forget this computer, or dropped a pairing that was not used for long."""
    program.now()
    paired = program.server.usbmuxd.record(program.phone.udid)
    program.phone.trust.forget_all()
    done = program.run("now", "--patience", "10s", code=11)
    assert "no longer knows this computer" in " ".join(done.err.split())
    assert "--new-key" in done.err
    assert program.server.usbmuxd.record(program.phone.udid) == paired
    program.run("now", "--patience", "10s", "--new-key")
    assert program.server.usbmuxd.record(program.phone.udid) != paired
    program.now()


def test_whatever_opens_a_session_says_by_what_the_phone_is_known() -> None:
    """So that no new command forgets it."""
    package = Path(ibackup.__file__).parent
    forgetting = [
        f"{path.relative_to(package)}:{call.lineno}"
        for path in package.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "open_phone"
        and not any(keyword.arg == "recognition" for keyword in call.keywords)
    ]
    assert forgetting == []
