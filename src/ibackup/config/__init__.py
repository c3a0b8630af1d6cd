"""``config.toml``: where the store is, the phones' names, how the nights go, who is told what.

``schema`` is all there is to say, ``kinds`` how each value is written, ``reading`` finds the file and the error in it.
"""

from ibackup.config.kinds import Window, duration_s, is_udid, same_udid, size_bytes, window
from ibackup.config.reading import default_path, load, store_path
from ibackup.config.schema import (
    ALARMS,
    Alarm,
    Config,
    NightlyConfig,
    NotifyConfig,
    PhoneConfig,
    PhoneRules,
    ProofConfig,
    PruneConfig,
)

__all__ = [
    "ALARMS",
    "Alarm",
    "Config",
    "NightlyConfig",
    "NotifyConfig",
    "PhoneConfig",
    "PhoneRules",
    "ProofConfig",
    "PruneConfig",
    "Window",
    "default_path",
    "duration_s",
    "is_udid",
    "load",
    "same_udid",
    "size_bytes",
    "store_path",
    "window",
]
