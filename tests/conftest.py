"""What holds for all tests: hypothesis, how many run at once, a home of their own, and that CI skips no peer."""

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, so that a failure comes from a change; no time limit for one example, since the
# machines of a CI are as slow as they like. scripts/test --long searches elsewhere and for longer.
settings.register_profile("check", derandomize=True, deadline=None)
settings.register_profile("long", derandomize=False, deadline=None, max_examples=2000)
# No test looks into the keychain of the user who runs it; those that need one bring it.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
# A shell has what it runs in the background ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.load_profile("long" if os.environ.get("IBACKUP_LONG") else "check")

# What scripts/test --quick leaves out, with what is there for the same code.
_THOROUGH = {
    "harness": "searches; what it found is tested in the folder of the code",
    "e2e": "starts the program hundreds of times; tests/cli runs the same commands in one process",
    "simulator": "the stand-in for a phone; all that uses it is tested with it",
    "apple/verify/test_grammar.py": "many impossible rows at every level; test_verify.py shows one of each kind",
    "cli/test_mixed_up.py": "many mixtures by every command; cli/commands has each command",
    "cli/test_standing.py": "many flaws by every command; store has the rule",
    "jobs/restore/test_one_answer.py": "many flaws by every command; test_restoring.py shows the answers",
    "jobs/backup/test_surviving.py": "cuts at many places; test_backing_up.py shows the run itself",
    "jobs/backup/test_hostile_phones.py": "many lies of a phone; device/backup2/test_paths.py has the rule",
    "jobs/backup/test_lying_phones.py": "many lies of a phone; test_backing_up.py shows the check",
    "jobs/backup/test_stalls.py": "waits; device/backup2/test_link.py has the rule",
    "jobs/backup/test_damaged_snapshots.py": "many kinds of damage; apple/verify has them all on one backup",
    "jobs/backup/test_litter.py": "many files of others; apple/test_litter.py has the rule",
    "jobs/backup/test_unread.py": "many runs after one another; test_flawed.py and apple/verify have the rule",
    "jobs/backup/test_refusing_phones.py": "many refusals; device/refusals has the rule",
    "jobs/backup/test_sync_lock.py": "many moments; device/services has the lock itself",
    "jobs/backup/test_faults_that_come_every_time.py": "many runs after one another",
    "jobs/backup/test_left_overs.py": "many kinds of left-overs; store/work has the rule",
    "jobs/backup/test_odd_stores.py": "many kinds of damage; store has the rule",
    "jobs/encryption/test_change.py": "many lies of a phone; cli/commands/test_encryption.py shows the run itself",
    "jobs/keeping": "kills and disks; cli/commands/test_keeping_commands.py shows the runs",
    "jobs/nights/test_night.py": "whole nights; cli/commands/test_nightly.py shows one",
    "cli/commands/test_odd_folders.py": "many mixtures by every command; apple has the rules",
    "cli/shell/test_terminal.py": "a real terminal for each; cli/commands has the same runs",
    "cli/shell/test_completion.py": "real shells",
    "cli/test_asked_once.py": "many commands in a row",
    "docs": "about texts and scripts, which are the same on every Python",
    "test_layout.py": "the same",
    "store/work/test_killed.py": "kills at many calls; store/work tests each step",
    "release": "installs, from a registry",
    "wifi": "networks, and the whole program in them; device/phones and jobs/nights have the rules",
    "view": "a server, and often a browser, for each test; what pages show is tested where it is read",
    "copies": "restic takes half a second to try its password, for each call",
    "jobs/copying": "the same",
    "cli/commands/test_copy.py": "the same",
    "cli/commands/test_copies_at_night.py": "the same",
    "mount/test_mounting.py": "the system's FUSE, and a program for each; mount/test_tree.py has the tree",
    "mount/test_webdav.py": "the same",
    "jobs/home_assistant": "a broker, and a program for each run",
}
# Of the examples of a test in these, each second, third … is for every run; all of them are for scripts/test --long.
_SAMPLED = {
    "harness": 3,
    "e2e/test_bad_input.py": 2,
    "e2e/test_closed_streams.py": 3,
    "e2e/test_few_descriptors.py": 3,
    "e2e/test_impostors.py": 4,
    "e2e/test_interrupted_program.py": 2,
    "e2e/test_other_tools.py": 2,
    "e2e/test_replaying.py": 2,
    "cli/commands/test_odd_folders.py": 3,
    "jobs/backup/test_refusing_phones.py": 2,
    "jobs/encryption/test_change.py": 2,
    "jobs/backup/test_faults_that_come_every_time.py": 3,
    "jobs/backup/test_flawed.py": 2,
    "jobs/backup/test_hostile_phones.py": 2,
    "jobs/backup/test_surviving.py": 3,
    "jobs/restore/test_one_answer.py": 2,
    "simulator": 2,
    "view/running/test_jobs.py": 2,
    "view/test_kind_pages_in_a_browser.py": 2,
}
# Where the virtual iPhone makes only the folders that its files need (support/few_folders.py).
_FEW_FOLDERS = (
    "harness",
    "jobs/backup",
    "jobs/encryption",
    "jobs/keeping",
    "jobs/nights",
    "jobs/restore",
    "view/pages/test_home.py",
    "view/running/test_jobs.py",
)
_QUICK = ("e2e/test_backing_up_program.py",)  # the program as people start it
# Where programs look for a user's files; the last two are how platformdirs is told on Windows.
_OF_A_USER = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
_KEPT = (
    "IBACKUP_LONG",
    "IBACKUP_PEERS_REQUIRED",
    "IBACKUP_SCREENSHOTS",
)  # they are about the tests themselves
_ON_WINDOWS = ("WIN_PD_OVERRIDE_APPDATA", "WIN_PD_OVERRIDE_LOCAL_APPDATA")


