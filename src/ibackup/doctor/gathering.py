"""All evidence there is, from every source that can be had: the first half of ``ibackup doctor``.

No source is needed and none fails the others. What was named by the user and is no backup or no archive is an
error; so is a phone that wants to be unlocked or trusted when there is nothing else to go by.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TypeVar, cast

from ibackup.config import same_udid
from ibackup.device import Phone, PhoneFacts, open_phone
from ibackup.doctor import apple, feeds, sysdiagnose, usb
from ibackup.doctor.backupfiles import backup_date, read_notes, read_settings_values, read_sizes
from ibackup.doctor.evidence import (
    NOT_ASKED,
    Answers,
    AppleEvidence,
    Evidence,
    Fact,
    Identity,
    LiveEvidence,
    LocalBackup,
    NewestIos,
    NotedEvidence,
    PhoneEvidence,
    Seen,
    Source,
    SourceKind,
    SystemStatus,
    Unseen,
)
from ibackup.doctor.watching import Heard, watch
from ibackup.errors import IbackupError, PasswordNeeded, PasswordWrong, UsageError
from ibackup.events import Caution, Observer, PhaseStarted, ignore
from ibackup.manifest.backup import Backup
from ibackup.manifest.flaws import FormatError
from ibackup.store import PhoneFolder, Snapshot, Store

T = TypeVar("T")
PasswordSource = Callable[[str], str | None]
"""Gives the password of a phone's backups by its UDID, None when there is none."""

_APPLE_SECONDS = 11.0
_ENCRYPTED = "the {label} is encrypted, and its password is not known (--password-file)"
_WRONG = "the {label} is encrypted, and the password does not open it"
_UNLOCK_IT = "give its password: `ibackup doctor --password-file FILE`"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be looked at.

    Attributes:
        udid: the phone; None: the one of the backup that is named, or the only one connected.
        store: where the newest good snapshot is looked for; None: nowhere.
        from_backup: a backup folder, of any tool, to be read instead.
        from_sysdiagnose: such an archive.
        password: of encrypted backups.
        offline: ask nothing of Apple.
        watch_seconds: watch the log for so long; None: not.
        watch_network: count bytes meanwhile; somebody has to have agreed.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for somebody to unlock the phone.
        answers: what the person said.
        feeds: Apple's addresses; None: the real ones.
        cache: folder for what Apple said; None: the user's own.
        address: usbmuxd's.
    """

    udid: str | None = None
    store: Store | None = None
    from_backup: str | None = None
    from_sysdiagnose: str | None = None
    password: PasswordSource = lambda _: None
    offline: bool = False
    watch_seconds: float | None = None
    watch_network: bool = False
    wait: float = 0.0
    patience: float = 0.0
    answers: Answers = field(default_factory=Answers)
    feeds: apple.Feeds | None = None
    cache: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class _FromBackup:
    """What one backup gave."""

    noted: NotedEvidence
    phone: PhoneEvidence
    source: Source | None = None
    local: Fact[LocalBackup | None] = NOT_ASKED


def gather(request: Request, observe: Observer = ignore, heard: Heard = lambda _: None) -> Evidence:
    """Look everywhere.

    Args:
        request: where.
        observe: is told what goes on.
        heard: is told what is heard while watching.

    Raises:
        UsageError: several phones are connected, or the backup that was named is of another phone.
        NotABackup: what was named is none.
        NoPhone, PersonNeeded, …: the phone cannot be asked, and there is no other source.
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
            from_phone, usb_source = usb.read_phone(phone)
            _keep(request.store, phone.facts)
        kept = _newest_snapshot(request, udid)
        from_backup = _read_backup(request, given, kept, opened, observe)
        noted = from_backup.noted
        if archive is not None:
            noted = _newer(noted, archive[0])
        if trouble is not None:
            if from_backup.source is None and archive is None:
                raise trouble
            observe(Caution(f"The phone itself was not asked: {_sentence(trouble)}.", trouble.hint))
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
    request: Request, udid: str | None, opened: ExitStack, observe: Observer
) -> tuple[Phone | None, IbackupError | None]:
    """The phone, or why it cannot be asked."""
    try:
        phone = open_phone(
            udid, address=request.address, wait=request.wait, patience=request.patience, observer=observe
        )
    except UsageError:
        raise
    except IbackupError as error:
        return None, error
    return opened.enter_context(phone), None


