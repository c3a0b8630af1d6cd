"""Gathers all evidence from every source available: the first half of ``ibackup doctor``.

No source is required, and none can fail the others. It is an error if what the user named is not a backup or an
archive, or if the phone must be unlocked or trusted first and there is no other source.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TypeVar, cast

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base import slices
from ibackup.base.errors import IbackupError, NoPhone, PasswordNeeded, PasswordWrong, UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted, ignore
from ibackup.base.udids import same_udid
from ibackup.base.user_cache import cache_dir
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.doctor.evidence.noted_evidence import LocalBackup, NotedEvidence
from ibackup.doctor.evidence.phone_evidence import (
    AppleEvidence,
    Evidence,
    Identity,
    LiveEvidence,
    NewestIos,
    PersonAnswers,
    PhoneEvidence,
    SystemStatus,
)
from ibackup.doctor.evidence.sighting import NOT_ASKED, EvidenceSource, Fact, Seen, SourceKind, Unseen
from ibackup.doctor.gather import apple_status, connected_phone, sysdiagnose
from ibackup.doctor.gather.backup_notes import backup_date, read_notes, read_settings_values, read_sizes
from ibackup.doctor.gather.watched_attempt import Heard, watch
from ibackup.store.kept_pairings import KeptPairings
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.phone_keys import Keys, Vouch, nobody
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker

T = TypeVar("T")

_APPLE_SECONDS = 11.0
_ENCRYPTED = "the {label} is encrypted, and ibackup does not have its password (--password-file)"
_WRONG = "the {label} is encrypted, and the password does not open it"
_UNLOCK_IT = "give its password: `ibackup doctor --password-file FILE`"


@dataclass(frozen=True, kw_only=True)
class DoctorRequest:
    """Where to look, and for how long.

    Attributes:
        udid: the phone; None: the phone of the named backup, or the only one connected.
        store: where to look for the newest good snapshot; None: nowhere.
        from_backup: a backup folder, made by any tool, to read instead.
        from_sysdiagnose: a sysdiagnose archive to read.
        unlocker: opens encrypted backups.
        offline: ask nothing of Apple.
        watch_seconds: how long to watch the log; None: do not watch.
        watch_network: count bytes at the same time; the user must have agreed.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for someone to unlock the phone.
        limits: how long the phone may be silent; None: the defaults.
        answers: what the person said.
        feeds: Apple's addresses; None: the real ones.
        cache: folder that caches Apple's answers; None: the user's own.
        address: usbmuxd's.
        vouches: asked when it is not sure to be the phone that was backed up before.
    """

    udid: str | None = None
    store: Store | None = None
    from_backup: str | None = None
    from_sysdiagnose: str | None = None
    unlocker: Unlocker = field(default_factory=Unlocker)
    offline: bool = False
    watch_seconds: float | None = None
    watch_network: bool = False
    wait: float = 0.0
    patience: float = 0.0
    limits: Limits | None = None
    answers: PersonAnswers = field(default_factory=PersonAnswers)
    feeds: apple_status.Feeds | None = None
    cache: str | None = None
    address: str | None = None
    vouches: Vouch = nobody


@dataclass(frozen=True)
class _FromBackup:
    """What was read from one backup."""

    noted: NotedEvidence
    phone: PhoneEvidence
    source: EvidenceSource | None = None
    local: Fact[LocalBackup | None] = NOT_ASKED


def gather(request: DoctorRequest, observe: Observer = ignore, heard: Heard = lambda _: None) -> Evidence:
    """Look everywhere.

    Args:
        request: where.
        observe: gets the progress.
        heard: gets what is seen while watching.

    Raises:
        UsageError: several phones are connected, or the named backup belongs to another phone.
        NotABackup: what the user named is not a backup.
        NoPhone: there is no phone to watch.
        PersonNeeded, …: the phone cannot be read, and there is no other source.
    """
    now = datetime.now(UTC)
    asking_apple = _AskingApple(request)
    with ExitStack() as opened:
        given = _given_backup(request, opened)
        archive = sysdiagnose.read(request.from_sysdiagnose) if request.from_sysdiagnose else None
        udid = request.udid or (given.udid if given is not None else None)
        phone, trouble = _connect(request, udid, opened, observe)
        from_phone, usb_source = PhoneEvidence(), None
        if phone is not None:
            udid = phone.udid
            asking_apple.about(phone.facts.product_type)
            observe(PhaseStarted("check", f"Asking the {phone.facts.noun} about iCloud Backup."))
            from_phone, usb_source = connected_phone.read_phone(phone)
            _keep(request.store, phone.facts)
        kept = _newest_snapshot(request, udid)
        from_backup = _read_backup(request, given, kept, opened, observe)
        noted = from_backup.noted
        if archive is not None:
            noted = _newer(noted, archive[0])
        if trouble is not None:
            nothing = from_backup.source is None and archive is None
            if nothing and (request.watch_seconds is not None or not isinstance(trouble, NoPhone)):
                raise trouble
            observe(Caution(f"The phone itself was not read: {_sentence(trouble)}.", trouble.hint))
        from_phone = _filled(from_phone, from_backup.phone)
        if phone is None:
            asking_apple.about(from_phone.identity.product_type if from_phone.identity else None)
        live = _watched(request, phone, trouble, from_phone, heard)
        evidence = Evidence(
            now=now,
            reachable=Unseen(_sentence(trouble)) if usb_source is None else Seen(True, usb_source),
            phone=from_phone,
            noted=noted,
            local=from_backup.local,
            apple=asking_apple.answers(),
            live=live,
            answers=request.answers,
        )
    read = (usb_source, from_backup.source, archive[1] if archive is not None else None)
    return replace(evidence, sources=_sources(evidence, *read))


# -- the phone ------------------------------------------------------------------------------------------------


def _connect(
    request: DoctorRequest, udid: str | None, opened: ExitStack, observe: Observer
) -> tuple[Phone | None, IbackupError | None]:
    """The phone, or why it cannot be read."""
    try:
        phone = open_phone(
            udid,
            address=request.address,
            wait=request.wait,
            patience=request.patience,
            limits=request.limits,
            observer=observe,
            recognition=Keys(request.store, request.vouches),
            wifi=OverWifi(KeptPairings()),
        )
    except UsageError:
        raise
    except IbackupError as error:
        return None, error
    return opened.enter_context(phone), None


def _keep(store: Store | None, facts: PhoneFacts) -> None:
    """What the phone reported about iCloud, for `ibackup status`."""
    if store is not None:
        store.remember(facts.udid, facts.name, facts.cloud_backup_enabled, facts.last_cloud_backup)


def _watched(
    request: DoctorRequest,
    phone: Phone | None,
    trouble: IbackupError | None,
    seen: PhoneEvidence,
    heard: Heard,
) -> LiveEvidence:
    if request.watch_seconds is None and not request.watch_network:
        return LiveEvidence()
    if phone is None:
        why = Unseen(_sentence(trouble))
        return LiveEvidence(log=why, traffic=why if request.watch_network else NOT_ASKED)
    return watch(
        phone,
        request.watch_seconds or 30.0,
        network=request.watch_network,
        clock_offset=seen.clock_offset.get() or 0.0,
        heard=heard,
    )


def _filled(phone: PhoneEvidence, backup: PhoneEvidence) -> PhoneEvidence:
    """Fill in from the backup what the phone did not report."""
    changes: dict[str, object] = {}
    if phone.identity is None:
        changes["identity"] = backup.identity
    for each in fields(PhoneEvidence):
        told, kept = getattr(phone, each.name), getattr(backup, each.name)
        if isinstance(told, Unseen) and isinstance(kept, Seen):
            changes[each.name] = kept
    return replace(phone, **changes)  # type: ignore[arg-type]  # each is of its field's type


# -- backups ----------------------------------------------------------------------------------------------------


def _given_backup(request: DoctorRequest, opened: ExitStack) -> Backup | None:
    if request.from_backup is None:
        return None
    backup = opened.enter_context(Backup.open(request.from_backup))
    if request.udid is not None and not same_udid(request.udid, backup.udid):
        raise UsageError(
            "The backup belongs to another phone.",
            why=f"It is from {backup.udid}; --phone names {request.udid}.",
            hint="Leave --phone out, or name a backup of that phone.",
        )
    return backup


def _newest_snapshot(request: DoctorRequest, udid: str | None) -> Fact[Snapshot | None]:
    """The newest good snapshot of the phone, or of the only phone in the store."""
    if request.store is None:
        return Unseen("there is no store")
    try:
        folder = _folder(request.store, udid)
        if folder is None:
            several = "the store has backups of several phones; choose one with --phone"
            return Unseen(several if request.store.phones() else "the store has no backup yet")
        newest = folder.standing().newest_good
        snapshot = newest.snapshot if newest else None
    except IbackupError as error:
        return Unseen(_sentence(error))
    return Seen(snapshot, _backup_source(snapshot.meta.data_from if snapshot else datetime.now(UTC)))


def _folder(store: Store, udid: str | None) -> PhoneFolder | None:
    if udid is not None:
        return store.phone(udid)
    phones = store.phones()
    return phones[0] if len(phones) == 1 else None


def _read_backup(
    request: DoctorRequest,
    given: Backup | None,
    kept: Fact[Snapshot | None],
    opened: ExitStack,
    observe: Observer,
) -> _FromBackup:
    """What the named backup says, or else the newest snapshot."""
    snapshot = kept.get()
    local: Fact[LocalBackup | None]
    if isinstance(kept, Unseen):
        local = kept
    elif snapshot is None:
        local = Seen(None, kept.source)
    else:
        meta = snapshot.meta
        local = Seen(
            LocalBackup(
                finished=meta.finished,
                encrypted=meta.encrypted,
                readable=not meta.encrypted,
            ),
            kept.source,
        )
    if given is not None:
        date = backup_date(given) or datetime.now(UTC)
        return replace(_from(given, _backup_source(date), request, observe), local=local)
    if snapshot is None:
        why = kept.why if isinstance(kept, Unseen) else "there is no local backup of this phone yet"
        return _FromBackup(_all_unseen(why), PhoneEvidence(), local=local)
    source = _backup_source(snapshot.meta.data_from)
    try:
        backup = opened.enter_context(Backup.open(snapshot.backup_path, known=True))
    except (IbackupError, OSError):
        return _FromBackup(_all_unseen(f"the {source.label} cannot be read"), PhoneEvidence(), local=local)
    found = _from(backup, source, request, observe)
    if isinstance(local, Seen) and local.value is not None and found.source is not None:
        local = replace(local, value=replace(local.value, readable=True))
    return replace(found, local=local)


def _from(backup: Backup, source: EvidenceSource, request: DoctorRequest, observe: Observer) -> _FromBackup:
    fix = _UNLOCK_IT
    try:
        why = _unlock(backup, source.label, request.unlocker)
    except FormatError as error:
        why, fix = f"the {source.label} cannot be read ({error.flaw})", ""
    identity = _identity_of(backup)
    if why:
        return _FromBackup(_all_unseen(why, fix), PhoneEvidence(identity=identity))
    observe(PhaseStarted("check", f"Reading the {source.label}."))
    noted = replace(read_notes(backup, source), sizes=read_sizes(backup, source))
    phone = PhoneEvidence(identity=identity)
    settings = read_settings_values(backup, source)
    if isinstance(settings, Seen):
        told = settings.value
        phone = replace(
            phone,
            toggle=connected_phone.flag_fact(told, "CloudBackupEnabled", source),
            last_cloud_backup=connected_phone.cloud_date_fact(told, source, source.date),
            last_local_backup=connected_phone.local_date_fact(told, source, source.date),
        )
    return _FromBackup(noted, phone, source)


def _unlock(backup: Backup, label: str, unlocker: Unlocker) -> str:
    """Unlock the backup if needed. Returns why that failed, or an empty text. Raises FormatError."""
    try:
        unlocker.open(backup, phase=PhaseStarted("check", f"Unlocking the {label}."))
    except PasswordWrong:
        return _WRONG.format(label=label)
    except PasswordNeeded as error:  # the user named a source, and it has nothing
        return _sentence(error)
    return "" if backup.unlocked else _ENCRYPTED.format(label=label)


def _identity_of(backup: Backup) -> Identity | None:
    try:
        phone = backup.manifest.lockdown
    except FormatError:
        return None
    kind = phone.product_type.rstrip("0123456789,")
    return Identity(
        udid=backup.udid,
        name=phone.device_name or None,
        noun=kind if kind in ("iPad", "iPod") else "iPhone",
        product_type=phone.product_type or None,
        ios_version=phone.product_version or None,
        build=phone.build_version or None,
    )


def _backup_source(date: datetime) -> EvidenceSource:
    day = date.astimezone()
    return EvidenceSource("backup", date, f"local backup of {day.day} {day:%B %Y}")


def _all_unseen(why: str, fix: str = "") -> NotedEvidence:
    unseen = Unseen(why, fix)
    return NotedEvidence(notes=unseen, settings=unseen, accounts=unseen, sizes=unseen)


def _newer(one: NotedEvidence, other: NotedEvidence) -> NotedEvidence:
    """For each fact, the value that was seen; if both were, the newer one."""
    return NotedEvidence(
        notes=_later(one.notes, other.notes),
        settings=_later(one.settings, other.settings),
        accounts=_later(one.accounts, other.accounts),
        sizes=_later(one.sizes, other.sizes),
    )


def _later(one: Fact[T], other: Fact[T]) -> Fact[T]:
    if isinstance(one, Unseen):
        return other if isinstance(other, Seen) else one
    return other if isinstance(other, Seen) and other.source.date > one.source.date else one


# -- Apple ------------------------------------------------------------------------------------------------------


class _AskingApple:
    """Asks Apple in threads while the phone is read, and waits for them only as long as their limit."""

    def __init__(self, request: DoctorRequest) -> None:
        self._offline = request.offline
        self._where = request.feeds if request.feeds is not None else apple_status.default_feeds()
        self._folder = request.cache if request.cache is not None else cache_dir()
        self._threads: list[threading.Thread] = []
        self._end = 0.0
        self._answers: dict[str, object] = {}
        if not self._offline:
            self._start("status", lambda: apple_status.read_status(self._where, self._folder))

    def about(self, product_type: str | None) -> None:
        """Ask for the newest iOS of a model."""
        if not self._offline:
            self._start("newest", lambda: apple_status.read_newest(self._where, product_type, self._folder))

    def answers(self) -> AppleEvidence:
        """What arrived."""
        if self._offline:
            return AppleEvidence(status=apple_status.OFFLINE, newest=apple_status.OFFLINE)
        for thread in self._threads:
            slices.join(thread, max(self._end - time.monotonic(), 0.0))
        late = Unseen("it did not answer in time")
        return AppleEvidence(
            status=cast("Fact[SystemStatus]", self._answers.get("status", late)),
            newest=cast("Fact[NewestIos | None]", self._answers.get("newest", late)),
        )

    def _start(self, name: str, ask: Callable[[], object]) -> None:
        def work() -> None:
            self._answers[name] = ask()

        # A name that the system's resolver is stuck on must not delay the program's end.
        thread = threading.Thread(target=work, name=f"ibackup-apple-{name}", daemon=True)
        self._threads.append(thread)
        self._end = time.monotonic() + _APPLE_SECONDS
        thread.start()


# -- what was read ------------------------------------------------------------------------------------------------


def _sources(evidence: Evidence, *read: EvidenceSource | None) -> tuple[EvidenceSource, ...]:
    facts = (evidence.live.log, evidence.live.traffic, evidence.apple.status, evidence.apple.newest)
    found = [source for source in read if source is not None]
    found += [fact.source for fact in facts if isinstance(fact, Seen)]
    order: tuple[SourceKind, ...] = ("usb", "backup", "sysdiagnose", "live", "apple", "person")
    return tuple(sorted(dict.fromkeys(found), key=lambda each: order.index(each.kind)))


def _sentence(error: IbackupError | None) -> str:
    """An error as part of a sentence."""
    what = error.what.rstrip(".") if error is not None else "no phone was read"
    return what[:1].lower() + what[1:]
