"""The overview as metrics for Prometheus: the text format 0.0.4, as node_exporter's textfile collector reads it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ibackup.base.exit_codes import ExitCode
from ibackup.copies.copy_records import COPY_LEVELS
from ibackup.jobs.overview.copy_overview import CopyStatus, is_up
from ibackup.jobs.overview.store_overview import Overview, PhoneStatus

_PREFIX = "ibackup_"
_MOST_LABEL = 256  # characters


@dataclass
class _Metric:
    """One gauge and its samples, each with its labels."""

    name: str
    help: str
    samples: list[tuple[tuple[tuple[str, str], ...], float]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        if not self.samples:
            return
        yield f"# HELP {_PREFIX}{self.name} {self.help}"
        yield f"# TYPE {_PREFIX}{self.name} gauge"
        for labels, value in self.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            yield f"{_PREFIX}{self.name}{f'{{{inside}}}' if inside else ''} {value:.17g}"


class _Sheet:
    """The gauges in the order in which they were first named."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}

    def gauge(self, name: str, help_text: str, value: float | None, **labels: str) -> None:
        """Add a sample; None adds nothing."""
        metric = self._metrics.setdefault(name, _Metric(name, help_text))
        if value is not None:
            metric.samples.append((tuple(labels.items()), value))

    def text(self) -> str:
        return "\n".join(line for metric in self._metrics.values() for line in metric.lines()) + "\n"


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
    sheet = _Sheet()
    sheet.gauge("status_timestamp_seconds", "When this was written.", now.timestamp())
    sheet.gauge("status_exit_code", "0 all good, 4 damage, 16 store missing, 30 stale.", int(code))
    sheet.gauge("store_up", "1 when the store was there and could be read.", int(overview is not None))
    if overview is not None:
        sheet.gauge("store_free_bytes", "Free space on the store's disk.", overview.free_bytes)
        sheet.gauge("next_run_timestamp_seconds", "When the schedule starts next.", _at(overview.next_run))
        for phone in overview.phones:
            _add(sheet, phone)
    for copy in copies:
        _add_copy(sheet, copy)
    return sheet.text()


def _add_copy(sheet: _Sheet, copy: CopyStatus) -> None:
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
            _at(copy.good.get(level)),
            copy=name,
            level=level,
        )


def _add(sheet: _Sheet, phone: PhoneStatus) -> None:
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
        _at(phone.made),
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
        _at(proof.when) if proof else None,
        **who,
        level=proof.level if proof else "",
    )
    sheet.gauge(
        "newest_good_rehearsed_timestamp_seconds",
        "When it was last restored into the virtual iPhone.",
        _at(phone.rehearsed),
        **who,
    )
    sheet.gauge(
        "icloud_timestamp_seconds",
        "Last iCloud backup, as the phone reported it.",
        _at(phone.cloud.last),
        **who,
    )
    sheet.gauge(
        "icloud_told_timestamp_seconds", "When the phone reported that.", _at(phone.cloud.told), **who
    )


def _at(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _escaped(text: str) -> str:
    text = "".join(char if char.isprintable() or char == "\n" else "?" for char in text[:_MOST_LABEL])
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
