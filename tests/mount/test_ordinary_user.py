"""A mount of a user who is not root, by the system's own ``fusermount3``: theirs alone, also after a crash."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from explore.taking import files_below
from support.minted import Mint, Spec

# fusermount3 wants a user whom the system knows, and not one of this test's.
USER, ANOTHER = "nobody", "daemon"
SPECS = [Spec("HomeDomain", "Library/mine.txt", b"mine"), Spec("HomeDomain", "Library/other.txt", b"other")]
# In a mount table of its own: the user may not reach the folders of this Python and of this test.
APART = r"""
set -eu
served=$1; shift
mkdir "$served/kept"
number=0
for each; do
    number=$((number + 1))
    mkdir "$served/kept/$number"
    mount --bind "$each" "$served/kept/$number"
done
mount --rbind "$served" /mnt
mount -t tmpfs -o mode=755 tmpfs /root
number=0
for each; do
    number=$((number + 1))
    mkdir -p "$each" 2>/dev/null || true
    mount --bind "/mnt/kept/$number" "$each"
done
as() { user=$1; shift; setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"; }
wait_for() { until "$@" >/dev/null 2>&1; do kill -0 $!; sleep 0.05; done; }
export HOME=/mnt/home PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring COLUMNS=80
as nobody "$PYTHON" -m ibackup mount /mnt/backup --at /mnt/home/phone &
wait_for grep -q ' /mnt/home/phone ' /proc/self/mounts
as nobody cp -r /mnt/home/phone/Files /mnt/home/taken
as nobody stat -c '%U %a' /mnt/home/phone/Files/HomeDomain/Library/mine.txt
for user in daemon root; do
    as "$user" cat /mnt/home/phone/Files/HomeDomain/Library/mine.txt 2>&1 || echo "$user may not"
done
kill -KILL "$(pgrep -u nobody -f 'ibackup mount /mnt/backup')"
wait $! || true
as nobody stat /mnt/home/phone 2>&1 | grep -c 'not connected'
as nobody "$PYTHON" -m ibackup mount /mnt/backup --at /mnt/home/phone &
wait_for as nobody cat /mnt/home/phone/Files/HomeDomain/Library/other.txt  # the system remembers folders
as nobody "$PYTHON" -m ibackup unmount
wait
grep -c ' /mnt/home/phone ' /proc/self/mounts || true
"""


@pytest.mark.peer
@pytest.mark.slow
def test_an_ordinary_user_mounts_for_themselves_alone(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    if sys.platform != "linux" or os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("it takes root to become another user, and FUSE")
    require_tool("fusermount3")
    backup = Mint(tmp_path)(specs=SPECS).folder
    (tmp_path / "home").mkdir()
    backup.rename(tmp_path / "backup")
    tmp_path.chmod(0o755)
    subprocess.run(["chown", "-R", USER, tmp_path / "home", tmp_path / "backup"], check=True)
    here = Path(__file__).resolve().parents[2]
    places = dict.fromkeys(os.path.realpath(each) for each in (sys.base_prefix, sys.prefix, str(here)))
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            APART,
            "sh",
            tmp_path,
            *places,
        ],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "/mnt/home/phone",
        f"{USER} 400",
        *(line for user in (ANOTHER, "root") for line in (f"cat: {DENIED}", f"{user} may not")),
        "1",
        "/mnt/home/phone",
        "Unmounted: /mnt/home/phone",
        "0",
    ]
    assert files_below(tmp_path / "home" / "taken") == {
        f"HomeDomain/{each.path}": each.content for each in SPECS
    }


DENIED = "/mnt/home/phone/Files/HomeDomain/Library/mine.txt: Permission denied"
