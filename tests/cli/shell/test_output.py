"""Text for people: widths, units, what stays whole, colours; and the last line of a terminal, drawn on paper."""

import io
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.screen import Screen
from ibackup.base import pace
from ibackup.base.events import Caution, Event, Note, PhaseStarted, Progress, Prompt, PromptDone, Silent
from ibackup.cli.shell import output, progress_line


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert output.duration_text(seconds) == text


def test_times_are_utc_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    moment = datetime(2026, 11, 22, 2, 0, 4, tzinfo=UTC)
    assert output.rfc3339(moment) == "2026-11-22T02:00:04Z"
    assert output.time_text(moment) == "2026-11-21 21:00"
    monkeypatch.undo()
    time.tzset()


def test_lines_end_at_the_width_but_not_in_paths_and_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "Run `ibackup verify --level deep latest --password-file x` or look at '/Volumes/My Disk/a backup', please."
    lines = output.wrap(text).split("\n")
    assert "`ibackup verify --level deep latest --password-file x`" in lines
    assert any("'/Volumes/My Disk/a backup'," in line for line in lines)
    assert output.wrap(f"in {output.whole('/a b/c d')}.", "  ") == "  in /a b/c d."
    assert output.wrap("the phone's word/list isn't here " * 3).count("\n") == 2
    assert output.wrap("one two " * 10, "  ", "      ").splitlines()[1].startswith("      two")
    assert output.wrap("a\nb") == "a\nb"


def test_a_narrow_terminal_is_respected_and_a_wide_one_not_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, expected in (("30", 30), ("200", 80), ("5", 20)):
        monkeypatch.setenv("COLUMNS", columns)
        assert output.width() == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada’s 📱", "Ada’s 📱"),  # noqa: RUF001 - as phones spell it
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("a\rb\nc\x07", r"a\rb\nc\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp", r"\u202egnp"),
        ("caf\xe9\xa0x", "café x"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\udcff", r"\udcff"),
        ("\u2028", r"\u2028"),
    ],
)
def test_text_from_elsewhere_does_not_steer_the_terminal(text: str, shown: str) -> None:
    assert output.printable(text) == shown


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_colours_are_left_out_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert output.styled("x", fg="red", bold=True) == "\x1b[31m\x1b[1mx\x1b[0m"
    monkeypatch.setenv(variable, {"NO_COLOR": "1", "TERM": "dumb"}[variable])
    assert output.styled("x", fg="red", bold=True) == "x"


# -- the last line ------------------------------------------------------------------------------------------


class Paper(io.StringIO):
    """Standard error as a terminal of 80 columns that keeps what it is told."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Paper:
    monkeypatch.setattr(progress_line, "columns", lambda _stream: 80)
    return Paper()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as the test sets it."""
    now = [1000.0]
    monkeypatch.setattr(progress_line, "monotonic", lambda: now[0])
    monkeypatch.setattr(pace, "monotonic", lambda: now[0])
    return now


def reporter(paper: Paper, *events: Event) -> progress_line.TerminalReporter:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", paper)
        made = progress_line.TerminalReporter(lambda _event: None)
    for event in events:
        tell(paper, made, event)
    return made


def tell(paper: Paper, made: progress_line.TerminalReporter, event: Event) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", paper)
        made(event)


def shown(paper: Paper) -> list[str]:
    return Screen(80).feed(paper.getvalue()).lines()


SCAN = PhaseStarted("scan", "The iPhone looks through its files.")


def test_a_silent_phase_shows_its_time(paper: Paper, clock: list[float]) -> None:
    made = reporter(paper, SCAN, Progress("scan"))
    assert shown(paper) == ["The iPhone looks through its files."]
    clock[0] += 62
    tell(paper, made, Progress("scan", percent=0.0))
    made._line._draw()
    assert shown(paper) == [
        "The iPhone looks through its files.",
        "  Preparing: 1:02; normal, can take 20 minutes",
    ]
    tell(paper, made, PhaseStarted("receive", "Receiving files."))
    assert shown(paper) == ["The iPhone looks through its files.", "Receiving files."]
    made.close()


