"""A clock for limits on idle time: it also counts while the computer sleeps, and nobody can set it."""

import time


def seconds_passed() -> float:
    """Seconds since some moment in the past.

    On Linux, ``time.monotonic`` stops while the computer sleeps. With it, a laptop that was closed for a night would
    still show opened backups in the morning.
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
