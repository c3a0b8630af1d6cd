"""Every figure by which the checks judge, in one table.

Figures for which Apple gives no number are our own choice; change them here.
"""

from dataclasses import dataclass
from datetime import timedelta

GB = 1_000_000_000
MB = 1_000_000
MEGABIT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Times, bytes and counts; the comment says what each decides."""

    # -- C03: The last success --
    success_recent: timedelta = timedelta(hours=48)  # younger than this: iCloud Backup works
    success_overdue: timedelta = timedelta(days=7)  # older: something is wrong
    success_alert: timedelta = timedelta(days=14)  # older: the phone itself warns
    success_expiring: timedelta = timedelta(days=150)  # older: near the 180 days after which Apple deletes it
    first_pending: timedelta = timedelta(
        hours=48
    )  # switched on more recently: the first backup may not have run yet

    # How long an attempt is watched
    watch_seconds: float = 180.0

    # Evidence ages
    notes_stale: timedelta = timedelta(days=14)  # older notes of the phone prove nothing about today
    answers_stale: timedelta = timedelta(days=7)  # what the phone showed, or how full iCloud was
    local_fresh: timedelta = timedelta(
        days=1
    )  # a local backup younger than this protects before a risky step
    local_old: timedelta = timedelta(days=30)  # an older one is as good as none (C30)

    # -- C02: Apple --
    resolved_recent: timedelta = timedelta(hours=24)

    # -- C16: Restore --
    restore_recent: timedelta = timedelta(days=7)
    placeholders_many: int = 5

    # -- C09 to C12: Conditions --
    windows_days: timedelta = timedelta(days=7)
    windows_few: int = 2  # fewer say nothing about habits
    windows_looked_at: int = 5
    windows_by_power: int = 3  # of those: no power at night
    window_short: timedelta = timedelta(minutes=30)  # median
    window_interrupted: timedelta = timedelta(minutes=15)
    window_good: timedelta = timedelta(hours=2)

    # -- C13: Network --
    network_errors: int = 2
    upload_slow: float = 1 * MEGABIT  # bit/s
    vpn_share: float = 0.2  # of the bytes that left

    # -- C10, C15: Power --
    battery_low: int = 20  # percent
    battery_hot: float = 38.0  # °C
    battery_draining: int = -100  # mA, although a cable is connected

    # -- C17: Room on the phone --
    free_likely: int = 200 * MB
    free_possible: int = 1 * GB

    # Clock (C18), either way
    clock_note: timedelta = timedelta(minutes=10)
    clock_wrong: timedelta = timedelta(hours=24)

    # -- C19: iOS --
    ios_too_old: int = 9

    # -- C08, C20, C21: Sizes --
    free_plan: int = 5 * GB
    plan_tight: float = 0.7
    plan_full: float = 0.02  # free share of a plan that counts as none
    nights_possible: float = 1.0  # needed time over the longest window
    nights_likely: float = 3.0
    upload_overhead: float = 1.2
    apps_backed_up: float = 0.5  # the least share of the apps' data that is surely backed up
    app_large: int = 500 * MB
    app_tiny: int = 50 * MB  # apps below that are not worth a line

    # -- C28: Apps (C22), crashes (C24), waiting (C25), damage --
    app_named: int = 2
    crashes_days: timedelta = timedelta(days=14)
    crashes_many: int = 2
    wait_long: timedelta = timedelta(hours=24)


LIMITS = Thresholds()
