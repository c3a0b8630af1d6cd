"""Health's databases made by code, with what a correct reader says of each day.

The columns are those that readers of real databases agree on. Only encrypted backups have them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

DOMAIN = "HealthDomain"
SECURE, PLAIN, SERIES = (
    "Health/healthdb_secure.sqlite",
    "Health/healthdb.sqlite",
    "Health/healthdb_secure.hfd",
)
HEART, STEPS, SLEEP, WEIGHT, WORKOUT = 5, 7, 63, 3, 79
MIDNIGHT = 1_717_279_200
"""2024-06-02T00:00:00 in Berlin."""
_HOUR = 3600
BERLIN, KATHMANDU = "Europe/Berlin", "Asia/Kathmandu"
PHONE, WATCH = 1, 2

_SECURE_TABLES = {
    "samples": "data_id INTEGER PRIMARY KEY, start_date REAL, end_date REAL, data_type INTEGER",
    "quantity_samples": "data_id INTEGER PRIMARY KEY, quantity REAL, original_quantity REAL, original_unit INTEGER",
    "category_samples": "data_id INTEGER PRIMARY KEY, value INTEGER",
    "objects": "data_id INTEGER PRIMARY KEY, uuid BLOB, provenance INTEGER, type INTEGER, creation_date REAL",
    "data_provenances": """ROWID INTEGER PRIMARY KEY, origin_product_type TEXT, origin_build TEXT, source_id INTEGER,
 device_id INTEGER, source_version TEXT, tz_name TEXT""",
    "unit_strings": "ROWID INTEGER PRIMARY KEY, unit_string TEXT",
    "workouts": "data_id INTEGER PRIMARY KEY, activity_type INTEGER, duration REAL, total_distance REAL",
}
_NEWER_TABLES = {
    "quantity_series_data": "series_identifier INTEGER, timestamp REAL, value REAL, duration REAL",
    "workout_activities": """ROWID INTEGER PRIMARY KEY, owner_id INTEGER, is_primary_activity INTEGER,
 activity_type INTEGER, start_date REAL, end_date REAL, duration REAL""",
}


@dataclass(frozen=True, kw_only=True)
class MadeSample:
    """A measurement; times in Unix seconds.

    Attributes:
        kind: data_type.
        start: when it began.
        seconds: how long it took.
        quantity: in the base unit; None: a category.
        value: of a category.
        source: PHONE or WATCH.
        zone: the time zone at the time.
        deleted: whether only its remnant is there.
    """

    kind: int
    start: float
    seconds: float = 60
    quantity: float | None = None
    value: int = 0
    source: int = PHONE
    zone: str | None = BERLIN
    deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class HealthDay:
    """What a correct reader says of one day: a kind's name, the day, its figure by name, and how many samples."""

    kind: str
    day: str
    figures: dict[str, float]
    samples: int


def files(samples: Sequence[MadeSample], *, ios: int) -> Iterator[LifeFile]:
    """Both databases, and the file of series that iOS 15 and older have beside them."""
    yield LifeFile(DOMAIN, SECURE, filled(samples, ios=ios).data(), MIDNIGHT)
    plain = MadeDatabase(
        {
            "sources": "ROWID INTEGER PRIMARY KEY, bundle_id TEXT, name TEXT, product_type TEXT",
            "source_devices": "ROWID INTEGER PRIMARY KEY, name TEXT, manufacturer TEXT, model TEXT, hardware TEXT",
        }
    )
    plain.add("sources", {"ROWID": PHONE, "name": "Ada’s iPhone", "product_type": "iPhone15,2"})  # noqa: RUF001
    plain.add("sources", {"ROWID": WATCH, "name": "Ada’s Watch", "product_type": "Watch6,1"})  # noqa: RUF001
    yield LifeFile(DOMAIN, PLAIN, plain.data(), MIDNIGHT)
    if ios <= 15:
        yield LifeFile(DOMAIN, SERIES, b"HFD made up" * 20, MIDNIGHT)


