"""``ibackup simulator``: run the virtual iPhone, for other programs to talk to."""

import shlex
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.events import Caution, Note
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import printable, wrap
from ibackup.cli.shell.typed_values import SIZE

if TYPE_CHECKING:
    from ibackup.simulator.on_the_air import OnTheAir
    from ibackup.simulator.server import Server
    from ibackup.simulator.virtual_phone import VirtualPhone

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _listening(function: _Command) -> _Command:
    """Where other programs find the phone: ``--socket`` or ``--port``."""
    function = click.option(
        "--port", type=click.IntRange(0, 65535), metavar="N", help="Listen on 127.0.0.1:N [a free one]"
    )(function)
    return click.option(
        "--socket", "socket_path", metavar="PATH", help="Listen on a Unix socket", shell_complete=files
    )(function)


@ibackup_group("simulator")
def command() -> None:
    """Run a virtual iPhone that speaks real usbmuxd, lockdownd and MobileBackup2."""


@ibackup_command("run")
@click.option(
    "--spec",
    metavar="FILE",
    help="TOML file that describes the phone and its contents [a demo phone]",
    shell_complete=files,
)
@_listening
@click.option("--wifi", is_flag=True, help="Bring the phone into this computer's networks as well")
def run(app: App, spec: str | None, socket_path: str | None, port: int | None, wifi: bool) -> int:
    """Run a virtual iPhone until Ctrl-C.

    Prints the line to export, so that ibackup, idevicebackup2, pymobiledevice3 and other programs find this phone
    instead of real ones.

    With --wifi, the phone is advertised in the network once `ibackup wifi on` has switched that on, and answers
    there. Type a word to change what happens: unplug, plug, sleep, wake, lock, unlock, or move ADDRESS.
    """
    from ibackup.simulator.spec import demo_spec
    from ibackup.simulator.specfile import load_spec
    from ibackup.simulator.virtual_phone import VirtualPhone

    phone = VirtualPhone(load_spec(spec) if spec else demo_spec())
    phone.keeps_restored_files = False  # nobody could look at them from another process
    _serve(
        app,
        phone,
        socket_path,
        port,
        f'The virtual {phone.spec.device_class} "{phone.spec.name}" is connected.{_password(phone)}',
        wifi=wifi,
    )
    return app.result({"udid": phone.spec.udid}, "")


def _password(phone: "VirtualPhone") -> str:
    password = phone.spec.backup_password
    return f' Its backup password is "{password}".' if password else ""


@ibackup_command("replay")
@click.argument("trace", metavar="TRACE", type=click.Path(), shell_complete=files)
@_listening
@click.option("--real-time", is_flag=True, help="Stay silent as long as the real phone did")
@click.option(
    "--largest", type=SIZE, metavar="SIZE", help="Truncate the made-up files to this size [as in the trace]"
)
def replay(
    app: App, trace: str, socket_path: str | None, port: int | None, real_time: bool, largest: int | None
) -> int:
    """Play the phone's side of a TRACE, until Ctrl-C.

    TRACE is a file written by --record. A client finds a phone that says what the recorded one said, file by file,
    with made-up contents. ibackup reports where the client answers differently than in the recording.
    """
    from ibackup.simulator.replay import Replay, spec_of
    from ibackup.simulator.virtual_phone import VirtualPhone
    from ibackup.trace.trace_reader import Trace

    read = Trace.open(trace)
    phone = VirtualPhone(spec_of(read))

    def tell(text: str) -> None:
        app.reporter(Note(text))

    Replay(read, phone, tell, real_time=real_time, largest=largest)
    if read.unreadable:
        app.reporter(
            Caution(f"{count_text(read.unreadable, 'line')} of the trace cannot be read and are left out.")
        )
    sessions = count_text(len(read.sessions), "session")
    _serve(
        app,
        phone,
        socket_path,
        port,
        f"A phone that plays {sessions} of `ibackup {read.command}` is connected.",
    )
    return app.result({"udid": phone.spec.udid, "sessions": len(read.sessions)}, "")


def _serve(
    app: App,
    phone: "VirtualPhone",
    socket_path: str | None,
    port: int | None,
    text: str,
    *,
    wifi: bool = False,
) -> None:
    """Let other programs talk to a phone until Ctrl-C."""
    from ibackup.simulator.server import serve

    if socket_path and port is not None:
        raise UsageError("--socket and --port exclude each other.", hint="Give one of them, or none.")
    try:
        with serve(phone, port=None if socket_path else port or 0, socket_path=socket_path) as server:
            air = server.put_on_the_air(phone) if wifi else None
            app.reporter.emit(
                {"event": "listening", "environment": dict(server.environment), "udid": phone.spec.udid}
            )
            app.reporter.answer(
                "\n".join(f"export {name}={shlex.quote(value)}" for name, value in server.environment.items())
            )
            if not app.settings.json:
                click.echo(wrap(f"{printable(text)} Ctrl-C ends it."), err=True)
            if air is not None:
                _obey(app, server, air)
            threading.Event().wait()
    except KeyboardInterrupt:
        pass  # the way to end it
    except OSError as error:
        raise UsageError(
            f"ibackup cannot listen there: {error.strerror or error}.", hint="Choose another port or socket."
        ) from None


def _obey(app: App, server: "Server", air: "OnTheAir") -> None:
    """Do what is typed, until there is no more input."""
    phone = air.phone
    deeds: dict[str, Callable[[], None]] = {
        "lock": phone.lock_screen,
        "plug": lambda: server.attach(phone),
        "sleep": air.sleep,
        "unlock": phone.unlock,
        "unplug": lambda: server.detach(phone),
        "wake": air.wake,
    }
    for line in sys.stdin:
        word, _, address = line.strip().partition(" ")
        try:
            if word == "move":
                air.move(address.strip())
            elif word in deeds:
                deeds[word]()
            elif word:
                app.reporter(
                    Caution(f"There is no {word!r}. Type one of: {', '.join(sorted(deeds))}, move ADDRESS.")
                )
                continue
        except OSError as error:
            app.reporter(Caution(f"{word} failed: {error.strerror or error}."))
            continue
        if word:
            app.reporter(Note(f"Done: {word}"))


command.add_command(run)
command.add_command(replay)
