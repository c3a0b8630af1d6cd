"""What a computer lacks is found, and the command against it is that of its own system."""

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from ibackup.jobs.readiness import ready_linux, ready_mac, ready_windows
from ibackup.jobs.readiness.check_result import ComputerCheck, is_ready
from ibackup.jobs.readiness.computer_checks import check_all
from ibackup.jobs.schedule.cron import Cron
from ibackup.jobs.schedule.systemd import Systemd


def by_name(checks: Iterable[ComputerCheck]) -> dict[str, ComputerCheck]:
    return {check.name: check for check in checks}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("IBACKUP_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("USBMUXD_SOCKET_ADDRESS", raising=False)
    return tmp_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system's files, with nothing in them."""
    made = tmp_path / "root"
    (made / "etc").mkdir(parents=True)
    return made


# -- Linux --------------------------------------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="looks at a POSIX system")


@posix
@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("ID=debian\n", "sudo apt install usbmuxd"),
        ("ID=raspbian\nID_LIKE=debian\n", "sudo apt install usbmuxd"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "sudo apt install usbmuxd"),
        ("ID=fedora\n", "sudo dnf install usbmuxd"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install usbmuxd"),
        ("ID=arch\n", "sudo pacman -S --needed usbmuxd"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "sudo zypper install usbmuxd"),
        ("ID=what\n", "sudo apt install usbmuxd"),
    ],
)
def test_usbmuxd_and_its_rule_are_missing(root: Path, release: str, command: str) -> None:
    (root / "etc/os-release").write_text(release, encoding="utf-8")
    found = by_name(ready_linux.before(root))
    assert (found["usbmuxd program"].state, found["udev rule"].state) == ("missing", "missing")
    assert found["usbmuxd program"].commands == (command,)
    assert found["udev rule"].commands == (command, "sudo udevadm control --reload")
    assert not is_ready(found.values())


@posix
@pytest.mark.parametrize("folder", ["usr/lib/udev/rules.d", "etc/udev/rules.d"])
def test_usbmuxd_and_its_rule_are_there(root: Path, folder: str) -> None:
    (root / folder).mkdir(parents=True)
    (root / folder / "39-usbmuxd.rules").write_text("", encoding="utf-8")
    (root / "usr/sbin").mkdir(parents=True)
    program = root / "usr/sbin/usbmuxd"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    found = by_name(ready_linux.before(root))
    assert (found["usbmuxd program"].state, found["udev rule"].state) == ("good", "good")
    assert "39-usbmuxd.rules" in found["udev rule"].text


@posix
def test_the_group_of_the_socket(home: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import grp

    # The user who runs the tests may be root, who may do everything.
    monkeypatch.setattr("ibackup.jobs.readiness.ready_linux.os.access", lambda _path, _mode: False)
    path = short_folder / "mux"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(path))
        os.chmod(path, 0o060)
        check = by_name(ready_linux.before(home))["group"]
        assert check.state == "missing"
        group = grp.getgrgid(os.getgid()).gr_name
        assert check.commands[0].startswith(f"sudo usermod --append --groups {group} ")
        os.chmod(path, 0)
        assert by_name(ready_linux.before(home))["group"].commands == (f"sudo chmod 666 {path}",)


@posix
def test_what_starts_the_nights(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Systemd, "missing", lambda _self: "no systemd")
    monkeypatch.setattr(Cron, "missing", lambda _self: "no cron")
    (root / "etc/os-release").write_text("ID=fedora\n", encoding="utf-8")
    neither = by_name(ready_linux.after(root))["scheduler"]
    assert (neither.state, neither.commands) == ("missing", ("sudo dnf install cronie",))
    monkeypatch.setattr(Cron, "missing", lambda _self: "")
    stopped = by_name(ready_linux.after(root))["cron"]
    assert (stopped.state, stopped.commands) == ("missing", ("sudo service cron start",))
    (root / "run").mkdir()
    (root / "proc/4711").mkdir(parents=True)
    (root / "run/crond.pid").write_text("4711\n", encoding="ascii")
    assert by_name(ready_linux.after(root))["cron"].state == "good"
    monkeypatch.setattr(Systemd, "missing", lambda _self: "")
    monkeypatch.setattr("ibackup.jobs.readiness.ready_linux.is_lingering", lambda: False)
    assert by_name(ready_linux.after(root))["lingering"].commands == ("loginctl enable-linger",)
    monkeypatch.setattr("ibackup.jobs.readiness.ready_linux.is_lingering", lambda: True)
    assert by_name(ready_linux.after(root))["lingering"].state == "good"