def _keep(store: Store | None, facts: PhoneFacts) -> None:
    """What the phone told of iCloud, for `ibackup status`."""
    if store is not None:
        store.remember(facts.udid, facts.name, facts.cloud_backup_enabled, facts.last_cloud_backup)


def _watched(
    request: Request, phone: Phone | None, trouble: IbackupError | None, seen: PhoneEvidence, heard: Heard
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
    """What the phone did not tell, as its backup has it."""
    changes: dict[str, object] = {}
    if phone.identity is None:
        changes["identity"] = backup.identity
    for each in fields(PhoneEvidence):
        told, kept = getattr(phone, each.name), getattr(backup, each.name)
        if isinstance(told, Unseen) and isinstance(kept, Seen):
            changes[each.name] = kept
    return replace(phone, **changes)  # type: ignore[arg-type]  # each is of its field's type


# -- backups ----------------------------------------------------------------------------------------------------


def _given_backup(request: Request, opened: ExitStack) -> Backup | None:
    if request.from_backup is None:
        return None
    backup = opened.enter_context(Backup.open(request.from_backup))
    if request.udid is not None and not same_udid(request.udid, backup.udid):
        raise UsageError(
            "The backup is of another phone.",
            why=f"It is of {backup.udid}; --phone names {request.udid}.",
            hint="Leave --phone out, or name a backup of that phone.",
        )
    return backup


def _newest_snapshot(request: Request, udid: str | None) -> Fact[Snapshot | None]:
    """The newest good one of the phone, or of the only phone in the store."""
    if request.store is None:
        return Unseen("there is no store")
    try:
        folder = _folder(request.store, udid)
        if folder is None:
            return Unseen("the store holds several phones, and none was named (--phone)")
        snapshot = folder.newest_good()
    except IbackupError as error:
        return Unseen(_sentence(error))
    return Seen(snapshot, _backup_source(snapshot.meta.data_from if snapshot else datetime.now(UTC)))


def _folder(store: Store, udid: str | None) -> PhoneFolder | None:
    if udid is not None:
        return store.phone(udid)
    phones = store.phones()
    return phones[0] if len(phones) == 1 else None


def _read_backup(
    request: Request, given: Backup | None, kept: Fact[Snapshot | None], opened: ExitStack, observe: Observer
) -> _FromBackup:
    """What the backup that was named says, else the newest snapshot."""
    snapshot = kept.get()
    local: Fact[LocalBackup | None]
    if isinstance(kept, Unseen):
        local = kept
    elif snapshot is None:
        local = Seen(None, kept.source)
    else:
        meta = snapshot.meta
        local = Seen(
            LocalBackup(snapshot=snapshot.id, finished=meta.finished, encrypted=meta.encrypted), kept.source
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
    return replace(_from(backup, source, request, observe), local=local)


def _from(backup: Backup, source: Source, request: Request, observe: Observer) -> _FromBackup:
    mend = _UNLOCK_IT
    try:
        why = _unlock(backup, source.label, request.password, observe)
    except FormatError as error:
        why, mend = f"the {source.label} cannot be read ({error.flaw})", ""
    identity = _identity_of(backup)
    if why:
        return _FromBackup(_all_unseen(why, mend), PhoneEvidence(identity=identity))
    observe(PhaseStarted("check", f"Reading the {source.label}."))
    noted = replace(read_notes(backup, source), sizes=read_sizes(backup, source))
    phone = PhoneEvidence(identity=identity)
    settings = read_settings_values(backup, source)
    if isinstance(settings, Seen):
        told = settings.value
        phone = replace(
            phone,
            toggle=usb.flag_fact(told, "CloudBackupEnabled", source),
            last_cloud_backup=usb.cloud_date_fact(told, source, source.date),
            last_local_backup=usb.local_date_fact(told, source, source.date),
        )
    return _FromBackup(noted, phone, source)


def _unlock(backup: Backup, label: str, password: PasswordSource, observe: Observer) -> str:
    """Unlock it where that is needed; why that cannot be, or an empty text. Raises FormatError."""
    if backup.unlocked:
        return ""
    try:
        found = password(backup.udid)
        if found is None:
            return _ENCRYPTED.format(label=label)
        observe(PhaseStarted("check", f"Unlocking the {label}."))
        backup.unlock(found)
    except PasswordWrong:
        return _WRONG.format(label=label)
    except PasswordNeeded as error:  # a source was named and gives nothing
        return _sentence(error)
    return ""


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


def _backup_source(date: datetime) -> Source:
    day = date.astimezone()
    return Source("backup", date, f"local backup of {day.day} {day:%B %Y}")


def _all_unseen(why: str, mend: str = "") -> NotedEvidence:
    unseen = Unseen(why, mend)
    return NotedEvidence(notes=unseen, settings=unseen, accounts=unseen, networks=unseen, sizes=unseen)


def _newer(one: NotedEvidence, other: NotedEvidence) -> NotedEvidence:
    """Of each fact the one that was seen, or was seen later."""
    return NotedEvidence(
        notes=_later(one.notes, other.notes),
        settings=_later(one.settings, other.settings),
        accounts=_later(one.accounts, other.accounts),
        networks=_later(one.networks, other.networks),
        sizes=_later(one.sizes, other.sizes),
    )


def _later(one: Fact[T], other: Fact[T]) -> Fact[T]:
    if isinstance(one, Unseen):
        return other if isinstance(other, Seen) else one
    return other if isinstance(other, Seen) and other.source.date > one.source.date else one


# -- Apple ------------------------------------------------------------------------------------------------------


class _AskingApple:
    """Asks in threads of its own while the phone is asked; they are not waited for beyond their time."""

    def __init__(self, request: Request) -> None:
        self._offline = request.offline
        self._where = request.feeds if request.feeds is not None else apple.default_feeds()
        self._folder = request.cache if request.cache is not None else feeds.cache_dir()
        self._threads: list[threading.Thread] = []
        self._end = 0.0
        self._answers: dict[str, object] = {}
        if not self._offline:
            self._start("status", lambda: apple.read_status(self._where, self._folder))

    def about(self, product_type: str | None) -> None:
        """Ask for the newest iOS of a model."""
        if not self._offline:
            self._start("newest", lambda: apple.read_newest(self._where, product_type, self._folder))

    def answers(self) -> AppleEvidence:
        """What came."""
        if self._offline:
            return AppleEvidence(status=apple.OFFLINE, newest=apple.OFFLINE)
        for thread in self._threads:
            thread.join(max(self._end - time.monotonic(), 0.0))
        late = Unseen("it did not answer in time")
        return AppleEvidence(
            status=cast("Fact[SystemStatus]", self._answers.get("status", late)),
            newest=cast("Fact[NewestIos | None]", self._answers.get("newest", late)),
        )

    def _start(self, name: str, ask: Callable[[], object]) -> None:
        def work() -> None:
            self._answers[name] = ask()

        # A name that the system's resolver sits on must not hold the program at its end.
        thread = threading.Thread(target=work, name=f"ibackup-apple-{name}", daemon=True)
        self._threads.append(thread)
        self._end = time.monotonic() + _APPLE_SECONDS
        thread.start()


# -- what was read ------------------------------------------------------------------------------------------------


def _sources(evidence: Evidence, *read: Source | None) -> tuple[Source, ...]:
    facts = (evidence.live.log, evidence.live.traffic, evidence.apple.status, evidence.apple.newest)
    found = [source for source in read if source is not None]
    found += [fact.source for fact in facts if isinstance(fact, Seen)]
    order: tuple[SourceKind, ...] = ("usb", "backup", "sysdiagnose", "live", "apple", "person")
    return tuple(sorted(dict.fromkeys(found), key=lambda each: order.index(each.kind)))


def _sentence(error: IbackupError | None) -> str:
    """An error as part of a sentence."""
    what = error.what.rstrip(".") if error is not None else "no phone was asked"
    return what[:1].lower() + what[1:]
