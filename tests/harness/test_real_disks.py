"""Real disks of each kind that the machine can make: how snapshots share files there is seen, not assumed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Disk:
    """A kind of file system: the program that makes one, what mounts ``$device`` at ``$folder``, and how it shares."""

    kind: str
    make: tuple[str, ...]
    mount: str
    sharing: str


DISKS = [
    Disk("btrfs", ("mkfs.btrfs", "-q"), 'mount -t btrfs "$device" "$folder"', "reflinks"),
    Disk("xfs", ("mkfs.xfs", "-q", "-m", "reflink=1"), 'mount -t xfs "$device" "$folder"', "reflinks"),
    Disk("ext4", ("mkfs.ext4", "-q", "-F"), 'mount -t ext4 "$device" "$folder"', "links"),
    Disk("ntfs", ("mkntfs", "-F", "-Q", "-q"), 'ntfs-3g "$device" "$folder"', "links"),
    # Its names keep their case, and are found in any.
    Disk("exfat", ("mkfs.exfat",), 'mount.exfat-fuse "$device" "$folder"', "copies"),
]
# What root may do beyond what the disk says belongs to capabilities; without them it is a user like any other.
AS_A_USER = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")

# The loop device frees itself when the last user of it goes, with the namespace at the latest.
IN_A_NAMESPACE = """
set -e
image=$1 folder=$2
shift 2
mount --make-rprivate /
device=$(losetup --find --show "$image")
trap 'cd /; umount -l "$folder"; losetup --detach "$device"' EXIT
{mount} >&2
"$@"
"""


def inside(disk: Disk, image: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program that sees an image mounted at a folder."""
    script = IN_A_NAMESPACE.format(mount=disk.mount)
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(image), str(folder), *command],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


@pytest.fixture(scope="module")
def why_not() -> Callable[[str], None]:
    """Skips a test; in CI as root, where all can be had, fails it."""

    def say(reason: str) -> None:
        if os.environ.get("IBACKUP_PEERS_REQUIRED") and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)

    return say


@pytest.mark.parametrize("disk", DISKS, ids=lambda disk: disk.kind)
def test_a_real_disk_as_an_ordinary_user(disk: Disk, tmp_path: Path, why_not: Callable[[str], None]) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("mounts as Linux does")
    if shutil.which(disk.make[0]) is None:
        why_not(f"{disk.make[0]} is not installed")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(320 << 20)
    subprocess.run([*disk.make, str(image)], check=True, capture_output=True)
    trial = inside(disk, image, folder, "true")
    if trial.returncode != 0:
        why_not(f"no disk can be mounted here: {trial.stderr}")
    program = (sys.executable, "-m", "harness.real_disk", str(folder), disk.sharing)
    done = inside(disk, image, folder, *AS_A_USER, *program)
    assert (done.returncode, done.stdout) == (0, "held\n"), done.stdout + done.stderr
