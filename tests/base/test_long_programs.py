"""Programs that work for long: all of their output, a limit of silence, and a polite stop."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError
from ibackup.base.json_output import JsonArray, JsonLines, Object, OutputTooLong
from ibackup.base.long_programs import ProgramMissing, follow, secret_file

HUGE_S = 500.0


def python(script: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-c", script], {**os.environ, **environment}


def run(script: str, silence_s: float = HUGE_S) -> tuple[int, bytes, tuple[str, ...], bool]:
    command, environment = python(script)
    out = bytearray()
    end = follow(command, environment=environment, silence_s=silence_s, take=out.extend)
    return end.code, bytes(out), end.said, end.silent


def test_all_output_comes_however_much_there_is_of_both() -> None:
    script = """
import sys
for number in range(2000):
    sys.stdout.write("o" * 1000)
    sys.stderr.write("e" * 1000 + chr(10))
sys.exit(3)
"""
    code, out, said, silent = run(script)
    assert (code, len(out), silent) == (3, 2_000_000, False)
    assert set(said) == {"e" * 1000}
    assert len(said) == 200


def test_the_last_line_needs_no_line_feed_and_a_long_one_is_cut() -> None:
    script = "import sys; sys.stderr.write('x' * 100_000 + chr(10)); sys.stderr.write('last \\xff')"
    _, _, said, _ = run(script)
    assert said[-1].startswith("last ")
    assert max(map(len, said)) <= 2000


def test_silence_ends_a_program() -> None:
    script = "import signal, time; print('here', flush=True); time.sleep(5000)"
    code, out, _, silent = run(script, silence_s=3.0)
    assert (out, silent) == (b"here\n", True)
    assert code != 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_error_while_its_output_is_taken_stops_it_with_sigint_and_lets_it_clean_up(tmp_path: Path) -> None:
    mark = tmp_path / "cleaned"
    script = """
import os, signal, sys, time
def stop(*_):
    print("x" * 500_000, flush=True)
    open(os.environ["MARK"], "w").close()
    sys.exit(130)
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
time.sleep(5000)
"""
    command, environment = python(script, MARK=str(mark))

    def take(_piece: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(command, environment=environment, silence_s=HUGE_S, take=take)
    assert mark.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_program_that_does_not_stop_is_killed_with_what_it_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ibackup.base.long_programs._END_S", 2.0)
    script = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5000)"])
print(child.pid, flush=True)
child.wait()
"""
    command, environment = python(script)
    pids: list[int] = []

    def take(piece: bytes) -> None:
        pids.append(int(piece))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(command, environment=environment, silence_s=HUGE_S, take=take)
    waited = threading.Event()
    while _runs(pids[0]) and not waited.wait(0.1):
        pass


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing):
        follow(["/nonexistent/program"], environment={}, silence_s=1)
    with pytest.raises(IbackupError, match="folder"):
        follow([sys.executable], environment={}, silence_s=1, folder=str(tmp_path / "none"))
    unusable = tmp_path / "text"
    unusable.write_text("text")
    unusable.chmod(0o600)
    with pytest.raises(IbackupError):
        follow([str(unusable)], environment={}, silence_s=1)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_a_secret_is_in_a_file_that_can_be_read_twice_and_ends_with_its_use() -> None:
    with secret_file("Geheimnis\n") as path:
        script = "import sys; print(*(open(sys.argv[1]).read() for _ in '12'), end='')"
        out = bytearray()
        command, environment = python(script)
        follow([*command, path], environment=environment, silence_s=HUGE_S, take=out.extend)
        assert bytes(out) == b"Geheimnis\n Geheimnis\n"
        assert os.stat(path).st_mode & 0o077 == 0 or path.startswith("/proc/")
    assert not os.path.exists(path)


# -- the JSON that programs print ---------------------------------------------------------------------------


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_heard_however_they_are_cut(size: int) -> None:
    heard: list[Object] = []
    lines = JsonLines(heard.append)
    for piece in pieces('{"a": "é"}\nplain\n[1]\n\n{"b": 2}'.encode(), size):
        lines(piece)
    lines.close()
    assert heard == [{"a": "é"}, {"b": 2}]
    assert lines.text == ["plain", "[1]"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_array_is_heard_object_by_object(size: int) -> None:
    heard: list[Object] = []
    array = JsonArray(heard.append)
    for piece in pieces('[{"a": "}{", "é": []},\n{"c": {"d": [{}]}}]\n'.encode(), size):
        array(piece)
    assert heard == [{"a": "}{", "é": []}, {"c": {"d": [{}]}}]


@pytest.mark.parametrize("reader", [JsonLines, JsonArray])
def test_an_object_without_end_takes_no_memory_without_end(
    reader: type[JsonLines] | type[JsonArray],
) -> None:
    take = reader(lambda _: None)

    def print_on() -> None:
        for _ in range(100):
            take(b'{"a": "' + b"x" * 100_000)

    with pytest.raises(OutputTooLong):
        print_on()


def test_interrupt_is_the_signal_of_ctrl_c() -> None:
    from ibackup.base import long_programs

    expected = signal.SIGINT if os.name == "posix" else signal.CTRL_BREAK_EVENT  # type: ignore[attr-defined]
    assert expected == long_programs._INTERRUPT


def test_a_program_that_says_it_cannot_succeed_is_stopped_though_it_would_try_on() -> None:
    script = "import sys, time; print('507: full', file=sys.stderr, flush=True); time.sleep(5000)"
    command, environment = python(script)
    end = follow(command, environment=environment, silence_s=HUGE_S, hopeless=lambda line: "507" in line)
    assert (end.said[0], end.silent) == ("507: full", False)
    assert end.code != 0
