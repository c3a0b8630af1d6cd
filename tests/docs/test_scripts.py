"""scripts/test and scripts/demo: plain sh, clear about what is missing, and installing once.

The real installation is what .ci/run does on a fresh machine. Here a stand-in for Python notes what it is asked, so
that the logic around it (when to install, what to say) is tested in an instant and without a network.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX sh")

SHELL_FILES = [
    "scripts/test",
    "scripts/demo",
    "scripts/bench",
    "scripts/packages",
    "scripts/lib/clean-root",
    "scripts/release",
    "install.sh",
    "scripts/lib/venv.sh",
    "scripts/lib/in-venv",
]

STAND_IN = """#!/bin/sh
# A Python that works as far as scripts/lib/venv.sh needs one; each call is noted.
echo "$*" >>"$CALLS"
case "$*" in
    *"import ensurepip, venv"*) exit "${NO_VENV:-0}" ;;
    *"print(sys.version)"*) echo "${VERSION:-3.11.7}" ;;
    --version) echo "Python ${VERSION:-3.11.7}" ;;
    "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && cp "$0" "$4/bin/lint-imports" ;;
    "-m pip install "*--editable*) exit "${PIP_FAILS:-0}" ;;
    "-m mypy") exit "${MYPY_FAILS:-0}" ;;
    "-m pytest"*) echo "7 passed" && exit "${PYTEST_FAILS:-0}" ;;
    "-m ibackup demo"*) exit "${DEMO_FAILS:-0}" ;;
