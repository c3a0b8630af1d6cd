"""The container as a NAS runs it: built by the Containerfile's own lines in a clean Debian, and started there.

A virtual iPhone stands for the phone. A user of the NAS owns config and store, and is not root.
"""

import contextlib
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.server import serve
from ibackup.simulator.spec import demo_spec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.clean_root import MakeRoot
from support.containerfile import Image, build

pytestmark = [pytest.mark.long, pytest.mark.peer, pytest.mark.slow]
OWNER = 1234
PATIENCE_S = 300.0
PORT = "18443"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def where_packages_come_from(image: Path) -> dict[str, str]:
    """This computer's settings of pip, and the authorities that it trusts."""
    kept = {name: os.environ[name] for name in ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT") if name in os.environ}
    trusted = os.environ.get("PIP_CERT", CERTIFICATES)
    if os.path.exists(trusted):
        (image / "srv/trusted.pem").write_bytes(Path(trusted).read_bytes())
        kept["PIP_CERT"] = "/srv/trusted.pem"
    return kept


@pytest.fixture(scope="module")
def image(root: Path, make_root: MakeRoot) -> Image:
    base = make_root("trixie", "python3", "python3-venv", "ca-certificates", "passwd")
    return build(root, root / "container/Containerfile", base, where_packages_come_from(base.path))


class Container:
    """One that runs; ``lines`` is what it has printed."""

    def __init__(self, image: Image, variables: dict[str, str]) -> None:
        self.image = image
        self.variables = {**image.environment, **variables}
        self.lines: list[str] = []
        self.process = image.debian.start(*image.entrypoint, variables=self.variables)

    def inside(self) -> int:
        """The process id, here, of the container's first process."""
        first = children(self.process.pid)
        while not first:  # it is just being started
            assert self.process.poll() is None, self.process.communicate()[0]
            time.sleep(0.05)
            first = children(self.process.pid)
        return first[0]

    def execute(self, *command: str) -> tuple[int, str]:
        """As ``docker exec``: a program beside the services."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.inside()), "--mount", "--pid", "--root", "--wd=/", *command],
            env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def health(self) -> tuple[int, str]:
        return self.execute(*self.image.health)

    def stop(self) -> float:
        """As ``docker stop``: SIGTERM to the first process. The seconds until all had ended."""
        began = time.monotonic()
        os.kill(self.inside(), 15)
        self.process.wait(PATIENCE_S)
        return time.monotonic() - began


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [int(word) for word in tasks.split()]


def until(what: Callable[[], object], container: Container) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not what():
        assert container.process.poll() is None, container.process.communicate()[0]
        assert time.monotonic() < ends, container.health()
        time.sleep(0.2)


@contextlib.contextmanager
def running(image: Image, **variables: str) -> Iterator[Container]:
    container = Container(image, {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **variables})
    try:
        yield container
    finally:
        container.process.kill()
        container.process.communicate()


def test_a_night_in_the_life_of_a_container(image: Image) -> None:
    debian = image.debian.path
    for name in ("config", "store"):
        (debian / name).chmod(0o700)
    # Who forgot to pass in anything is told, and root is no owner of backups.
    with running(image, PUID="0") as container:
        said, _ = container.process.communicate(timeout=PATIENCE_S)
        assert container.process.returncode == 1
        assert "PUID and PGID" in said

    settings = {"PUID": str(OWNER), "PGID": str(OWNER), "WEB_PORT": PORT, "WEB_NAMES": "localhost"}
    # Stopped in the middle of a backup: in time, and no half snapshot is there.
    phone = VirtualPhone(replace(demo_spec(), scan_s=PATIENCE_S))
    with (
        serve(phone) as server,
        running(image, USBMUXD_SOCKET_ADDRESS=server.address, **settings) as container,
    ):
        until(lambda: list(debian.glob("store/*/working-*/run.json")), container)
        assert container.stop() < 10
    assert not list(debian.glob("store/*/snapshots/*"))

    phone = VirtualPhone(demo_spec())
    with (
        serve(phone) as server,
        running(image, USBMUXD_SOCKET_ADDRESS=server.address, **settings) as container,
    ):
        until(lambda: container.health()[0] == 0, container)
        until(lambda: list(debian.glob("store/*/snapshots/*/SHA256SUMS")), container)
        # All of it belongs to the user of the NAS, and to nobody else.
        for folder, names, files in os.walk(debian / "store"):
            for name in (*names, *files):
                found = os.lstat(os.path.join(folder, name))
                assert (found.st_uid, found.st_gid, found.st_mode & 0o077) == (OWNER, OWNER, 0)
        code, said = container.execute("ibackup", "verify", "--all")
        assert code == 0, said
        until(lambda: answers(debian), container)
        owners = {os.stat(path).st_uid for path in (debian / "config").glob("**/*") if path.is_file()}
        assert owners == {OWNER}

        # A service that is killed comes back, and until then the container is not well.
        died = first_of(container, "open")
        os.kill(died, 9)
        until(lambda: container.health() != (0, ""), container)
        until(lambda: container.health()[0] == 0, container)
        assert first_of(container, "open") != died
        until(lambda: answers(debian), container)
        assert container.stop() < 10
    assert_is_whole(debian)


def test_its_own_usbmuxd_where_usb_is_passed_in(image: Image) -> None:
    (image.debian.path / "dev/bus/usb").mkdir(parents=True, exist_ok=True)
    with running(image, PUID=str(OWNER), PGID=str(OWNER), WEB="off") as container:
        until(lambda: container.health()[0] == 0, container)
        until(lambda: "No " in container.execute("ibackup", "devices")[1], container)
        code, said = container.execute("ls", "/run/ibackup/services")
        assert (code, set(said.split())) == (0, {"usbmuxd", "watch"})
        assert container.stop() < 10


def answers(debian: Path) -> bool:
    """Whether the page is there, encrypted as the container's own certificate says, and asks for the web password."""
    trusted = ssl.create_default_context(cafile=str(debian / "config/tls/made.pem"))
    try:
        with urllib.request.urlopen(f"https://localhost:{PORT}/", context=trusted, timeout=30) as answer:
            return b'type="password"' in answer.read()
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ConnectionError):
            raise
        return False


def first_of(container: Container, service: str) -> int:
    """The process id, here, of a service."""
    code, said = container.execute("s6-svstat", "-o", "pid", f"/run/ibackup/services/{service}")
    assert code == 0, said
    for each in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            ids = next(line for line in each.read_text().splitlines() if line.startswith("NSpid:")).split()[
                1:
            ]
            if (
                len(ids) > 1
                and ids[-1] == said.strip()
                and os.readlink(each.parent / "ns/pid") == os.readlink(f"/proc/{container.inside()}/ns/pid")
            ):
                return int(each.parent.name)
    raise AssertionError(f"{service} has no process")


def assert_is_whole(debian: Path) -> None:
    """Nothing half has a snapshot's name."""
    for each in debian.glob("store/*/snapshots/*"):
        assert (each / "snapshot.json").is_file()
        subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=each, check=True)