def _place(item: pytest.Item | pytest.Module) -> str:
    """The path of its file below tests; empty for a test that runs pytest elsewhere."""
    with suppress(ValueError):
        return item.path.relative_to(Path(__file__).parent).as_posix()
    return ""


def _lies_in(place: str, places: Iterable[str]) -> bool:
    """Whether a path is one of some files, or lies in one of some folders."""
    return any(f"{place}/".startswith(f"{each}/") for each in places)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark whole files and folders as thorough, and leave out what is for scripts/test --long alone."""
    places = {item: _place(item) for item in items}
    for place, each in _SAMPLED.items():
        seen: Counter[str] = Counter()
        for item in items:
            if _lies_in(places[item], (place,)):
                function = item.nodeid.partition("[")[0]
                if seen[function] % each:
                    item.add_marker("long")
                seen[function] += 1
    if not os.environ.get("IBACKUP_LONG"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if not item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        if places[item] not in _QUICK and _lies_in(places[item], _THOROUGH):
            item.add_marker("thorough")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: most tests wait for the disk."""
    return min(os.cpu_count() or 1, 7) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A peer test that is skipped is a failure where the peers have to be there."""
    report = yield
    required = os.environ.get("IBACKUP_PEERS_REQUIRED")
    if required and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("peer"):
        report.outcome = "failed"
        report.longrepr = (
            f"IBACKUP_PEERS_REQUIRED is set, but this peer test was skipped: {report.longreprtext}"
        )
    return report


def _move_in(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Let this process and what it starts find a user's files in a folder, and no settings in the environment."""
    home.mkdir()
    for name in list(os.environ):
        if name.startswith("IBACKUP_") and name not in _KEPT:
            patch.delenv(name)
    for name in (*_OF_A_USER, *_ON_WINDOWS):
        patch.setenv(name, str(home))


@pytest.fixture(scope="session", autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with every test's home, and with the one of what is made once for several tests."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        theirs = Path("~/.gitconfig").expanduser()
        if theirs.exists() and "GIT_CONFIG_GLOBAL" not in os.environ:
            patch.setenv("GIT_CONFIG_GLOBAL", str(theirs))  # git may need it to trust the checkout
        _move_in(patch, folder / "shared")
        yield folder


@pytest.fixture(scope="module", autouse=True)
def quick_phones(request: pytest.FixtureRequest) -> Iterator[None]:
    """Virtual iPhones make few folders in these places, but for the tests that use ``as_phones_do``."""
    if not _lies_in(_place(request.node), _FEW_FOLDERS):
        yield
        return
    from support.few_folders import few_folders

    with few_folders():
        yield


@pytest.fixture
def as_phones_do() -> Iterator[None]:
    """Virtual iPhones make all 512 folders."""
    from support.few_folders import all_folders

    with all_folders():
        yield


_numbers = count()


@pytest.fixture(autouse=True)
def own_home(homes: Path) -> Iterator[None]:
    """No test finds or leaves anything in the home of the user who runs the tests, or in that of another test."""
    home = homes / str(next(_numbers))
    # Not the fixture monkeypatch: a test undoes that as it likes, and hypothesis refuses it.
    with pytest.MonkeyPatch.context() as patch:
        _move_in(patch, home)
        yield
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for a Unix socket: macOS takes 103 bytes of a path, and ``tmp_path`` is longer there."""
    with tempfile.TemporaryDirectory(dir="/tmp" if os.path.isdir("/tmp") else None) as folder:
        yield Path(folder)


@pytest.fixture
def require_tool() -> Iterator[Callable[[str], str]]:
    """Gives the path of a real client; where it is missing the test is skipped, or fails where peers are required."""
    with ExitStack() as stack:

        def find(name: str) -> str:
            path = shutil.which(name)
            if path is not None:
                if "restic" in name:
                    from support.quick_keys import quick_keys

                    stack.enter_context(quick_keys())
                return path
            if os.environ.get("IBACKUP_PEERS_REQUIRED"):
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")

        yield find
