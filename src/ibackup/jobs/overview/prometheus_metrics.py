"""The overview as metrics for Prometheus: the text format 0.0.4, as node_exporter's textfile collector reads it."""

from collections.abc import Sequence
from datetime import datetime

from ibackup.base.exit_codes import ExitCode
from ibackup.copies.copy_records import COPY_LEVELS
from ibackup.jobs.overview.copy_overview import CopyStatus, is_up
from ibackup.jobs.overview.metric_sheet import MetricSheet, at
from ibackup.jobs.overview.store_overview import Overview, PhoneStatus


def render(
    overview: Overview | None, now: datetime, code: ExitCode, copies: Sequence[CopyStatus] = ()
) -> str:
    """The metrics, one gauge after the other; times are seconds since 1970.

    Args:
        overview: None if the store could not be read; then only that is reported.
        now: the present moment.
        code: the exit code of `ibackup status`.
        copies: how each second copy stands; whether it is up is looked at now.
    """
    sheet = MetricSheet()
    sheet.gauge("status_timestamp_seconds", "When this was written.", now.timestamp())
    sheet.gauge("status_exit_code", "0 all good, 4 damage, 16 store missing, 30 stale.", int(code))
    sheet.gauge("store_up", "1 when the store was there and could be read.", int(overview is not None))
    if overview is not None:
        sheet.gauge("store_free_bytes", "Free space on the store's disk.", overview.free_bytes)
        sheet.gauge("next_run_timestamp_seconds", "When the schedule starts next.", at(overview.next_run))
        for phone in overview.phones:
            _add(sheet, phone)
    for copy in copies:
        _add_copy(sheet, copy)
    return sheet.text()


def _add_copy(sheet: MetricSheet, copy: CopyStatus) -> None:
    name, up = copy.config.name, is_up(copy.config)
    sheet.gauge(
        "copy_up",
        "1 when the copy's host answers, or its folder is there.",
        None if up is None else int(up),
        copy=name,
    )
    sheet.gauge("copy_stale", "1 if it was not proven within its limit.", int(copy.stale), copy=name)
    sheet.gauge("copy_damaged", "1 when a newest proof of it failed.", int(copy.damaged), copy=name)
    sheet.gauge(
        "copy_max_age_seconds", "How long ago it may have been proven.", copy.config.max_age_s, copy=name
    )
    sheet.gauge("copy_snapshots", "Snapshots in the copy.", copy.snapshots, copy=name)
    sheet.gauge("copy_missing_snapshots", "Good snapshots that it lacks.", copy.missing, copy=name)
    for level in COPY_LEVELS:
        sheet.gauge(
            "copy_proven_timestamp_seconds",
            "When it was last proven good, by level.",
            at(copy.good.get(level)),
            copy=name,
            level=level,
        )


def _add(sheet: MetricSheet, phone: PhoneStatus) -> None:
    who = {"udid": phone.udid, "phone": phone.name}
    meta = phone.newest.meta if phone.newest else None
    proof = phone.proof
    sheet.gauge("phone_stale", "1 if no good backup is younger than the limit.", int(phone.is_stale), **who)
    sheet.gauge("phone_damaged", "1 when the newest snapshot is damaged.", int(bool(phone.damage)), **who)
    sheet.gauge("phone_max_age_seconds", "How old a backup may be.", phone.max_age.total_seconds(), **who)
    sheet.gauge("phone_snapshots", "Snapshots in the store.", phone.snapshots, **who)
    sheet.gauge("phone_left_overs", "Unfinished things in the store.", len(phone.left), **who)
    sheet.gauge(
        "newest_good_timestamp_seconds",
        "Date of the data in the newest good snapshot.",
        at(phone.made),
        **who,
    )
    sheet.gauge("newest_good_bytes", "Size of the newest good snapshot.", meta.bytes if meta else None, **who)
    sheet.gauge(
        "newest_good_files", "Files in the newest good snapshot.", meta.files if meta else None, **who
    )
    sheet.gauge(
        "newest_good_encrypted",
        "1 if the newest good snapshot is encrypted.",
        int(meta.encrypted) if meta else None,
        **who,
    )
    sheet.gauge(
        "newest_good_proven_timestamp_seconds",
        "When it was last proven good, by level.",
        at(proof.when) if proof else None,
        **who,
        level=proof.level if proof else "",
    )
    sheet.gauge(
        "newest_good_rehearsed_timestamp_seconds",
        "When it was last restored into the virtual iPhone.",
        at(phone.rehearsed),
        **who,
    )
    sheet.gauge(
        "icloud_timestamp_seconds",
        "Last iCloud backup, as the phone reported it.",
        at(phone.cloud.last),
        **who,
    )
    sheet.gauge("icloud_told_timestamp_seconds", "When the phone reported that.", at(phone.cloud.told), **who)
