"""A real cron daemon runs ``ibackup nightly --once``, with its own PATH and locale, against a virtual iPhone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.simulator.server import serve
from ibackup.simulator.spec import Passcode, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.store import Store
from jobs.nights.conftest import DOMAINS

# In a mount namespace of its own: neither this computer's own jobs run, nor is its crontab touched.
ALONE = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=1730,gid=crontab cron /var/spool/cron/crontabs
mount -t tmpfs cron /etc/cron.d
mount -t tmpfs cron /run
mount --bind /dev/null /etc/crontab
crontab "$1"
exec cron -f
"""
# Where that is not allowed, the user's crontab is put aside and put back.
AMONG_OTHERS = """
old=$(mktemp)
crontab -l >"$old" 2>/dev/null || rm "$old"
put_back() { kill "$cron"; if [ -f "$old" ]; then crontab "$old"; rm "$old"; else crontab -r; fi; }
crontab "$1"
cron -f & cron=$!
trap put_back EXIT TERM
wait "$cron"
"""


@pytest.fixture
def run_cron(require_tool: Callable[[str], str]) -> Iterator[Callable[[Path], None]]:
    """Gives a function that starts cron with a crontab; it is ended after the test."""
    require_tool("cron")
    if os.geteuid() != 0:
        pytest.skip("only root may start a cron daemon")
    alone = (
        shutil.which("unshare") and not subprocess.run(["unshare", "--mount", "true"], check=False).returncode
    )
    started: list[subprocess.Popen[bytes]] = []

    def run(crontab: Path) -> None:
        if alone:  # there the computer has just started, for cron: nobody has to wait for the next minute
            crontab.write_text(crontab.read_text().replace("* * * * *", "@reboot"))
        script = ["sh", "-c", ALONE if alone else AMONG_OTHERS, "sh", str(crontab)]
        command = ["unshare", "--mount", *script] if alone else script
        started.append(subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE))

    yield run
    for each in started:
        os.kill(each.pid, signal.SIGTERM)
        each.communicate()


@pytest.mark.slow
@pytest.mark.peer
def test_cron_runs_it_in_silence_and_is_told_what_is_wrong(
    run_cron: Callable[[Path], None], tmp_path: Path
) -> None:
    phone = VirtualPhone(
        PhoneSpec(seed=4, name="Zoë ✓", domains=DOMAINS, passcode=Passcode(kind="answered", delay_s=0.4))
    )
    gone = tmp_path / "gone"
    (tmp_path / "state" / "stores.json").parent.mkdir()
    (tmp_path / "state" / "stores.json").write_text(f'{{"schema": 1, "stores": {{"{gone}": ["x"]}}}}\n')
    python = f"{sys.executable} -m ibackup"
    with serve(phone) as server:
        crontab = tmp_path / "crontab"
        crontab.write_text(
            f"""USBMUXD_SOCKET_ADDRESS={server.address}
IBACKUP_STATE_DIR={tmp_path}/state
HOME={tmp_path}/home
D={tmp_path}
* * * * * env >$D/env; {python} nightly --once --store $D/store >$D/out 2>&1; echo $? >$D/rc
* * * * * {python} nightly --once --store $D/gone >$D/out-gone 2>&1; echo $? >$D/rc-gone
"""
        )
        run_cron(crontab)
        results = [tmp_path / "rc", tmp_path / "rc-gone"]
        deadline = time.monotonic() + 500
        while not all(path.exists() and path.read_text() for path in results):
            assert time.monotonic() < deadline, "cron did not run it"
            time.sleep(0.2)
    assert "\nLANG=" not in (tmp_path / "env").read_text()
    assert ((tmp_path / "rc").read_text(), (tmp_path / "out").read_text()) == ("0\n", "")
    snapshots = Store.open(tmp_path / "store").phone(phone.udid).snapshots()
    assert [each.meta.device_name for each in snapshots] == ["Zoë ✓"]
    log = (tmp_path / "state" / "nightly.log").read_text(encoding="utf-8")
    assert "backed up" in log
    assert "Zoë" not in log
    assert (tmp_path / "rc-gone").read_text() == "16\n"
    assert "is not mounted" in (tmp_path / "out-gone").read_text().replace("\n", " ")
    assert not gone.exists()
