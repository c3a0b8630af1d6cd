"""``ibackup simulator``: the virtual iPhone, for other programs to talk to."""

import shlex
import threading

import click

from ibackup.cli.common import App, ibackup_command, ibackup_group
from ibackup.cli.completing import files
from ibackup.cli.output import printable, wrap
from ibackup.errors import UsageError


@ibackup_group("simulator")
def command() -> None:
    """The virtual iPhone: real bytes of usbmuxd, lockdownd and MobileBackup2, without a phone."""


@ibackup_command("run")
@click.option(
    "--spec", metavar="FILE", help="What the phone is and holds (TOML) [a demo phone]", shell_complete=files
)
@click.option("--socket", "socket_path", metavar="PATH", help="Listen on a Unix socket", shell_complete=files)
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Listen on 127.0.0.1:N [a free one]")
def run(app: App, spec: str | None, socket_path: str | None, port: int | None) -> int:
    """Run a virtual iPhone until Ctrl-C.

    Prints the line to export, so that ibackup, idevicebackup2, pymobiledevice3 and others find this phone instead
    of real ones.
    """
    from ibackup.simulator import VirtualPhone, demo_spec, load_spec, serve

    if socket_path and port is not None:
        raise UsageError("--socket and --port exclude each other.", hint="Give one of them, or none.")
    phone = VirtualPhone(load_spec(spec) if spec else demo_spec())
    phone.keeps_restored_files = False  # nobody could look at them from another process
    try:
        with serve(phone, port=None if socket_path else port or 0, socket_path=socket_path) as server:
            app.reporter.emit(
                {"event": "listening", "environment": dict(server.environment), "udid": phone.spec.udid}
            )
            app.reporter.answer(
                "\n".join(f"export {name}={shlex.quote(value)}" for name, value in server.environment.items())
            )
            if not app.settings.json:
                click.echo(
                    wrap(
                        printable(f'The virtual {phone.spec.device_class} "{phone.spec.name}" is connected.')
                        + " Ctrl-C ends it."
                    ),
                    err=True,
                )
            threading.Event().wait()
    except KeyboardInterrupt:
        pass  # the way to end it
    except OSError as error:
        raise UsageError(
            f"Cannot listen there: {error.strerror or error}.", hint="Choose another port or socket."
        ) from None
    return app.result({"udid": phone.spec.udid}, "")


command.add_command(run)
