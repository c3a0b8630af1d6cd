"""Is everything in place on this computer, and if not, what exactly is to be typed? One file a system."""

from ibackup.readiness.checking import check_all
from ibackup.readiness.types import Check, State, is_ready

__all__ = ["Check", "State", "check_all", "is_ready"]
