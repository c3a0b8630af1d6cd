"""Apple's backup format: reading, decryption, seal and verification. Needs no phone and no network.

Modules are loaded when first used, so that importing this package costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibackup.manifest.flaws import FormatError as FormatError
    from ibackup.manifest.flaws import KeyRefused as KeyRefused
    from ibackup.manifest.flaws import SealDamaged as SealDamaged
    from ibackup.manifest.keybag import ClassKeys as ClassKeys
    from ibackup.manifest.keybag import Keybag as Keybag
    from ibackup.manifest.plists import InfoPlist as InfoPlist
    from ibackup.manifest.plists import ManifestPlist as ManifestPlist
    from ibackup.manifest.plists import StatusPlist as StatusPlist
    from ibackup.manifest.seal import Seal as Seal
    from ibackup.manifest.seal import SealLine as SealLine

_HOME = {
    "ClassKeys": "keybag",
    "FormatError": "flaws",
    "InfoPlist": "plists",
    "KeyRefused": "flaws",
    "Keybag": "keybag",
    "ManifestPlist": "plists",
    "Seal": "seal",
    "SealDamaged": "flaws",
    "SealLine": "seal",
    "StatusPlist": "plists",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names is enough


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
