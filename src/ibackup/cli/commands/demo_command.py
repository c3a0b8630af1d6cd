"""``ibackup demo``: the whole process on the virtual iPhone, in a temporary folder."""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from ibackup.base.errors import IbackupError
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import folders
from ibackup.cli.shell.output import styled, wrap

_PASSWORD = "demo"  # noqa: S105 - of the virtual iPhone, and everybody may know it
_MORAL = (
    "The demo worked: ibackup found the damaged byte and named the file. A file that did not change is "
    "stored once for both backups, so it is damaged in both. The phone would send it again with the next "
    "backup, and a second copy of the store would still have it."
)
_SECONDS = 300  # far more than any step takes; a demo must not hang


@ibackup_command("demo")
@click.option(
    "--keep",
    metavar="FOLDER",
    help="Keep the store in FOLDER, to look at it afterwards",
    shell_complete=folders,
)
def command(app: App, keep: str | None) -> int:
    """Try ibackup without a phone: two backups, a check, and damage found.

    The demo plugs in a virtual iPhone, backs it up in full, changes it, and backs it up again. It verifies the
    backup, damages one byte of a photo on the disk, and shows that the next check names the file.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = Path(keep).expanduser().absolute() if keep else folder / "store"
        story = _Story(app, folder, store)
        story.tell()
    where = f"--store {shlex.quote(str(store))}"
    look = (
        f"To look at it: `ibackup list {where}`. To read what is in it: `ibackup export --everything {where} --to "
        f'FOLDER`. Its password is "{_PASSWORD}".'
    )
    return app.result(
        {
            "status": "passed",
            "steps": story.steps,
            "store": str(store) if keep else None,
            "password": _PASSWORD if keep else None,
        },
        wrap(f"{_MORAL} {look if keep else ''}".rstrip()),
    )


class _Story:
    def __init__(self, app: App, folder: Path, store: Path) -> None:
        self._app = app
        self._store = store
        self._config = folder / "config.toml"  # the user's own must not play a part
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IBACKUP_")},
            "IBACKUP_STORE": str(self._store),
            "IBACKUP_PASSWORD": _PASSWORD,
            "IBACKUP_STATE_DIR": str(folder / "state"),
            "PYTHONUNBUFFERED": "1",
        }
        self.steps: list[dict[str, object]] = []

    def tell(self) -> None:
        """Run the story; raises IbackupError at the first step that goes otherwise than it should."""
        from ibackup.simulator.server import serve
        from ibackup.simulator.spec import demo_spec
        from ibackup.simulator.virtual_phone import VirtualPhone

        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._config.touch()
        phone = VirtualPhone(demo_spec())
        with serve(phone) as server:
            self._environment |= dict(server.environment)
            self._say(
                f'A virtual iPhone is plugged in: "{phone.spec.name}", iOS {phone.spec.ios_version}. Its backup '
                f'password is "{_PASSWORD}".'
            )
            self._run("devices")
            self._say("The first backup transfers everything.")
            self._run("now")
            self._say(
                "The phone gets new messages, and its owner deletes a message and a photo; the second backup "
                "transfers only what is new."
            )
            phone.change()
            self._run("now")
        self._say("The phone is unplugged. Are the backups good?")
        self._run("list")
        self._run("verify", "latest")
        damaged = self._damage()
        self._say(f"One byte is damaged on the disk, in {damaged.name[:12]}…, as a failing disk would do.")
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
                f"The demo's `ibackup {words[0]}` did not finish.", hint="Please report this."
            ) from None
        self.steps.append({"command": " ".join(words), "exit_code": code})
        if code != expect:
            raise IbackupError(
                f"The demo went wrong: `ibackup {' '.join(words)}` ended with exit code {code}, not {int(expect)}.",
                hint="Please report this with the output above.",
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