@posix
def test_in_our_container_watch_is_kept_running_and_no_scheduler_is_missing(
    home: Path, root: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    start = (pytestconfig.rootpath / "container" / "start").read_text(encoding="utf-8")
    assert "services=/run/ibackup/services\n" in start
    assert "\nadd watch\n" in start
    assert ready_linux.watch_of_container(root) is None
    service = root / "run/ibackup/services/watch"
    service.mkdir(parents=True)
    monkeypatch.setattr(Systemd, "missing", lambda _self: "no systemd")
    monkeypatch.setattr(Cron, "missing", lambda _self: "no cron")
    assert list(ready_linux.after(root)) == []
    asked = ready_linux.watch_of_container
    monkeypatch.setattr(ready_linux, "watch_of_container", lambda _root=root: asked(root))
    assert by_name(check_all(home / "store", "linux"))["schedule"].state == "good"
    (service / "waiting").touch()
    assert by_name(check_all(home / "store", "linux"))["schedule"].state == "missing"


# -- the others ---------------------------------------------------------------------------------------------


def test_full_disk_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_name(ready_mac.after(str(tmp_path)))["Full Disk Access"].state == "good"

    def refused(_path: str) -> list[str]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("ibackup.jobs.readiness.ready_mac.os.listdir", refused)
    check = by_name(ready_mac.after(str(tmp_path)))["Full Disk Access"]
    assert check.state == "advice"
    assert "Privacy_AllFiles" in check.commands[0]


def test_the_rights_of_an_agent() -> None:
    assert list(ready_mac.agent(Path("/Users/Shared/ibackup"))) == []
    (check,) = ready_mac.agent(Path("/Volumes/Backups/ibackup"))
    assert check.state == "advice"
    assert "Local Network" in check.text
    assert "kickstart" in check.commands[0]


def test_apple_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "127.0.0.1:1")  # nothing listens there
    monkeypatch.setattr("ibackup.jobs.readiness.computer_checks.find_schedule", lambda *_: None)
    found = by_name(check_all(tmp_path / "store", "win32"))
    assert found["usbmuxd"].state == "missing"
    assert found["usbmuxd"].commands == ready_windows.NO_USBMUXD.commands
    assert any("Apple Devices" in command for command in found["usbmuxd"].commands)
    assert list(by_name(check_all(tmp_path / "store", "darwin"))) == [
        "usbmuxd",
        "Full Disk Access",
        "schedule",
        "store",
    ]


def test_a_store_that_is_not_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ibackup.store.store import Store

    monkeypatch.setattr("ibackup.jobs.readiness.computer_checks.find_schedule", lambda *_: None)
    path = tmp_path / "store"
    assert by_name(check_all(path, "darwin"))["store"].text.startswith("The first backup creates")
    Store.open(path)
    assert by_name(check_all(path, "darwin"))["store"].state == "good"
    os.unlink(path / "store.json")
    gone = by_name(check_all(path, "darwin"))["store"]
    assert gone.state == "missing"
    assert "not mounted" in gone.text
    (path / "store.json").write_text('{"schema": 99, "id": "x"}')
    newer = by_name(check_all(path, "darwin"))["store"]
    assert newer.state == "missing"
    assert "newer ibackup" in newer.text


@posix
def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ibackup.store.store import Store

    path = tmp_path / "store"
    Store.open(path)
    path.chmod(0o500)
    if os.geteuid() == 0:  # whom no mode stops, but a disk that is mounted read-only
        monkeypatch.setattr("ibackup.jobs.readiness.computer_checks.os.access", lambda *_: False)
    found = by_name(check_all(path, "darwin"))["store"]
    assert found.state == "missing"
    assert "cannot write to" in found.text