def filled(samples: Sequence[MadeSample], *, ios: int, utf16: bool = False) -> MadeDatabase:
    """`healthdb_secure.sqlite` before it is a file, for tests that change it."""
    database = MadeDatabase(_SECURE_TABLES | (_NEWER_TABLES if ios >= 16 else {}), utf16=utf16)
    provenances: dict[tuple[int, str | None], int] = {}
    for number, sample in enumerate(samples, start=1):
        key = (sample.source, sample.zone)
        if key not in provenances:
            row = {
                "source_id": sample.source,
                "origin_product_type": "Watch6,1" if sample.source == WATCH else "iPhone15,2",
                "tz_name": sample.zone,
            }
            provenances[key] = database.add("data_provenances", row)
        kind = 2 if sample.deleted else 1
        database.add("objects", {"data_id": number, "provenance": provenances[key], "type": kind})
        span = {"start_date": stamp(sample.start), "end_date": stamp(sample.start + sample.seconds)}
        database.add("samples", {"data_id": number, "data_type": sample.kind, **span})
        if sample.quantity is None:
            database.add("category_samples", {"data_id": number, "value": sample.value})
        else:
            database.add("quantity_samples", {"data_id": number, "quantity": sample.quantity})
        if sample.kind == WORKOUT:
            database.add("workouts", {"data_id": number, "activity_type": 37, "duration": sample.seconds})
            activity = {
                "owner_id": number,
                "is_primary_activity": 1,
                "activity_type": 37,
                "duration": sample.seconds,
            }
            database.add("workout_activities", {**activity, **span})
    return database


SAMPLES: tuple[MadeSample, ...] = (
    # A walk that the phone and the watch both counted: 1,000 and 1,100 steps in one hour.
    MadeSample(kind=STEPS, start=MIDNIGHT + 9 * _HOUR, seconds=600, quantity=600),
    MadeSample(kind=STEPS, start=MIDNIGHT + 9 * _HOUR + 900, seconds=600, quantity=400),
    MadeSample(kind=STEPS, start=MIDNIGHT + 9 * _HOUR + 60, seconds=1200, quantity=1100, source=WATCH),
    # Only the phone in the afternoon, only the watch in the evening.
    MadeSample(kind=STEPS, start=MIDNIGHT + 15 * _HOUR, seconds=300, quantity=250),
    MadeSample(kind=STEPS, start=MIDNIGHT + 20 * _HOUR, seconds=300, quantity=300, source=WATCH),
    MadeSample(kind=STEPS, start=MIDNIGHT + 21 * _HOUR, seconds=300, quantity=9999, deleted=True),
    # The next day in Nepal: 00:35 there is 20:50 of the day before in Berlin.
    MadeSample(kind=STEPS, start=1_717_353_600 + 6 * 60 + 240, quantity=50, zone=KATHMANDU),
    MadeSample(kind=HEART, start=MIDNIGHT + 9 * _HOUR, quantity=1.0, source=WATCH),
    MadeSample(kind=HEART, start=MIDNIGHT + 10 * _HOUR, quantity=2.0, source=WATCH),
    MadeSample(kind=WEIGHT, start=MIDNIGHT + 7 * _HOUR, seconds=0, quantity=70.5),
    MadeSample(kind=SLEEP, start=MIDNIGHT - 2 * _HOUR, seconds=8 * _HOUR, value=0),
    MadeSample(kind=SLEEP, start=MIDNIGHT - _HOUR, seconds=4 * _HOUR, value=3, source=WATCH),
    MadeSample(kind=SLEEP, start=MIDNIGHT + 3 * _HOUR, seconds=2 * _HOUR, value=5, source=WATCH),
    MadeSample(kind=9876, start=MIDNIGHT + 9 * _HOUR, quantity=3.0),
    MadeSample(kind=WORKOUT, start=MIDNIGHT + 9 * _HOUR, seconds=1800, quantity=None),
)
DAYS: tuple[HealthDay, ...] = (
    HealthDay(kind="steps", day="2024-06-02", figures={"sum": 1100 + 250 + 300}, samples=5),
    HealthDay(kind="steps", day="2024-06-03", figures={"sum": 50}, samples=1),
    HealthDay(
        kind="heart rate", day="2024-06-02", figures={"average": 90, "least": 60, "most": 120}, samples=2
    ),
    HealthDay(kind="weight", day="2024-06-02", figures={"average": 70.5}, samples=1),
    HealthDay(kind="sleep", day="2024-06-02", figures={"in bed": 8, "core": 4, "REM": 2}, samples=3),
    HealthDay(kind="type 9876", day="2024-06-02", figures={"average": 3.0}, samples=1),
)
"""What the samples above amount to."""
