"""Large phones: many files, much data, little memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.spec import DomainSpec
from support.runs import SMALL, Lab, assert_sealed

MakeLab = Callable[..., Lab]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("as_phones_do")]

MOST_MIB = 200
_RUN = """
import json, re, resource, sys
from pathlib import Path
from ibackup.cli.main import run
code = run(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.platform == "linux":
    # ru_maxrss also counts what the process was before it became this program: a copy of the tests' own.
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps({"code": code, "peak_mib": peak / (1024 if sys.platform != "darwin" else 1 << 20)}))
"""


def peak_of(lab: Lab, *arguments: str) -> float:
    """Run ``ibackup now`` in a process of its own; the memory that it took at most, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "now", "--quiet", "--store", str(lab.path), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["code"] == 0, done.stderr
    return float(last["peak_mib"])


@pytest.mark.long
def test_twenty_thousand_files(make_lab: MakeLab) -> None:
    domains = (DomainSpec(name="MediaDomain", count=20_000, max_size=300),)
    lab = make_lab(replace(SMALL, domains=domains, batch_size=128))
    first = peak_of(lab)
    lab.phone.change(changed=5, added=5)
    second = peak_of(lab)
    assert max(first, second) < MOST_MIB
    one, two = lab.snapshots
    assert one.meta.files > 20_000
    assert two.meta.carried_files >= 19_990
    assert_sealed(two.path)


def test_a_large_file(make_lab: MakeLab) -> None:
    size = 3 << 29
    lab = make_lab(replace(SMALL, big_file_size=size, chunk_size=1 << 17))
    assert peak_of(lab) < MOST_MIB
    (snapshot,) = lab.snapshots
    assert snapshot.meta.bytes > size
    assert Path(snapshot.path).is_dir()
