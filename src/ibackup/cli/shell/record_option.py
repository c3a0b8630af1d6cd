"""The option ``--record``: a redacted trace of the session with the phone."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ibackup.base.events import Caution, Note
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import wrap

if TYPE_CHECKING:
    from ibackup.cli.shell.application import App


def recordable(function: Callable[..., int]) -> Callable[..., int]:
    """Add ``--record`` to a command that talks to a phone. Put it above the options that it should precede."""

    @functools.wraps(function)
    def body(app: "App", *args: Any, record: str | None, **kwargs: Any) -> int:
        if record is None:
            return function(app, *args, **kwargs)
        from ibackup.trace.tapping import recording
        from ibackup.trace.trace_recorder import Recorder

        with Recorder(record, app.command, lambda text: _warn(app, text)) as recorder, recording(recorder):
            app.reporter(
                Note(wrap(f"Writing a trace to {record}. It contains no names, no content and no password."))
            )
            recorder.exit_code = function(app, *args, **kwargs)
            return recorder.exit_code

    # functools.wraps shares ``__click_params__``, which holds the parameters below this decorator.
    return click.option(
        "--record",
        metavar="FILE",
        help="Write a redacted trace of the session with the phone to FILE",
        shell_complete=files,
    )(body)


def _warn(app: "App", text: str) -> None:
    app.reporter(Caution(text, "The work with the phone continues; the trace is complete up to this point."))
