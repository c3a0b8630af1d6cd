"""The phones of unattended runs, and the age of their backups."""

import contextlib
from dataclasses import dataclass

from ibackup.base import identities
from ibackup.base.errors import NoPhone
from ibackup.base.events import Observer
from ibackup.base.udids import dashed, same_udid
from ibackup.config.config_schema import Config, PhoneRules
from ibackup.device.phones.found_phones import find
from ibackup.store.kept_pairings import KeptPairings
from ibackup.store.store import Store


@dataclass(frozen=True, slots=True)
class KnownPhone:
    """A phone to back up.

    Attributes:
        udid: as its folder in the store spells it, else as the config does.
        name: its name in the config, else its last known name, else its UDID.
        rules: the config's settings for it.
    """

    udid: str
    name: str
    rules: PhoneRules


def known_phones(store: Store | None, config: Config) -> tuple[KnownPhone, ...]:
    """Those in the config, in its order, and those that have a folder in the store, if there is a store.

    Raises:
        IbackupError: the store cannot be listed.
    """
    folders = store.phones() if store is not None else []
    found: dict[str, KnownPhone] = {}
    for phone in config.phones:
        udid = next((each.udid for each in folders if same_udid(each.udid, phone.udid)), dashed(phone.udid))
        found[udid] = KnownPhone(udid, phone.name, config.rules(udid))
    for folder in folders:
        if folder.udid not in found:
            name = folder.device_name()
            identities.note(name)
            found[folder.udid] = KnownPhone(folder.udid, name or folder.udid, config.rules(folder.udid))
    return tuple(each for each in found.values() if not config.ignores(each.udid))


def looked_after(
    store: Store | None, config: Config, observe: Observer, *, only: str | None = None
) -> tuple[KnownPhone, ...]:
    """The known phones; with neither a config nor a backup, those that are connected or set up for Wi-Fi.

    Args:
        store: None if it is missing.
        config: the config file.
        observe: gets warnings about connected phones.
        only: the UDID of the only phone to handle, whether or not it was ever seen.
    """
    phones = known_phones(store, config)
    if not phones and not config.phones:
        # One that is set up for Wi-Fi may sleep now.
        names = {each.udid: each.name for each in KeptPairings().all()}
        with contextlib.suppress(NoPhone):  # no usbmuxd runs
            names |= {
                each.udid: each.facts.name or ""
                for each in find(limits=config.limits, observer=observe)
                if each.trust in ("trusted", "locked")
            }
        phones = tuple(KnownPhone(udid, name or udid, config.rules(udid)) for udid, name in names.items())
    if only is None:
        return phones
    chosen = tuple(each for each in phones if same_udid(each.udid, only))
    return chosen or (KnownPhone(dashed(only), only, config.rules(only)),)
