"""What the fuzzers try of the doctor: each function takes bytes from outside, and has seeds beside it."""

import contextlib
import functools
import io
import json
import plistlib
import tarfile
from datetime import UTC, datetime

from ibackup.apple.format_errors import FormatError
from ibackup.device.services import os_trace, pcapd
from ibackup.doctor.evidence.phone_evidence import Live
from ibackup.doctor.gather import apple_status, phone_files, tar_stream
from ibackup.doctor.gather.log_lines import hear
from ibackup.doctor.gather.night_conditions import parse_window
from ibackup.doctor.gather.phone_notes import parse_notes
from ibackup.simulator import cloudfiles
from ibackup.simulator import os_trace as virtual_log
from ibackup.simulator import pcapd as virtual_packets
from ibackup.simulator.cloudspec import AttemptSpec, ICloudSpec, LogSpec, PacketSpec, SizeSpec, WindowSpec
from ibackup.simulator.spec import PhoneSpec

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CLOUD = ICloudSpec(
    now=NOW.timestamp(),
    last_backup_days=3,
    attempts=(AttemptSpec(code=303, days=1, path="AppDomain-a.b:x"), AttemptSpec(code=0, days=3)),
    windows=(WindowSpec(days=1, hours=5), WindowSpec(days=2, hours=5, short=True)),
    sizes=(SizeSpec(domain="AppDomain-a.b", bytes=5),),
    retry_hours=5,
    restore_days=4,
    restore_state=1,
    skipped=("AppDomain-a.b/x",),
    allowed=False,
)
NOTE_WORDS = (
    b"BackupStateInfo",
    b"errors",
    b"code",
    b"date",
    b"LastOnConditionEvents",
    b"PreflightSizing",
    b"|1|",
)
LOG_WORDS = (
    b"MBErrorDomain ",
    b'CKError "x" (16/1)',
    b"[On condition] enabled:1, onWiFi:0",
    b"AppDomain-",
    b"\0",
)
TAR_WORDS = (
    b"ustar\0",
    b"\x80\xff\xff",
    b"12 path=abc\n",
    b"18 size=4294967296\n",
    b"00000000000\0",
    b"L",
    b"x",
)
FEED_WORDS = (b'"services"', b'"iOS"', b"null", b"1e999", b'"ProductVersion"', b"[[", b"\\ud800")


def notes(data: bytes) -> None:
    """The files in which a phone remembers iCloud Backup; raises FormatError."""
    flaw: FormatError | None = None
    for parse in (
        phone_files.parse_user_settings,
        phone_files.count_accounts,
        lambda plist: phone_files.cloud_date(phone_files.parse_settings_values(plist), NOW),
        lambda plist: parse_notes(plist, NOW),
    ):
        try:
            parse(data)
        except FormatError as error:
            flaw = error
    parse_window(data.decode("utf-8", "replace"))
    if flaw is not None:
        raise flaw


@functools.cache
def _note_seeds() -> tuple[bytes, ...]:
    files = [file.data for file in cloudfiles.files(PhoneSpec(), CLOUD)]
    lines = [str(line).encode() for line in cloudfiles.notes(CLOUD)["LastOnConditionEvents"]]  # type: ignore[attr-defined]
    return (*files, plistlib.dumps(cloudfiles.notes(CLOUD)), *lines)


def note_seeds() -> list[bytes]:
    """Every such file."""
    return list(_note_seeds())


def log(data: bytes) -> None:
    """Records of the phone's log, and packets of its network; raises nothing."""
    line = os_trace.parse_line(data)
    if line is not None:
        hear(Live(seconds=0.0), line)
    for process in ("backupd", "cloudd"):
        text = data.decode("utf-8", "replace")
        hear(Live(seconds=0.0), os_trace.LogLine(NOW, process, text))
    pcapd.parse_packet(data)


def log_seeds() -> list[bytes]:
    """A record, a packet, lines."""
    return [
        virtual_log.record(LogSpec(text="[Off condition] enabled:1, locked:0, onPower:1, onWiFi:0"), 1.79e9),
        plistlib.dumps(virtual_packets.packed(PacketSpec(size=20), 1.79e9)),
        b'Failed to upload AppDomain-a.b:x CKError "Asset File Not Found" (16/3002) MBErrorDomain Code=-5',
        b"retryAfterDate:2026-11-26 03:04:05 +0000, 12 files with missing encryption keys, disabled by MDM",
    ]


def archive(data: bytes) -> None:
    """A tar archive; raises BadArchive."""
    for member in tar_stream.files(io.BytesIO(data), lambda name: 4096 if len(name) % 2 else 0):
        assert len(member.data) <= 4096


def archive_seeds() -> list[bytes]:
    """Small archives in three formats."""
    found = []
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as target:
            for name in ("a", "b" * 60 + "/" + "c" * 90):
                member = tarfile.TarInfo(name)
                member.size = 5
                target.addfile(member, io.BytesIO(b"hello"))
        found.append(buffer.getvalue()[:4096])
    return found


def feeds(data: bytes) -> None:
    """What Apple's side answers; raises ValueError."""
    for parse in (apple_status.parse_gdmf, apple_status.parse_sofa):
        with contextlib.suppress(ValueError):
            parse(data, "iPhone13,2")
    apple_status.parse_status(data)


def feed_seeds() -> list[bytes]:
    """The three shapes."""
    asset = {
        "ProductVersion": "26.1",
        "Build": "23B1",
        "PostingDate": "2026-08-05",
        "SupportedDevices": ["iPhone13,2"],
    }
    event = {"eventStatus": "ongoing", "statusType": "Outage", "epochStartDate": 1_790_000_000_000}
    return [
        json.dumps(each).encode()
        for each in (
            {"services": [{"serviceName": "iCloud Backup", "events": [event]}]},
            {"PublicAssetSets": {"iOS": [asset]}},
            {"OSVersions": [{"Latest": asset}]},
        )
    ]
