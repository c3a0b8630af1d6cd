"""Backs up every connected phone that trusts this computer, one after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ibackup.base.errors import IbackupError, NoPhone
from ibackup.base.events import Note, Observer
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.base.identities import plain_name, told_apart
from ibackup.config.config_schema import Config
from ibackup.device.phones.found_phones import find
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.jobs.backup.backup_request import BackupRequest
from ibackup.jobs.runs.whole_backup import MayCopy, WholeBackup, never, run
from ibackup.store.kept_pairings import KeptPairings
from ibackup.store.store import Store


@dataclass(frozen=True, slots=True)
class NamedPhone:
    """A connected phone.

    Attributes:
        name: its name in the config, else its own, else its UDID.
        shown: the same, with more if another phone here has that name.
        trusts: whether it trusts this computer.
        problem: why it cannot be asked, if it cannot.
    """

    udid: str
    name: str
    shown: str
    trusts: bool
    problem: IbackupError | None = None


@dataclass(frozen=True, slots=True)
class PhoneRun:
    """How one phone's backup ended: with a backup or an error."""

    phone: NamedPhone
    ended: WholeBackup | IbackupError

    @property
    def code(self) -> ExitCode:
        """The exit code that this phone adds."""
        return self.ended.exit_code if isinstance(self.ended, IbackupError) else self.ended.made.code


def connected_phones(store: Store, config: Config, observe: Observer) -> list[NamedPhone]:
    """The phones that are connected or found over Wi-Fi, by name."""
    found = find(limits=config.limits, observer=observe, wifi=OverWifi(KeptPairings()))
    names = {each.udid: _name(store, config, each.udid, each.facts.name) for each in found}
    shown = told_apart(names)
    named = [
        NamedPhone(
            each.udid,
            names[each.udid],
            shown[each.udid],
            each.trust in ("trusted", "locked"),
            each.problem,
        )
        for each in found
    ]
    return sorted(named, key=lambda phone: plain_name(phone.name))


def back_up_each(
    phones: Iterable[NamedPhone],
    request: BackupRequest,
    config: Config,
    observe: Observer,
    *,
    may_copy: MayCopy = never,
) -> Iterator[PhoneRun]:
    """Back up those that trust this computer. If one phone fails, the others still get their turn.

    Args:
        phones: the connected phones.
        request: the settings for each phone.
        config: the rules for each phone.
        observe: gets the events of all of them.
        may_copy: as for one phone.

    Yields:
        Each phone's result as soon as it is known.

    Raises:
        NoPhone: no connected phone trusts this computer.
    """
    trusting = [each for each in phones if each.trusts]
    if not trusting:
        raise NoPhone(
            "No connected phone trusts this computer.",
            hint="Plug one in, unlock it, and run `ibackup now`: it asks whether to trust this computer.",
        )
    for phone in trusting:
        observe(Note(f"Now {phone.shown}."))
        try:
            done = run(replace(request, udid=phone.udid), config, observe, may_copy=may_copy)
        except IbackupError as error:
            yield PhoneRun(phone, error)
        else:
            yield PhoneRun(phone, done)


def code_of(runs: Iterable[PhoneRun]) -> ExitCode:
    """The exit code of all: the only one other than 0 if there is just one, else the worst."""
    codes = {each.code for each in runs} - {ExitCode.OK}
    return next(iter(codes)) if len(codes) == 1 else worst(codes)


def _name(store: Store, config: Config, udid: str, own: str | None) -> str:
    configured = config.phone(udid)
    return (configured.name if configured else "") or own or store.phone(udid).device_name() or udid