esac
"""


@dataclass
class Checkout:
    """A copy of what the scripts need, with the stand-in as the only Python."""

    root: Path
    calls: Path
    python: Path

    def run(self, script: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("", encoding="utf-8")
        return subprocess.run(
            [self.root / script, *args],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"],
                "CALLS": str(self.calls),
                "PYTHON": str(self.python),
                **environment,
            },
        )

    @property
    def installs(self) -> list[str]:
        return [
            line
            for line in self.calls.read_text(encoding="utf-8").splitlines()
            if line.startswith("-m pip install")
        ]


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Checkout:
    made = tmp_path / "a checkout"
    shutil.copytree(root / "scripts", made / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):  # scripts/lock comes with scripts
        shutil.copy(root / name, made)
    python = tmp_path / "some python"
    python.write_text(STAND_IN, encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return Checkout(made, tmp_path / "calls", python)


@pytest.mark.parametrize("name", SHELL_FILES)
@pytest.mark.parametrize(
    "shell", [each for each in ("sh", "dash", "bash", "ksh", "zsh") if shutil.which(each)]
)
def test_every_shell_can_read_them(root: Path, name: str, shell: str) -> None:
    subprocess.run([shell, "-n", root / name], check=True)


def test_ci_is_bash_that_stops_at_errors(root: Path) -> None:
    text = (root / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    bash = shutil.which("bash")
    if bash:
        subprocess.run([bash, "-n", root / ".ci" / "run"], check=True)


def test_a_python_that_is_too_old_ends_no_listing(root: Path, tmp_path: Path) -> None:
    """pyenv's 3.9.18 comes last by name; where a shell stops at errors, as CI's does, it must not end the script."""
    old = tmp_path / "versions/3.9.18/bin/python"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    (tmp_path / "python3").symlink_to(sys.executable)
    ran = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            'found=$(. scripts/lib/venv.sh; list_pythons); echo "found: $found"',
        ],
        cwd=root,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("found: 3.")


def test_help_needs_nothing(checkout: Checkout) -> None:
    done = checkout.run("scripts/test", "--help")
    assert done.returncode == 0
    assert "--newest" in done.stdout
    assert checkout.calls.read_text(encoding="utf-8") == ""


def test_the_first_run_installs_with_pins_and_the_second_does_not(checkout: Checkout) -> None:
    locked = "--require-hashes --requirement scripts/lock/run.txt --requirement scripts/lock/dev.txt"
    first = checkout.run("scripts/test")
    assert first.returncode == 0, first.stderr
    assert checkout.installs == [
        f"-m pip install --quiet {locked}",
        "-m pip install --quiet --no-deps --build-constraint constraints.txt --editable .",
    ]
    second = checkout.run("scripts/test")
    assert second.returncode == 0
    assert checkout.installs == []
    assert second.stderr == ""


def test_output_ends_with_what_pytest_said(checkout: Checkout) -> None:
    assert checkout.run("scripts/test").stdout.splitlines()[-1] == "7 passed"


def test_the_demo_needs_no_tools_of_the_checks(checkout: Checkout) -> None:
    assert checkout.run("scripts/demo").returncode == 0
    assert not any("dev.txt" in call for call in checkout.installs)
    checkout.run("scripts/test")
    assert any("dev.txt" in call for call in checkout.installs)
    checkout.run("scripts/demo")
    assert checkout.installs == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "scripts/lock/run.txt"])
def test_a_change_of_requirements_installs_again(checkout: Checkout, name: str) -> None:
    checkout.run("scripts/demo")
    with (checkout.root / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    checkout.run("scripts/demo")
    assert checkout.installs


def test_another_python_in_the_environment_installs_again(checkout: Checkout) -> None:
    checkout.run("scripts/demo")
    checkout.run("scripts/demo", VERSION="3.12.1")
    assert checkout.installs


def test_a_checkout_that_moved_makes_its_environment_again(checkout: Checkout) -> None:
    checkout.run("scripts/demo")
    checkout.root = checkout.root.rename(checkout.root.with_name("elsewhere"))
    done = checkout.run("scripts/demo")
    assert done.returncode == 0
    assert "-m venv --clear" in checkout.calls.read_text(encoding="utf-8")
    assert checkout.installs


def test_an_installation_that_failed_is_tried_again(checkout: Checkout) -> None:
    done = checkout.run("scripts/demo", PIP_FAILS="1")
    assert done.returncode == 1
    assert "did not succeed" in done.stderr
    assert checkout.run("scripts/demo").returncode == 0
    assert checkout.installs


def test_newest_has_its_own_environment_without_pins(checkout: Checkout) -> None:
    checkout.run("scripts/test", "--newest")
    assert (checkout.root / ".venv-newest").is_dir()
    assert not (checkout.root / ".venv").exists()
    assert not any("constraints.txt" in call or "lock" in call for call in checkout.installs)
    assert all("--upgrade" in call for call in checkout.installs)


def test_all_checks_run_and_the_first_failure_gives_the_code(checkout: Checkout) -> None:
    done = checkout.run("scripts/test", MYPY_FAILS="3", PYTEST_FAILS="5")
    assert done.returncode == 3
    assert "7 passed" in done.stdout
    assert done.stdout.splitlines()[-1] == "FAILED: mypy, pytest"


def test_words_for_pytest_reach_it_whole(checkout: Checkout) -> None:
    checkout.run("scripts/test", "--quick", "tests/a b", "-x")
    calls = checkout.calls.read_text(encoding="utf-8").splitlines()
    assert (
        "-m pytest -n auto --dist worksteal -m not slow and not peer and not thorough tests/a b -x" in calls
    )


def test_coverage_measures_all_but_slow_and_peer_tests(checkout: Checkout) -> None:
    checkout.run("scripts/test", "--coverage", "tests/a b")
    calls = checkout.calls.read_text(encoding="utf-8").splitlines()
    measured = "--cov --cov-report=term:skip-covered -m not slow and not peer tests/a b"
    assert f"-m pytest -n auto --dist worksteal {measured}" in calls


def test_the_hooks_run_the_checks_with_the_same_tools(root: Path) -> None:
    hooks = (root / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    script = (root / "scripts/test").read_text(encoding="utf-8")
    in_hooks = set(re.findall(r"entry: scripts/lib/in-venv (.+)", hooks))
    in_script = set(
        re.findall(r'^    check "[^"]+" (?:"\$python" (?:-m )?|"\$bin/)([^"$]+)"?$', script, re.MULTILINE)
    )
    # Before a commit, ruff looks at the files of that commit, and formats them instead of only looking.
    changed = {
        "ruff check": "ruff check --force-exclude",
        "ruff format --check": "ruff format --force-exclude",
    }
    scripts = {"scripts/gen-docs --check": "python scripts/gen-docs --check"}
    assert in_hooks == {(changed | scripts).get(each, each) for each in in_script}
    assert "repo: local" in hooks
    assert hooks.count("repo:") == 1


def test_a_hook_without_an_environment_says_what_to_do(checkout: Checkout) -> None:
    done = checkout.run("scripts/lib/in-venv", "ruff", "check")
    assert done.returncode == 1
    assert "Run scripts/test once" in done.stderr


def test_a_hook_hands_its_words_on(checkout: Checkout) -> None:
    checkout.run("scripts/test")
    checkout.run("scripts/lib/in-venv", "python", "-m", "mypy", "a b")
    assert checkout.calls.read_text(encoding="utf-8") == "-m mypy a b\n"


def test_the_demo_that_failed_is_a_failure(checkout: Checkout) -> None:
    assert checkout.run("scripts/demo", DEMO_FAILS="4").returncode == 4


def test_it_works_from_another_folder(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert checkout.run("scripts/demo").returncode == 0
    assert (checkout.root / ".venv").is_dir()


def test_no_python_is_said_plainly(checkout: Checkout) -> None:
    done = checkout.run("scripts/demo", PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_is_said_plainly(checkout: Checkout) -> None:
    done = checkout.run("scripts/test", NO_VENV="1")
    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert not (checkout.root / ".venv").exists()