def test_the_clock_ticks_by_itself(paper: Paper) -> None:
    made = reporter(paper, SCAN)
    while "0:0" not in paper.getvalue():
        time.sleep(0.05)
    made.close()
    assert "Preparing: 0:0" in paper.getvalue()
    assert shown(paper) == ["The iPhone looks through its files."]
    assert "last-line" not in [thread.name for thread in threading.enumerate()]


def test_a_prompt_stands_out_and_is_waited_for(paper: Paper, clock: list[float]) -> None:
    made = reporter(
        paper, SCAN, PhaseStarted("passcode", ""), Prompt("passcode", "Enter the passcode on the iPhone.")
    )
    assert "\x1b[1mEnter the passcode on the iPhone.\x1b[0m" in paper.getvalue()
    clock[0] += 7
    made._line._draw()
    assert shown(paper)[-1] == "  Waiting for the passcode: 0:07"
    tell(paper, made, PromptDone("passcode"))
    tell(paper, made, SCAN)
    clock[0] += 5
    made._line._draw()
    # The phase is not reported a second time; its clock continues.
    assert shown(paper) == [
        "The iPhone looks through its files.",
        "Enter the passcode on the iPhone.",
        "  Preparing: 0:05; normal, can take 20 minutes",
    ]
    made.close()


def test_waiting_for_someone_names_the_limit(paper: Paper, clock: list[float]) -> None:
    made = reporter(paper, PhaseStarted("find", "Looking."), Prompt("trust", "Tap Trust.", 300))
    clock[0] += 90
    made._line._draw()
    assert shown(paper)[-1] == "  Waiting for you: 1:30 of 5:00"
    made.close()


def test_the_bar_has_bytes_files_rate_and_time_left(paper: Paper, clock: list[float]) -> None:
    made = reporter(paper, PhaseStarted("receive", "Receiving files."))
    for second in range(11):
        tell(
            paper,
            made,
            Progress("receive", percent=2.0 * second, bytes=31_000_000 * second, files=100 * second),
        )
        clock[0] += 1
    made._line._draw()
    line = shown(paper)[-1]
    assert line.startswith(" 20% |")
    # 279 MB came in the last 10 s; 20 % took 11 s until now, so 80 % take 44.
    assert line.endswith("| 310 MB, 1,000 files, 27.9 MB/s, 44 s left")
    assert len(line) <= 79
    # The phone stalls: the rate goes down although nothing more is told.
    clock[0] += 20
    made._line._draw()
    assert "0 bytes/s" in shown(paper)[-1]
    tell(paper, made, Note("Something."))
    assert [line[:10] for line in shown(paper)] == ["Receiving ", "Something.", " 20% |████"]
    made.close()
    assert shown(paper) == ["Receiving files.", "Something."]


def test_a_bar_that_continues_from_far_does_not_promise_too_much(paper: Paper, clock: list[float]) -> None:
    made = reporter(paper, PhaseStarted("receive", "Receiving files."))
    tell(paper, made, Progress("receive", percent=80.0))
    clock[0] += 10
    tell(paper, made, Progress("receive", percent=81.0, bytes=10, files=1))
    made._line._draw()
    assert shown(paper)[-1].endswith("3 min left")
    made.close()


@pytest.mark.parametrize(("percent", "total"), [(None, None), (None, 0), (150.0, None), (-3.0, 10)])
def test_whatever_a_phone_says_of_its_progress(
    paper: Paper, clock: list[float], percent: float | None, total: int | None
) -> None:
    made = reporter(paper, PhaseStarted("receive", "Receiving files."))
    for _ in range(20):
        clock[0] += 1
        tell(paper, made, Progress("receive", percent, bytes=5, total_bytes=total, files=1))
    assert "5 bytes, 1 file" in shown(paper)[-1]
    assert len(shown(paper)) == 2
    made.close()


