"""``ibackup fleet``: many computers and phones with one place for all copies, and how they are."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.fleet_text import (
    host_line,
    host_members,
    keeping_lines,
    keeping_members,
    standing_lines,
    standing_members,
)
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import printable, wrap
from ibackup.cli.shell.password_sources import PasswordSources


@ibackup_group("fleet")
def command() -> None:
    """Back up many phones on many computers, with one place for all copies."""


def _config_path(app: App) -> Path:
    from ibackup.config.config_file import default_path

    return app.config.path or (
        Path(app.settings.config).expanduser() if app.settings.config else default_path()
    )


def _full(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


_KEY_FILE = click.option(
    "--key-file",
    metavar="FILE",
    help="File with NAME=value lines: this computer's own keys of the bucket",
    shell_complete=files,
)


@ibackup_command("init")
@click.argument("bucket")
@click.option(
    "--keeper-file",
    required=True,
    metavar="FILE",
    help="New file for the keeper's secret",
    shell_complete=files,
)
@_KEY_FILE
def init(app: App, bucket: str, keeper_file: str, key_file: str | None) -> int:
    """Begin a fleet in BUCKET, with this computer as its keeper.

    BUCKET is s3:https://HOST/BUCKET/PATH, an rclone: address, or a folder that exists and that all computers reach
    under the same path. The keeper is a computer that you trust, near the bucket: it lets computers join and looks
    after the repositories. No other computer can remove anything.
    """
    from ibackup.jobs.fleet.fleet_enrolling import begin

    file = _full(keeper_file)
    begin(app.config.fleet, bucket, _full(key_file) if key_file else None, file, _config_path(app))
    text = (
        f"This computer keeps the fleet. Its secret is in '{file}': keep a second copy of that file elsewhere. The "
        "passwords of all repositories come from it. To add a computer: `ibackup fleet enrol NAME UDID… --to FILE`."
    )
    return app.result({"keeper_file": file}, wrap(text))


@ibackup_command("enrol")
@click.argument("host")
@click.argument("udids", nargs=-1, metavar="[UDID]...")
@click.option("--to", metavar="FILE", help="New file for what that computer needs", shell_complete=files)
@click.option(
    "--policy", is_flag=True, help="Print the policy for that computer's keys of the bucket instead"
)
def enrol(app: App, host: str, udids: tuple[str, ...], to: str | None, policy: bool) -> int:
    """Let the computer HOST back up the phones with these UDIDs. Run this on the keeper's computer.

    FILE holds the key and the passwords that HOST needs: carry it there, run `ibackup fleet join FILE`, then delete it.
    Run this again to add phones, or to let a second computer back up a phone. With --policy it prints what HOST's
    keys may do in the bucket: read and add to its own phones' repositories, remove nothing.
    """
    from ibackup.copies.fleet.secret_files import refuse_existing
    from ibackup.jobs.fleet.fleet_enrolling import enrol as enrol_host
    from ibackup.jobs.fleet.fleet_enrolling import policy_of
    from ibackup.jobs.fleet.opened_fleet import OpenedFleet

    fleet = OpenedFleet.open(app.config.fleet)
    if policy:
        text = policy_of(fleet, host, udids)
        return app.result({"host": host, "policy": text}, text)
    if to is None:
        raise UsageError(
            "There is no file to write the enrolment to.",
            hint="Give --to FILE, or --policy to see the policy.",
        )
    refuse_existing(_full(to))
    enrolment = enrol_host(fleet, host, udids, app.reporter)
    enrolment.keep_in_new_file(_full(to))
    text = (
        f"The computer {host} may back up {count_text(len(enrolment.phones), 'phone')}. Carry '{_full(to)}' there, run "
        "`ibackup fleet join FILE`, then delete the file: anyone who has it can read these phones' copies."
    )
    return app.result({"host": host, "phones": [each.udid for each in enrolment.phones]}, wrap(text))


@ibackup_command("revoke")
@click.argument("host")
def revoke(app: App, host: str) -> int:
    """Say that the computer HOST no longer belongs to the fleet. Run this on the keeper's computer.

    ibackup ignores what it reports from now on. Take away its keys of the bucket as well: only that ends its
    access.
    """
    from ibackup.jobs.fleet.fleet_enrolling import revoke as revoke_host
    from ibackup.jobs.fleet.opened_fleet import OpenedFleet

    record = revoke_host(OpenedFleet.open(app.config.fleet), host)
    text = (
        f"The computer {host} no longer belongs to the fleet. Now take away its keys of the bucket: only that ends "
        "its access."
    )
    return app.result(host_members(record), wrap(text))


@ibackup_command("list")
def list_hosts(app: App) -> int:
    """List the computers of the fleet and how many phones each may back up.

    Exit code 4 means that someone else wrote the record of a computer.
    """
    from ibackup.jobs.fleet.opened_fleet import OpenedFleet

    hosts = OpenedFleet.open(app.config.fleet).hosts()
    records = list(hosts.genuine.values())
    lines = [host_line(each) for each in records]
    lines += [wrap(f"! {host}: the keeper did not sign its record.") for host in hosts.forged]
    text = "\n".join(lines) or wrap("No computer has joined yet. `ibackup fleet enrol` lets one in.")
    payload = {"hosts": [host_members(each) for each in records], "forged": list(hosts.forged)}
    if not hosts.forged:
        return app.result(payload, text)
    return app.result(
        payload,
        text,
        ExitCode.DAMAGE,
        message=f"The keeper did not sign the record of {count_text(len(hosts.forged), 'computer')}.",
        hint="Find out who else may write to that place.",
    )


@ibackup_command("join")
@click.argument("file", shell_complete=files)
@_KEY_FILE
def join(app: App, file: str, key_file: str | None) -> int:
    """Join the fleet with the enrolment FILE from the keeper, or add the phones of a newer FILE.

    This adds a copy for each phone to the config file. `ibackup nightly` then copies each backup there and reports how
    the phone is.
    """
    from ibackup.copies.fleet.enrolments import Enrolment
    from ibackup.jobs.fleet.fleet_joining import join as join_fleet

    enrolment = Enrolment.read(_full(file))
    done = join_fleet(enrolment, _full(key_file) if key_file else None, app.config, _config_path(app))
    phones = count_text(len(enrolment.phones), "phone")
    lines = [wrap(f"This computer is {done.host} in the fleet, with {phones}. Delete '{_full(file)}' now.")]
    if done.added:
        lines.append(
            wrap(
                "If another computer has backed up such a phone, fetch its newest snapshot first, so that the phone "
                "sends only what changed:"
            )
        )
        lines += [f"  ibackup copy get latest --from {name} --into-store" for name in done.added]
    return app.result(
        {"host": done.host, "added": list(done.added), "known": list(done.known)}, "\n".join(lines)
    )


@ibackup_command("status")
@click.option("--prometheus", is_flag=True, help="Print metrics instead")
@click.option("--html", is_flag=True, help="Print a page instead")
def status(app: App, prometheus: bool, html: bool) -> int:
    """Show how all phones of all computers are, from what the computers reported.

    It needs no password and opens no repository. It names phones whose backup is stale or damaged, phones that no
    computer reports any more, and reports that are forged, old ones put back, or dated in the future. Exit code
    4 means damage or tampering, 30 that a backup or a report is too old.
    """
    from ibackup.jobs.fleet.fleet_metrics import render_fleet
    from ibackup.jobs.fleet.fleet_overview import look_at_fleet
    from ibackup.jobs.fleet.opened_fleet import OpenedFleet

    if prometheus and html:
        raise UsageError("--prometheus and --html exclude each other.", hint="Give one of them.")
    now = datetime.now(UTC)
    standing = look_at_fleet(OpenedFleet.open(app.config.fleet), app.config, now)
    if prometheus:
        text = render_fleet(standing, now)
    elif html:
        from ibackup.view.fleet_pages import page_alone

        text = page_alone(standing, now)
    else:
        text = "\n".join(standing_lines(standing))
    first = next((each for each in standing.all_problems), None)
    return app.result(
        standing_members(standing), text, standing.code, message=printable(first.text) if first else ""
    )


@ibackup_command("keeper")
def keeper(app: App) -> int:
    """Look after the repositories of the fleet: for cron, each night, on the keeper's computer.

    For each phone it checks the repository, reads a part of the data back, and removes what your [prune] rules no
    longer keep. Each night it compares some phones' newest snapshots with their seals, so that each phone has its turn
    within 30 nights. Once a month it tests a restore. It trusts no other computer. At the end it writes what it
    found, and the page index.html, into the bucket.
    """
    from ibackup.jobs.fleet.fleet_keeping import keep, publish
    from ibackup.jobs.fleet.fleet_overview import look_at_fleet
    from ibackup.jobs.fleet.opened_fleet import OpenedFleet
    from ibackup.jobs.keeping.retention import RetentionRules
    from ibackup.view.fleet_pages import page_alone

    fleet = OpenedFleet.open(app.config.fleet)

    def rules_of(udid: str) -> RetentionRules:
        return RetentionRules.configured(app.config.rules(udid).prune)

    done = keep(fleet, rules_of, PasswordSources(app, ask=False).unlocker, app.reporter)
    now = datetime.now(UTC)
    publish(fleet, page_alone(look_at_fleet(fleet, app.config, now), now))
    problems = [text for each in done.findings.values() for text in each.problems]
    problems += [each.message for each in done.errors.values()]
    return app.result(
        keeping_members(done),
        "\n".join(keeping_lines(done)),
        done.code,
        message=printable(problems[0]) if done.code else "",
    )


for _each in (init, enrol, join, list_hosts, status, keeper, revoke):
    command.add_command(_each)
