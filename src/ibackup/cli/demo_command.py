"""``ibackup demo``: the whole story against the virtual iPhone, in a temporary folder."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.completing import folders
from ibackup.cli.output import styled, wrap
from ibackup.errors import ExitCode, IbackupError

_SECONDS = 300  # far more than any step takes; a demo must not hang


@ibackup_command("demo")
@click.option(
    "--keep",
    metavar="FOLDER",
    help="Leave the store in FOLDER, to look at it afterwards",
    shell_complete=folders,
)
def command(app: App, keep: str | None) -> int:
    """Try it all without a phone: two backups, a proof, and damage found.

    A virtual iPhone is plugged in, backed up in full, changed, and backed up again; the backup is proven; then one byte
    of a photo is damaged on the disk and the next proof names it.
    """
    with ExitStack() as stack:
        folder = Path(keep).absolute() if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        story = _Story(app, folder)
        story.tell()
    return app.result(
        {"status": "passed", "steps": story.steps, "store": str(folder) if keep else None},
        wrap("The demo worked: nothing was lost, and the damaged byte was found and named."),
    )


class _Story:
    def __init__(self, app: App, folder: Path) -> None:
        self._app = app
        self._store = folder / "store"
        self._config = folder / "config.toml"  # the user's own must not play a part
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IBACKUP_")},
            "IBACKUP_STORE": str(self._store),
            "IBACKUP_PASSWORD": "demo",
            "IBACKUP_STATE_DIR": str(folder / "state"),
            "PYTHONUNBUFFERED": "1",
        }
        self.steps: list[dict[str, object]] = []

    def tell(self) -> None:
        """Run the story; raises IbackupError at the first step that goes otherwise than it should."""
        from ibackup.simulator import VirtualPhone, demo_spec, serve

        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._config.touch()
        phone = VirtualPhone(demo_spec())
        with serve(phone) as server:
            self._environment |= dict(server.environment)
            self._say(f'A virtual iPhone is plugged in: "{phone.spec.name}", iOS {phone.spec.ios_version}.')
            self._run("devices")
            self._say("The first backup brings everything.")
            self._run("now")
            self._say(
                "A new message and a new photo on the phone; the second backup brings only what is new."
            )
            phone.change()
            self._run("now")
        self._say("The phone is unplugged. Are the backups good?")
        self._run("list")
        self._run("verify", "latest")
        damaged = self._damage()
        self._say(f"One byte is damaged on the disk, in {damaged.name[:12]}…, as a failing disk would do it.")
        self._run("verify", "latest", expect=ExitCode.DAMAGE)

    def _say(self, text: str) -> None:
        if not self._app.settings.json:
            click.echo("\n" + styled(wrap(text), bold=True))

    def _run(self, *words: str, expect: ExitCode = ExitCode.OK) -> None:
        if not self._app.settings.json:
            click.echo(styled("$ ibackup " + " ".join(words), fg="cyan"))
            sys.stdout.flush()
        command = [sys.executable, "-m", "ibackup", "--config", str(self._config), *words]
        output = subprocess.DEVNULL if self._app.settings.json else None
        try:
            code = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise IbackupError(
                f"The demo's `ibackup {words[0]}` did not end.", hint="Please report this."
            ) from None
        self.steps.append({"command": " ".join(words), "exit_code": code})
        if code != expect:
            raise IbackupError(
                f"The demo went wrong: `ibackup {' '.join(words)}` ended with {code}, not {int(expect)}.",
                hint="Please report this with what is printed above.",
            )

    def _damage(self) -> Path:
        """Flip one bit in the middle of the newest snapshot's largest file."""
        snapshot = max((self._store).glob("*/snapshots/*"))
        victim = max(snapshot.glob("*/??/*"), key=lambda path: path.stat().st_size)
        victim.chmod(0o600)
        with victim.open("r+b") as stream:
            stream.seek(victim.stat().st_size // 2)
            byte = stream.read(1)
            stream.seek(-1, os.SEEK_CUR)
            stream.write(bytes([byte[0] ^ 1]))
        return victim