def test_a_narrow_terminal_never_wraps_its_last_line(
    paper: Paper, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in (10, 25, 60):
        monkeypatch.setattr(progress_line, "columns", lambda _stream, columns=columns: columns)
        made = reporter(paper, PhaseStarted("receive", ""))
        for second in range(6):
            tell(paper, made, Progress("receive", percent=7.0 * second, bytes=10**9 * second, files=12345))
            clock[0] += 1
        made._line._draw()
        assert len(Screen(1000).feed(paper.getvalue()).lines()[-1]) < columns
        made.close()


def test_an_ascii_terminal_gets_an_ascii_bar(
    paper: Paper, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Paper, "encoding", "ascii")
    made = reporter(paper, PhaseStarted("verify", ""), Progress("verify", 50.0, 5, 10, 1))
    assert shown(paper)[-1].isascii()
    made.close()


def test_warnings_stand_above_and_quietly_redraw(paper: Paper, clock: list[float]) -> None:
    made = reporter(paper, PhaseStarted("verify", "Reading."), Progress("verify", 50.0, 5, 10, 1))
    tell(paper, made, Caution("The disk is slow.", "Wait."))
    lines = shown(paper)
    assert lines[:2] == ["Reading.", "Warning: The disk is slow. Wait."]
    assert lines[2].startswith(" 50% |")
    written = paper.getvalue()
    made._line._draw()
    made._line._draw()
    assert paper.getvalue() == written  # nothing new to show: nothing flickers
    made.close()


def test_a_log_file_gets_no_moving_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from ibackup.cli.shell.event_reporters import LineReporter

    made = LineReporter(lambda _event: None)
    for event in (SCAN, Progress("scan", 1.0), Prompt("passcode", "Enter it."), PromptDone("passcode"), SCAN):
        made(event)
    assert capsys.readouterr().err == "The iPhone looks through its files.\nEnter it.\n"


def test_progress_comes_at_most_twice_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ibackup.base import event_lines
    from ibackup.cli.shell import event_reporters

    now = [0.0]
    monkeypatch.setattr(event_lines, "monotonic", lambda: now[0])
    made = event_reporters.JsonReporter(lambda _event: None)
    for step in range(100):  # ten seconds, with a new phase every second
        if step % 10 == 0:
            made(PhaseStarted("receive", "Receiving files."))
        made(Progress("receive", float(step)))
        now[0] += 0.1
    assert capsys.readouterr().out.count('"progress"') <= 20


def test_json_steers_no_terminal(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    name = "Ann\x9b31m \u202eoiram\u2028 é 👩\u200d💻 \udcff\x07"
    output.print_json({"name": name})
    line = capsysbinary.readouterr().out.decode().removesuffix("\n")
    assert line.isprintable()
    assert "é" in line
    assert json.loads(line) == {"name": name}


SILENT = Silent("receive", 180.0, 1800.0, "The iPhone has been silent for 3 minutes. That is normal.")


def test_a_phone_that_falls_silent_while_it_sends(paper: Paper, clock: list[float]) -> None:
    """The word on it stays in the last line until something moves, and keeps counting."""
    moved = Progress("receive", 40.0, bytes=1000)
    made = reporter(paper, PhaseStarted("receive", "Receiving files."), moved, SILENT)
    clock[0] += 5
    tell(paper, made, moved)
    made._line._draw()
    assert shown(paper) == ["Receiving files.", "  Silent for 3:05; that is normal"]
    clock[0] += 5
    tell(paper, made, replace(moved, bytes=2000))
    assert shown(paper)[1].startswith(" 40% |")
    made.close()


def test_a_phone_that_falls_silent_is_reported_in_lines_and_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ibackup.cli.shell.event_reporters import JsonReporter, LineReporter

    for quiet in (False, True):
        LineReporter(lambda _event: None, quiet=quiet)(SILENT)
    assert capsys.readouterr().err == f"{SILENT.text}\n"
    JsonReporter(lambda _event: None)(SILENT)
    assert json.loads(capsys.readouterr().out) == {
        "event": "silent",
        "phase": "receive",
        "seconds": 180,
        "limit_seconds": 1800,
        "message": SILENT.text,
    }
