"""``ibackup open``: the web view, on this computer and for its user alone."""

import os
import sys
from typing import TYPE_CHECKING

import click

from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.snapshot_argument import resolve

if TYPE_CHECKING:
    from ibackup.view.view_request import Listening


@ibackup_command("open")
@click.argument("folder", required=False, type=click.Path(), shell_complete=files)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port to listen on [a free one]"
)
@click.option("--no-browser", is_flag=True, help="Only print the address")
@click.option(
    "--listen", metavar="ADDRESS", help="Let other computers in, at this address of this one [127.0.0.1]"
)
@click.option("--host-name", multiple=True, metavar="NAME", help="With --listen: a name that browsers use")
@click.option(
    "--web-password-file",
    metavar="FILE",
    help="With --listen: file whose first line lets in, not a backup password",
    shell_complete=files,
)
@click.option("--tls-cert", metavar="FILE", help="With --listen: certificate, in PEM", shell_complete=files)
@click.option("--tls-key", metavar="FILE", help="With --listen: its key, in PEM", shell_complete=files)
@click.option(
    "--behind-proxy", metavar="ADDRESS", help="With --listen: the proxy that encrypts; only it may connect"
)
@click.option("--ends-itself", is_flag=True, help="End 5 minutes after the last page was closed")
@click.option("--install-icon", is_flag=True, help="Only put an icon for it where your system keeps them")
def command(
    app: App,
    folder: str | None,
    port: int,
    no_browser: bool,
    listen: str | None,
    host_name: tuple[str, ...],
    web_password_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    behind_proxy: str | None,
    ends_itself: bool,
    install_icon: bool,
) -> int:
    """Look at your backups in a web browser, and make new ones there, until Ctrl-C.

    Only this computer can open the address, only once, and within a minute. FOLDER is any backup folder, to look into
    it without a store. With --listen, other computers can open it too, with a password and encryption.
    """
    from ibackup.view.guard.listen_rules import ListenRequest
    from ibackup.view.serving import serve
    from ibackup.view.view_request import ViewRequest

    if install_icon:
        return _install_icon(app, folder)
    target = resolve(app, os.path.abspath(os.path.expanduser(folder)), only_read=True) if folder else None

    def tell(listening: "Listening") -> None:
        app.reporter.emit({"event": "listening", "url": listening.url})
        app.reporter.answer(listening.url)
        if app.settings.json:
            return
        if listen:
            then = "Open it in a browser on any computer that reaches it, and log in with the web password."
        elif not no_browser and _open_browser(listening.url):
            then = "Your browser opens it now."
        else:
            then = "Open it in your browser within a minute; it works once."
        click.echo(wrap(f"{then} Ctrl-C ends ibackup."), err=True)

    request = ViewRequest(
        config=app.settings.config,
        store=app.settings.store,
        folder=target.path if target else None,
        udid=target.udid if target else None,
        listen=ListenRequest(listen, port, host_name, web_password_file, tls_cert, tls_key, behind_proxy),
        ends_itself=ends_itself,
    )
    serve(request, tell, app.reporter)
    return app.result({}, "")


def _open_browser(url: str) -> bool:
    """Ask the system to show an address. False if this computer has no screen to show it on."""
    import webbrowser  # takes a while to load

    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return has_screen and webbrowser.open(url)


def _install_icon(app: App, folder: str | None) -> int:
    from ibackup.base.programs import this_program
    from ibackup.jobs.start_icon.installed_icon import icon_here, install
    from ibackup.view.rendering import static_files

    command = [*this_program(), "open", "--ends-itself"]
    for option, value in (("--store", app.settings.store), ("--config", app.settings.config)):
        command += [option, os.path.abspath(os.path.expanduser(value))] if value else []
    command += [os.path.abspath(os.path.expanduser(folder))] if folder else []
    icon = icon_here(command, static_files()["icon.svg"])
    install(icon)
    files = [each.path for each in icon.files]
    return app.result({"files": files}, f"ibackup is now in {icon.where}.")
