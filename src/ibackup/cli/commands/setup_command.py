"""``ibackup setup``: sets up backups every evening, with a few questions."""

import os
import shlex
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ibackup.base.errors import IbackupError, NoPhone
from ibackup.base.events import Caution, Note
from ibackup.base.sizes import size_text
from ibackup.cli.commands import now_text, setup_copy, setup_encryption, setup_wifi
from ibackup.cli.commands.now_command import may_copy
from ibackup.cli.commands.schedule_command import (
    installed_text,
    make,
    members,
    schedule_options,
    tell_what_is_left_out,
)
from ibackup.cli.commands.setup_checks import run_checks
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.option_questions import Asker
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import phone_options
from ibackup.cli.shell.vouching import vouching
from ibackup.config import config_file, config_schema
from ibackup.config.value_kinds import EVENING
from ibackup.jobs.setting_up import (
    SetupChoices,
    check_name,
    keep_for_nights,
    place_of_password,
    short_name,
    write_config,
)

if TYPE_CHECKING:
    from ibackup.copies.copy_address import CopyAddress
    from ibackup.device.lockdown.phone_facts import PhoneFacts
    from ibackup.jobs.runs.whole_backup import WholeBackup
    from ibackup.jobs.schedule.schedule_types import Installed, SchedulerKind

_PROPOSAL = "the last 7, one of each of 14 days, 8 weeks and 12 months"


@ibackup_command("setup")
@click.option("--check", is_flag=True, help="Check the setup; exit 1 if anything is missing")
@click.option("--yes", is_flag=True, help="Accept all proposals instead of asking")
@click.option("--name", metavar="NAME", help="Short name for the phone, for --phone")
@click.option("--encrypt/--no-encrypt", default=None, help="Switch on encryption of the phone's backups")
@click.option(
    "--prune/--no-prune", default=None, help="Remove old snapshots after each backup, by the proposed rule"
)
@click.option("--schedule/--no-schedule", default=None, help="Start backups every evening")
@schedule_options
@click.option(
    "--copy-to",
    metavar="ADDRESS",
    help="Make a second copy in this folder on another disk, or at this address; none for no copy",
)
@click.option(
    "--wifi/--no-wifi", default=None, help="Let the phone be backed up over Wi-Fi too (experimental)"
)
@click.option("--backup/--no-backup", default=None, help="Make the first backup now")
@phone_options
@password_options
def command(app: App, check: bool, wait: float, patience: float, **given: object) -> int:
    """Set everything up: a few questions, a config file, a schedule, the first backup.

    Each question has an option, so that setup also works without a terminal. You can run it again at any time: it
    does not ask about or change what exists already.
    """
    if check:
        return run_checks(app)
    choice = _Given(**given)  # type: ignore[arg-type]  # click's own values, by the names of the options
    steps = _Setup(app, choice, patience)
    return steps.run(wait)


@dataclass(frozen=True, slots=True)
class _Given:
    """The answers in the options; None means ask."""

    yes: bool
    name: str | None
    encrypt: bool | None
    prune: bool | None
    schedule: bool | None
    at: time | None
    kind: "SchedulerKind | None"
    copy_to: str | None
    wifi: bool | None
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
    copy: "CopyAddress | None"
    wifi: bool
    backup: bool


