"""Which phones unattended runs look after, and how fresh their backups are."""

import contextlib
from dataclasses import dataclass
from datetime import datetime

from ibackup import identities
from ibackup.config import Config, PhoneRules, same_udid
from ibackup.device import find
from ibackup.device.usbmux import dashed
from ibackup.errors import NoPhone
from ibackup.events import Observer
from ibackup.store import Snapshot, Store


@dataclass(frozen=True, slots=True)
class KnownPhone:
    """A phone to look after.

    Attributes:
        udid: as its folder in the store spells it, else as the config does.
        name: its name in the config, else what its newest snapshot or the phone itself says.
        rules: what the config says for it.
    """

    udid: str
    name: str
    rules: PhoneRules


def known_phones(store: Store | None, config: Config) -> tuple[KnownPhone, ...]:
    """Those in the config, in its order, and those that have a folder in the store, where there is one.

    Raises:
        IbackupError: the store cannot be listed.
    """
    folders = store.phones() if store is not None else []
    found: dict[str, KnownPhone] = {}
    for phone in config.phones:
        udid = next((each.udid for each in folders if same_udid(each.udid, phone.udid)), dashed(phone.udid))
        found[udid] = KnownPhone(udid, phone.name, config.rules(udid))
    for folder in folders:
        newest = folder.newest()
        if folder.udid not in found and newest is not None:
            name = newest.meta.device_name or folder.udid
            identities.note(newest.meta.device_name)
            found[folder.udid] = KnownPhone(folder.udid, name, config.rules(folder.udid))
    return tuple(each for each in found.values() if not _ignored(config, each.udid))


def looked_after(
    store: Store | None, config: Config, observe: Observer, *, only: str | None = None
) -> tuple[KnownPhone, ...]:
    """The known phones; with neither a config nor a backup, every connected one that trusts this computer.

    Args:
        store: None while it is away.
        config: see there.
        observe: is told what is odd with those that are connected.
        only: the UDID of the only one that is meant; it is looked after whether it was ever seen or not.
    """
    phones = known_phones(store, config)
    if not phones and not config.phones:
        with contextlib.suppress(NoPhone):  # no usbmuxd runs
            phones = tuple(
                KnownPhone(each.udid, each.facts.name or each.udid, config.rules(each.udid))
                for each in find(observer=observe)
                if each.trust in ("trusted", "locked")
            )
    if only is None:
        return phones
    chosen = tuple(each for each in phones if same_udid(each.udid, only))
    return chosen or (KnownPhone(dashed(only), only, config.rules(only)),)


def made(snapshot: Snapshot | None) -> datetime | None:
    """Of when a snapshot's data is; None for none. A phone whose clock is ahead does not make it younger."""
    return None if snapshot is None else min(snapshot.meta.data_from, snapshot.meta.finished)


def _ignored(config: Config, udid: str) -> bool:
    phone = config.phone(udid)
    return phone is not None and phone.ignore
