"""What holds for all tests: how hypothesis searches, how many run at once, and that CI skips no peer."""

import os
import shutil
from collections.abc import Callable, Generator

import pytest
from hypothesis import settings

# The same examples in every run, so that a failure comes from a change; no time limit for one example, since the
# machines of a CI are as slow as they like. scripts/test --long searches elsewhere and for longer.
settings.register_profile("check", derandomize=True, deadline=None)
settings.register_profile("long", derandomize=False, deadline=None, max_examples=2000)
settings.load_profile("long" if os.environ.get("IBACKUP_LONG") else "check")


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


@pytest.fixture
def require_tool() -> Callable[[str], str]:
    """Gives the path of a real client; where it is missing the test is skipped, and fails in CI."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        message = f"{name} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return find
