"""``ibackup setup``: from a phone on a cable to backups every evening, with a few questions."""

import os
import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ibackup import config as config_file
from ibackup.cli import common, encrypting
from ibackup.cli.asking import Asker
from ibackup.cli.checking import run_checks
from ibackup.cli.common import DURATION, TIME_OF_DAY, App, ibackup_command
from ibackup.cli.now_command import Ended, how_to_encrypt, run
from ibackup.cli.output import size_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.cli.schedule_command import KINDS, installed_text, make, members, tell_what_is_left_out
from ibackup.config.kinds import Window
from ibackup.errors import ExitCode, IbackupError, NoPhone, UsageError
from ibackup.events import Caution, Note

if TYPE_CHECKING:
    from ibackup.device import PhoneFacts
    from ibackup.scheduling import Installed, Kind

_AT = time(21, 30)
_ENDS = time(7)
_PROPOSED = config_file.PruneConfig(keep_last=7, keep_daily=14, keep_weekly=8, keep_monthly=12)
_PROPOSAL = "the last 7, one of each of 14 days, 8 weeks and 12 months"


@ibackup_command("setup")
@click.option("--check", is_flag=True, help="Only look whether everything is in place; 1 when not")
@click.option("--yes", is_flag=True, help="Take all that is proposed instead of asking")
@click.option("--name", metavar="NAME", help="What to call the phone, for --phone")
@click.option("--encrypt/--no-encrypt", default=None, help="Have the phone encrypt its backups")
@click.option("--prune/--no-prune", default=None, help="Remove old snapshots by the proposed rule")
@click.option("--schedule/--no-schedule", default=None, help="Start backups every evening")
@click.option("--at", type=TIME_OF_DAY, metavar="HH:MM", help="When, by this computer's clock [21:30]")
@click.option("--kind", type=click.Choice(KINDS), help="Which scheduler [the system's own]")
@click.option("--backup/--no-backup", default=None, help="Make the first backup now")
@click.option(
    "--wait", type=DURATION, default=0, metavar="TIME", help="Wait for a phone that is not there [0]"
)
@click.option(
    "--patience",
    type=DURATION,
    metavar="TIME",
    help="Wait for somebody to unlock the phone or tap Trust [60s; 5m on a terminal]",
)
@password_options
def command(app: App, check: bool, wait: float, patience: float | None, **given: object) -> int:
    """Set everything up: a few questions, a config file, a schedule, the first backup.

    Each question has an option, so that it runs without a terminal, too. It can be run again at any time: what is
    there already is neither asked nor changed.
    """
    if check:
        return run_checks(app)
    choice = _Given(**given)  # type: ignore[arg-type]  # click's own values, by the names of the options
    steps = _Setup(app, choice, common.patience() if patience is None else patience)
    return steps.run(wait)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the options say; None is to be asked."""

    yes: bool
    name: str | None
    encrypt: bool | None
    prune: bool | None
    schedule: bool | None
    at: time | None
    kind: "Kind | None"
    backup: bool | None
    password_file: str | None
    password_command: str | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was decided, before anything is done."""

    name: str
    store: str
    encrypt: bool
    prune: bool
    at: time | None
    backup: bool


