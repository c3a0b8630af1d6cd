"""A store with two snapshots of a small phone that has empty, small and cut files, and a real restic repository."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_program import ResticProgram
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.phone_folder import PhoneFolder
from support.runs import Lab

SPEC = PhoneSpec(
    seed=7,
    domains=(
        # restic cuts at 8 MiB at the latest.
        DomainSpec(name="CameraRollDomain", count=1, min_size=9_000_000, max_size=9_500_000),
        DomainSpec(name="HomeDomain", count=8, min_size=0, max_size=4096),
    ),
)
PASSWORD = "Feldhase 12 Bergahorn"


@pytest.fixture(scope="session")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> PhoneFolder:
    """The phone's folder, with two snapshots; never to be changed."""
    folder = tmp_path_factory.mktemp("copied")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("IBACKUP_STATE_DIR", str(folder / "state"))
        lab = Lab(folder / "store", stack, VirtualPhone(SPEC))
        patch.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
        lab.now()
        lab.phone.change(changed=2)
        lab.now()
        return lab.folder


@dataclass(frozen=True)
class Kept:
    """A repository, and the folder that it is in."""

    engine: ResticEngine
    path: Path


@pytest.fixture
def repository(tmp_path: Path, require_tool: Callable[[str], str]) -> Kept:
    """An empty repository of the real restic."""
    require_tool("restic")
    path = tmp_path / "disk" / "copy"
    path.parent.mkdir()
    engine = ResticEngine(
        ResticProgram("usb", CopyAddress.parse(str(path)), PASSWORD, cache=str(tmp_path / "cache"))
    )
    engine.create()
    return Kept(engine, path)
