"""Copies on restic's own server, which takes but gives nothing up: with an old restic and a newer one."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from copies.conftest import PASSWORD
from ibackup.base.errors import IbackupError, NoRoom
from ibackup.base.events import Event, PhaseStarted, ignore
from ibackup.config.copy_config import CopyConfig
from ibackup.copies import restic_engine
from ibackup.copies.copy_errors import CopyLocked, CopyMissing, CopyPasswordWrong
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_adding import add
from ibackup.jobs.copying.copy_proving import prove_copy
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.store.phone_folder import PhoneFolder
from support.copy_servers import put_first, rest_server

pytestmark = pytest.mark.peer

APPEND_ONLY = "--append-only"


@pytest.fixture
def served(tmp_path: Path, require_tool: Callable[[str], str]) -> Path:
    """What a server serves."""
    require_tool("restic-rest-server")
    return tmp_path / "served"


def added(tmp_path: Path, address: str, name: str = "nas") -> OpenedCopy:
    planned = CopyConfig(name, f"rest:{address}ann", repository_id="")
    done = add(planned, PASSWORD, tmp_path / f"{name}.toml", ignore, adopt=name != "nas")
    return OpenedCopy.open(done.config, PASSWORD)


def locked(repository: Path, program: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A restic of someone else that has the repository alone, and waits for its user."""
    (tmp_path / "key").write_text(PASSWORD)
    process = subprocess.Popen(
        [program, "-r", str(repository), "key", "passwd", "--password-file", str(tmp_path / "key")],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    waits = threading.Event()
    while not any((repository / "locks").iterdir()) and not waits.wait(0.05):
        assert process.poll() is None
    return process


@pytest.mark.parametrize("version", ["restic", "newer-restic"])
def test_a_server_that_only_takes_has_everything_proven_and_its_troubles_are_told_apart(
    folder: PhoneFolder,
    served: Path,
    tmp_path: Path,
    version: str,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_first(require_tool(version), tmp_path / "bin", monkeypatch)
    repository = served / "ann"
    with rest_server(served, APPEND_ONLY) as server:
        copy = added(tmp_path, server.address)
        keeper = locked(repository, version, tmp_path)
        with pytest.raises(CopyLocked):
            copy_snapshots(copy, [folder], ignore)
        keeper.kill()
        keeper.communicate()
        done = copy_snapshots(copy, [folder], ignore)  # the lock that was left is no hindrance
        assert (len(done.copied), done.held, done.damaged) == (2, 2, ())
        assert list((repository / "locks").iterdir()) == []
        # Half a file of a copy that was cut off, or rubbish that someone added, disturbs no proof.
        rubbish = repository / "data" / "00" / ("00" * 32)
        rubbish.parent.mkdir(exist_ok=True)
        rubbish.write_bytes(b"rubbish")
        proved = prove_copy(copy, [folder], ignore, read_all=True)
        assert [proof.good for proof in proved.proofs] == [True] * 4
        with pytest.raises(CopyPasswordWrong):
            OpenedCopy.open(copy.config, "wrong").require()
        with pytest.raises(CopyMissing) as caught:
            copy.engine.require("0" * 64)
        assert caught.value.reason == "other"
        shutil.rmtree(repository)
        with pytest.raises(CopyMissing) as caught:
            copy.require()
        assert caught.value.reason == "missing"
    with pytest.raises(CopyMissing) as caught:
        copy.require()
    assert caught.value.reason == "away"


@pytest.mark.parametrize(
    ("version", "when"),
    [("newer-restic", "Copying"), pytest.param("restic", "Proving", marks=pytest.mark.long)],
)
def test_a_server_that_dies_midway_is_away_and_the_next_run_completes_the_copy(
    folder: PhoneFolder,
    served: Path,
    tmp_path: Path,
    version: str,
    when: str,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_first(require_tool(version), tmp_path / "bin", monkeypatch)
    with rest_server(served, APPEND_ONLY) as server:
        copy = added(tmp_path, server.address)

        def dies(event: Event) -> None:
            if isinstance(event, PhaseStarted) and event.text.startswith(when):
                server.kill()
                monkeypatch.setattr(restic_engine, "PATIENT_S", 2.0)

        with pytest.raises(CopyMissing) as caught:
            copy_snapshots(copy, [folder], dies)
        assert caught.value.reason == "away"
    monkeypatch.undo()
    put_first(require_tool(version), tmp_path / "bin2", monkeypatch)
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    with rest_server(served, APPEND_ONLY, port=server.port):
        done = copy_snapshots(copy, [folder], ignore)
        assert (done.held, done.damaged) == (2, ())


IN_A_NAMESPACE = 'mount --make-rprivate / && mount -t tmpfs -o size=2m tmpfs "$1" && shift && exec "$@"'


def test_a_full_server_is_said_and_the_repository_stays_sound(
    folder: PhoneFolder,
    served: Path,
    tmp_path: Path,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_first(require_tool("newer-restic"), tmp_path / "bin", monkeypatch)
    served.mkdir()
    small = ["unshare", "--mount", "sh", "-c", IN_A_NAMESPACE, "sh", str(served)]
    if not sys.platform.startswith("linux") or subprocess.run([*small, "true"], check=False).returncode:
        pytest.skip("only root on Linux mounts a small disk")
    with rest_server(served, before=small) as server:
        copy = added(tmp_path, server.address)
        with pytest.raises(NoRoom, match="full"):
            copy_snapshots(copy, [folder], ignore)
        assert copy.engine.held() == []
        assert copy.engine.check().problems == ()


def test_two_computers_copy_into_one_repository_at_once(
    folder: PhoneFolder, served: Path, tmp_path: Path
) -> None:
    other = PhoneFolder(str(tmp_path / "other" / folder.udid))
    shutil.copytree(folder.path, other.path)
    with rest_server(served, APPEND_ONLY) as server:
        # By their names, so that neither waits for the other as two runs on one computer do.
        turns = [
            (added(tmp_path, server.address, name), where) for name, where in (("nas", folder), ("pc", other))
        ]
        ends: list[object] = []
        together = threading.Barrier(2)

        def run(copy: OpenedCopy, where: PhoneFolder) -> None:
            together.wait()
            try:
                ends.append(copy_snapshots(copy, [where], ignore).damaged)
            except IbackupError as error:
                ends.append(error)

        threads = [threading.Thread(target=run, args=turn) for turn in turns]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends == [(), ()]
        for copy, where in turns:
            done = copy_snapshots(copy, [where], ignore)
            assert (done.copied, done.held, done.vanished, done.damaged) == ([], 2, [], ())