class _Setup:
    def __init__(self, app: App, given: _Given, patience: float) -> None:
        self._app = app
        self._given = given
        self._patience = patience
        self._ask = Asker(app, given.yes)
        asked = app.settings.config
        self._path = Path(asked).expanduser() if asked else config_file.default_path()
        if asked and not self._path.exists():
            app.take_config(config_file.Config())  # it is to be made

    def run(self, wait: float) -> int:
        """Ask everything first, then do everything: nobody has to stay for the second part."""
        facts = self._phone(wait)
        plan = self._decide(facts)
        wrote = self._write(facts, plan)
        encrypted = self._encrypt(facts, plan) if plan.encrypt else bool(facts.will_encrypt)
        schedule = self._schedule(plan.at) if plan.at else None
        ended = self._back_up(facts.udid) if plan.backup else None
        payload = {
            "config": str(self._path),
            "config_changed": wrote,
            "udid": facts.udid,
            "name": plan.name,
            "store": plan.store,
            "encrypted": encrypted,
            "schedule": members(schedule) if schedule else None,
            "backup": ended.payload if ended else None,
        }
        text = "\n".join([*([ended.text, ""] if ended else []), wrap(self._last_words(plan))])
        if ended is None:
            return self._app.result(payload, text, skippable=True)
        return self._app.result(
            payload, text, ended.code, message=ended.message, hint=ended.hint, skippable=True
        )

    # -- finding and asking ---------------------------------------------------------------------------------

    def _phone(self, wait: float) -> "PhoneFacts":
        from ibackup.device import open_phone

        try:
            with open_phone(
                self._app.udid, wait=wait, patience=self._patience, observer=self._app.reporter
            ) as phone:
                return phone.facts
        except NoPhone as error:
            hint = f"{error.hint} `ibackup setup --check` looks at all that is needed."
            raise NoPhone(error.what, why=error.why, hint=hint) from error

    def _decide(self, facts: "PhoneFacts") -> _Plan:
        from ibackup.scheduling import find

        config, given = self._app.config, self._given
        noun = facts.noun
        self._app.reporter(Note(f"This is {facts.name or noun}, {facts.product_name or noun}."))
        known = config.phone(facts.udid)
        name = known.name if known and given.name is None else self._name(facts)
        store = str(config_file.store_path(self._store(facts), config))
        prune = config.prune is None and self._ask.confirm(
            f"Keep {_PROPOSAL}, and remove older snapshots after a backup?",
            given.prune,
            "--prune or --no-prune",
        )
        return _Plan(
            name=name,
            store=store,
            encrypt=self._wants_encryption(facts),
            prune=prune,
            at=self._time(is_there=find() is not None),
            backup=self._ask.confirm(
                f"Make the first backup now? The {noun} asks for its passcode.",
                given.backup,
                "--backup or --no-backup",
            ),
        )

    def _name(self, facts: "PhoneFacts") -> str:
        proposal = _short(facts.name or facts.noun)
        question = f"What shall the {facts.noun} be called in commands (--phone)?"
        name = self._ask.text(question, self._given.name, "--name NAME", proposal)
        other = self._app.config.phone(name)
        if other is not None and not config_file.same_udid(other.udid, facts.udid):
            raise UsageError(
                f"Another phone is called {name!r} in the config file.", hint="Give another --name."
            )
        if not name.strip() or config_file.is_udid(name):
            raise UsageError(f"{name!r} cannot be a phone's name.", hint="Give another --name.")
        return name

    def _store(self, facts: "PhoneFacts") -> str | None:
        """The store where somebody chooses one; None leaves what is chosen already."""
        said = self._app.settings.store
        if said or os.environ.get("IBACKUP_STORE") or self._app.config.store:
            return said
        used = f" The {facts.noun} has {size_text(facts.used_bytes)} in use." if facts.used_bytes else ""
        question = f"Where shall the backups go?{used} Folder"
        return self._ask.text(question, None, "--store FOLDER", "~/ibackup")

    def _wants_encryption(self, facts: "PhoneFacts") -> bool:
        if facts.will_encrypt:
            return False  # it does already
        without = "saved passwords, Health data and call history are not in a backup, and whoever has the disk reads it"
        if not encrypting.is_there():
            if self._given.encrypt:
                raise UsageError(
                    "This version cannot switch encryption on.", hint=f"Do it {how_to_encrypt()}."
                )
            self._app.reporter(Note(f"Backups are not encrypted: {without}. How to: {how_to_encrypt()}."))
            return False
        if self._given.yes and self._given.encrypt is None:
            return False  # it takes a password, which nobody has given
        question = f"Have the {facts.noun} encrypt its backups? Else {without}."
        return self._ask.confirm(question, self._given.encrypt, "--encrypt or --no-encrypt")

    def _time(self, *, is_there: bool) -> time | None:
        """When backups start every evening; None leaves the schedule as it is."""
        given = self._given
        if given.at is not None or given.kind is not None:
            return given.at or _AT
        if is_there and given.schedule is None:
            return None
        question = f"Start backups by themselves every evening at {_AT:%H:%M}?"
        return (
            _AT if self._ask.confirm(question, given.schedule, "--schedule, --at or --no-schedule") else None
        )

    # -- doing ----------------------------------------------------------------------------------------------

    def _write(self, facts: "PhoneFacts", plan: _Plan) -> bool:
        """Write the config file where something is new; whether it was."""
        from ibackup.config.writing import Additions, added
        from ibackup.store import durable
        from ibackup.store.trouble import telling

        config = self._app.config
        current = str(config_file.store_path(None, config)) if config.store else None
        window = Window(plan.at, _ENDS) if plan.at and config.nightly.window is None else None
        additions = Additions(
            facts.udid,
            plan.name,
            store=plan.store if plan.store != current else None,
            window=window,
            prune=_PROPOSED if plan.prune else None,
            # The nights need it, too.
            password_file=_absolute(self._given.password_file),
            password_command=self._given.password_command,
        )
        with telling(f"The config file {str(self._path)!r} could not be written."):
            before = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            after = added(before, additions)
            if after != before:
                # Where the file is a link, into a folder of dot files for one, the link stays.
                target = os.path.realpath(self._path)
                durable.make_dir(os.path.dirname(target), parents=True)
                durable.write_file(target, after.encode())
        self._app.take_config(config_file.load(str(self._path)))
        if after != before:
            self._app.reporter(Note(f"Written: {self._path}"))
        return after != before

    def _encrypt(self, facts: "PhoneFacts", plan: _Plan) -> bool:
        given = self._given
        options = ["--store", plan.store]
        options += ["--new-password-file", given.password_file] if given.password_file else []
        options += ["--new-password-command", given.password_command] if given.password_command else []
        code = encrypting.switch_on(self._app, facts.udid, options)
        if code:
            self._app.reporter(
                Caution(
                    f"Encryption was not switched on (exit code {code}); the rest goes on without.",
                    "It can be done at any time.",
                )
            )
        return code == ExitCode.OK

    def _schedule(self, at: time) -> "Installed | None":
        from ibackup.scheduling import install

        tell_what_is_left_out(self._app)
        try:
            found, caveat = install(make(self._app, at), self._given.kind)
        except IbackupError as error:
            if self._given.kind is not None:
                raise
            # The backup itself matters more than the schedule.
            self._app.reporter(Caution(f"No schedule was made. {error.message}", error.hint))
            return None
        self._app.reporter(Note(installed_text(found, caveat)))
        return found

    def _back_up(self, udid: str) -> Ended:
        from ibackup.backup import Request

        sources = PasswordSources(
            self._app, self._given.password_file, self._given.password_command, ask=False
        )
        return run(
            self._app,
            Request(
                store=self._app.open_store(create=True),
                udid=udid,
                patience=self._patience,
                password=sources.find,
            ),
        )

    def _last_words(self, plan: _Plan) -> str:
        from ibackup.scheduling import find

        nothing = " Nothing starts backups by itself: `ibackup now` does." if find() is None else ""
        return f"{plan.name} is set up.{nothing} `ibackup status` says at any time whether all is well."


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(os.path.expanduser(path))


def _short(name: str) -> str:
    """A name that is quick to type: of "Ann's iPhone" it is ``ann``."""
    owner = re.split(r"['\u2019]s\b|\s+i(?:phone|pad|pod)\b", name, maxsplit=1, flags=re.IGNORECASE)[0]
    return re.sub(r"[\W_]+", "-", (owner or name).casefold()).strip("-") or "phone"