class _Setup:
    def __init__(self, app: App, given: _Given, patience: float) -> None:
        self._app = app
        self._given = given
        self._patience = patience
        self._ask = Asker(app, given.yes)
        self._password: str | None = None  # typed here
        self._in_keychain = False
        asked = app.settings.config
        self._path = Path(asked).expanduser() if asked else config_file.default_path()
        if asked and not self._path.exists():
            app.take_config(config_schema.Config())  # it will be created

    def run(self, wait: float) -> int:
        """Ask everything first, then do everything, so that nobody has to stay for the second part."""
        facts = self._phone(wait)
        plan = self._decide(facts)
        wrote = self._write(facts, plan)
        encrypted = self._encrypt(facts) if plan.encrypt else bool(facts.will_encrypt)
        file = self._password_file(plan)
        schedule = self._schedule(plan.at) if plan.at else None
        copy = setup_copy.make_copy(self._app, plan.copy, self._path) if plan.copy else None
        wifi = setup_wifi.switch(self._app, facts.udid, self._patience) if plan.wifi else False
        ended = self._back_up(facts.udid) if plan.backup else None
        if file and (ended is None or ended.made.checked == "manifest"):
            self._keep_password(facts, plan, file)
        elif file:
            self._app.reporter(
                Caution(
                    f"The password was not kept in {file}, since it does not open the backup.",
                    f"Write the right one into that file (mode 0600) and run `ibackup setup --password-file "
                    f"{shlex.quote(file)}`.",
                )
            )
        payload = {
            "config": str(self._path),
            "config_changed": wrote,
            "udid": facts.udid,
            "name": plan.name,
            "store": plan.store,
            "encrypted": encrypted,
            "schedule": members(schedule) if schedule else None,
            "copy": copy,
            "wifi": wifi,
            "backup": now_text.payload(ended) if ended else None,
        }
        words = wrap(self._last_words(plan, copy))
        if ended is None:
            return self._app.result(payload, words, skippable=True)
        return now_text.result(self._app, ended, payload, words)

    # -- finding and asking ---------------------------------------------------------------------------------

    def _phone(self, wait: float) -> "PhoneFacts":
        from ibackup.jobs.phone_to_open import PhoneToOpen

        wanted = PhoneToOpen(
            udid=self._app.udid_to_open,
            wait=wait,
            patience=self._patience,
            limits=self._app.config.limits,
            store=self._app.store_if_there(),
            vouches=vouching(self._app),
        )
        try:
            with wanted.open_phone(self._app.reporter) as phone:
                return phone.facts
        except NoPhone as error:
            hint = f"{error.hint} `ibackup setup --check` checks everything that is needed."
            raise NoPhone(error.what, why=error.why, hint=hint) from error

    def _decide(self, facts: "PhoneFacts") -> _Plan:
        from ibackup.jobs.schedule.scheduler_choice import find

        config, given = self._app.config, self._given
        noun = facts.noun
        self._app.reporter(Note(f"This is {facts.name or noun}, {facts.product_name or noun}."))
        known = config.phone(facts.udid)
        name = known.name if known and given.name is None else self._name(facts)
        store = str(config_file.store_path(self._store(facts), config))
        prune = config.prune is None and self._ask.confirm(
            f"Keep {_PROPOSAL}, and remove other snapshots after each backup?",
            given.prune,
            "--prune or --no-prune",
        )
        return _Plan(
            name=name,
            store=store,
            encrypt=self._wants_encryption(facts, is_known=known is not None),
            prune=prune,
            at=self._time(is_there=find() is not None),
            copy=setup_copy.wanted_copy(self._app, self._ask, given.copy_to),
            wifi=setup_wifi.is_wanted(self._ask, facts, given.wifi),
            backup=self._ask.confirm(
                f"Make the first backup now? The {noun} asks for its passcode.",
                given.backup,
                "--backup or --no-backup",
            ),
        )

    def _name(self, facts: "PhoneFacts") -> str:
        proposal = short_name(facts.name or facts.noun)
        question = f"Short name for this {facts.noun} (for --phone)?"
        name = self._ask.text(question, self._given.name, "--name NAME", proposal)
        check_name(self._app.config, name, facts.udid)
        return name

    def _store(self, facts: "PhoneFacts") -> str | None:
        """The store that the user chooses; None keeps the current one."""
        said = self._app.settings.store
        if said or os.environ.get("IBACKUP_STORE") or self._app.config.store:
            return said
        used = f" The {facts.noun} has {size_text(facts.used_bytes)} in use." if facts.used_bytes else ""
        question = f"Where should the backups go?{used} Folder"
        return self._ask.text(question, None, "--store FOLDER", config_schema.DEFAULT_STORE)

    def _wants_encryption(self, facts: "PhoneFacts", *, is_known: bool) -> bool:
        given = self._given
        if facts.will_encrypt:
            if not is_known:
                self._ask_password(facts)
            return False  # it does already
        without = (
            "saved passwords, Health data and call history are left out, and anyone with the disk can read "
            "the backup"
        )
        if given.encrypt is None and is_known:
            return False  # they were asked during setup
        can_be_had = given.password_file or given.password_command or self._app.asks
        if given.yes and given.encrypt is None and not can_be_had:
            self._app.reporter(
                Caution(
                    f"The backups of this {facts.noun} will not be encrypted: that needs a password, and "
                    f"there is none.",
                    f"{without[0].upper()}{without[1:]}. Give --password-file FILE, or run `ibackup encryption on`.",
                )
            )
            return False
        question = f"Encrypt the backups of this {facts.noun}? Otherwise {without}."
        return self._ask.confirm(question, self._given.encrypt, "--encrypt or --no-encrypt")

    def _ask_password(self, facts: "PhoneFacts") -> None:
        """The password of a phone that already encrypts: without it, backups can be made, but not checked."""
        sources = PasswordSources(
            self._app,
            self._given.password_file,
            self._given.password_command,
            ask=not self._given.yes,
            question=f"This {facts.noun} already encrypts its backups. Its backup password (Return: skip)",
        )
        if sources.find(facts.udid) is not None and sources.typed:
            self._password = sources.typed[-1]

    def _time(self, *, is_there: bool) -> time | None:
        """When backups start every evening; None leaves the schedule unchanged."""
        given = self._given
        if given.at is not None or given.kind is not None:
            return given.at or EVENING
        if is_there and given.schedule is None:
            return None
        question = f"Start backups automatically every evening at {EVENING:%H:%M}?"
        return (
            EVENING
            if self._ask.confirm(question, given.schedule, "--schedule, --at or --no-schedule")
            else None
        )

    # -- doing ----------------------------------------------------------------------------------------------

    def _write(self, facts: "PhoneFacts", plan: _Plan) -> bool:
        """Write the config file if something is new; returns whether it was."""
        choices = SetupChoices(
            facts.udid,
            plan.name,
            plan.store,
            at=plan.at,
            prune=plan.prune,
            password_file=self._given.password_file,  # the nights also need it
            password_command=self._given.password_command,
        )
        wrote = write_config(self._path, self._app.config, choices)
        self._app.take_config(config_file.load(str(self._path)))
        if wrote:
            self._app.reporter(Note(f"Written: {self._path}"))
        return wrote

    def _encrypt(self, facts: "PhoneFacts") -> bool:
        given = self._given
        done = setup_encryption.switch_on(
            self._app, facts.udid, given.password_file, given.password_command, self._patience
        )
        if done is None:
            return False
        password, in_keychain = done
        if not (given.password_file or given.password_command):
            self._password = password
        self._in_keychain = in_keychain
        return True

    def _password_file(self, plan: _Plan) -> str | None:
        """Where to keep the typed password, so that the nights have it; None for nowhere."""
        if self._password is None or self._in_keychain:
            return None
        path = place_of_password(self._path, plan.name)
        if path is None:
            return None
        question = f"Keep the password in {path}, readable only by you? Otherwise the nights cannot check the backups."
        return path if self._ask.confirm(question, None, "--password-file FILE") else None

    def _keep_password(self, facts: "PhoneFacts", plan: _Plan, path: str) -> None:
        try:
            keep_for_nights(self._path, self._app.config, facts.udid, plan.name, self._password or "")
        except IbackupError as error:
            self._app.reporter(Caution(error.message, error.hint))
            return
        self._app.take_config(config_file.load(str(self._path)))
        self._app.reporter(Note(f"Written: {path} and {self._path}"))

    def _schedule(self, at: time) -> "Installed | None":
        from ibackup.jobs.schedule.scheduler_choice import install

        tell_what_is_left_out(self._app, self._given.kind)
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

    def _back_up(self, udid: str) -> "WholeBackup":
        from ibackup.jobs.backup.backup_request import BackupRequest
        from ibackup.jobs.runs.whole_backup import run
        from ibackup.vault.unlocker import Unlocker

        sources = PasswordSources(
            self._app, self._given.password_file, self._given.password_command, ask=False
        )
        return run(
            BackupRequest(
                store=self._app.open_store(create=True),
                udid=udid,
                patience=self._patience,
                limits=self._app.config.limits,
                unlocker=Unlocker(
                    lambda asked: self._password or sources.find(asked), observe=self._app.reporter
                ),
                vouches=vouching(self._app),
            ),
            self._app.config,
            self._app.reporter,
            may_copy=may_copy(self._app),
        )

    def _last_words(self, plan: _Plan, copy: str | None) -> str:
        from ibackup.jobs.schedule.scheduler_choice import find

        found = find()
        nothing = ""
        if found is None:
            nothing = " Backups do not start automatically: run `ibackup now`."
        elif found.problem:
            nothing = f" But no backup will start automatically yet: {found.problem}"
        elif found.condition:
            nothing = f" {found.condition}."
        if copy is not None:
            nothing += f" Each night copies what is new; `ibackup copy run {copy}` does it now."
        return f"{plan.name} is set up.{nothing} `ibackup status` shows at any time whether all is well."
