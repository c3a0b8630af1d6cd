"""The phones as Home shows them: each with its state, what runs for it, and what is plugged in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ibackup.base.udids import plain_udid
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopyRecord
from ibackup.jobs.overview.store_overview import Overview, PhoneStatus
from ibackup.store.disk import record_times
from ibackup.store.disk.lock import Holder
from ibackup.view.home.job_endings import JobEnding, ending
from ibackup.view.running.connected_phones import ConnectedPhone
from ibackup.view.running.job_board import JobBoard
from ibackup.view.running.job_state import JobState
from ibackup.view.running.running_job import RunningJob
from ibackup.view.shown_phones import ShownPhone, slug

Tone = Literal["good", "wait", "bad"]


@dataclass(frozen=True, slots=True)
class SecondCopy:
    """The freshest second copy of a phone's backups.

    Attributes:
        name: of the copy, as the config calls it.
        newest: when the newest backup in it was made.
        is_proven: whether that one was compared with its checksums there.
    """

    name: str
    newest: datetime
    is_proven: bool


@dataclass(frozen=True, slots=True)
class PhoneCard:
    """One phone on Home.

    Attributes:
        slug: stands for it in addresses and in the page's own names.
        is_new: it is plugged in, and there is no backup of it here yet.
        status: what the store knows; None for a new one.
        shown: its pages; None for a new one.
        connected: what it says itself; None while it is not plugged in.
        job: what runs, or ran, for it; None for nothing.
        outside: who else works with it now: a night, or a command in a terminal.
        second_copy: None for none.
    """

    slug: str
    udid: str
    name: str
    model: str
    is_new: bool
    status: PhoneStatus | None = None
    shown: ShownPhone | None = None
    connected: ConnectedPhone | None = None
    running: RunningJob | None = None
    job: JobState | None = None
    outside: Holder | None = None
    second_copy: SecondCopy | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is the phone of a backup folder that was opened; what it is worth is not known."""
        return self.shown is not None and self.shown.folder is None

    @property
    def has_backup(self) -> bool:
        """Whether there is a good backup."""
        return self.is_folder or (self.status is not None and self.status.newest is not None)

    @property
    def is_busy(self) -> bool:
        """Whether something runs for it."""
        return self.outside is not None or (self.job is not None and not self.job.is_over)

    @property
    def ended(self) -> JobEnding | None:
        """How its last job ended, until someone has seen that."""
        outcome = self.job.outcome if self.job else None
        return ending(self.job.kind, outcome) if self.job and outcome else None

    @property
    def tone(self) -> Tone:
        """How it is: safe, waiting for someone, or damaged."""
        if self.is_folder:
            return "good"
        if self.status is not None and self.status.damage:
            return "bad"
        if self.status is None or not self.has_backup or self.status.is_stale or self.is_doubtful:
            return "wait"
        return "good"

    @property
    def is_late(self) -> bool:
        """Whether there is a good backup, but too old a one."""
        return self.has_backup and self.status is not None and self.status.is_stale

    @property
    def is_doubtful(self) -> bool:
        """Whether damage in an older backup may be in the newest as well."""
        return self.shown is not None and self.shown.may_share_damage

    @property
    def word(self) -> str:
        """The same in a word or two."""
        if self.is_folder:
            return "Opened"
        if self.tone == "bad":
            return "Damaged"
        if self.tone == "good":
            return "Safe"
        if not self.has_backup:
            return "No backup yet"
        return "Late" if self.is_late else "Check it"

    @property
    def may_go(self) -> bool:
        """Whether the phone may be unplugged."""
        return self.job is None or self.job.phone_may_go


def cards(
    overview: Overview | None,
    phones: Sequence[ShownPhone],
    connected: Sequence[ConnectedPhone],
    board: JobBoard,
    copies: Sequence[CopyConfig],
) -> tuple[PhoneCard, ...]:
    """A card for each phone of the store, then for each that is plugged in and new."""
    plugged = {plain_udid(each.udid): each for each in connected}
    statuses = {plain_udid(each.udid): each for each in overview.phones} if overview else {}
    found = [
        replace(
            _known(each, statuses.get(plain_udid(each.udid)), plugged, board),
            second_copy=_second_copy(each, copies),
        )
        for each in phones
    ]
    here = {plain_udid(each.udid) for each in phones}
    taken = {each.slug for each in phones}
    for plain, each in plugged.items():
        if plain in here:
            continue
        name = slug(each.name)
        mine = next(
            every for every in (name, *(f"{name}-{n}" for n in range(2, 10_000))) if every not in taken
        )
        taken.add(mine)
        job = board.of(each.udid)
        found.append(
            PhoneCard(
                mine,
                each.udid,
                each.name,
                each.model,
                is_new=True,
                connected=each,
                running=job,
                job=job.state if job else None,
            )
        )
    return tuple(found)


def _known(
    phone: ShownPhone,
    status: PhoneStatus | None,
    plugged: dict[str, ConnectedPhone],
    board: JobBoard,
) -> PhoneCard:
    connected = plugged.get(plain_udid(phone.udid))
    job = board.of(phone.udid)
    version = f"iOS {phone.ios_version}" if phone.ios_version else ""
    model = (connected.model if connected else "") or phone.product_type
    return PhoneCard(
        phone.slug,
        phone.udid,
        phone.name,
        ", ".join(each for each in (model, version) if each),
        is_new=False,
        status=status,
        shown=phone,
        connected=connected,
        running=job,
        job=job.state if job else None,
        outside=board.outside(phone.folder) if phone.folder else None,
    )


def _second_copy(phone: ShownPhone, copies: Sequence[CopyConfig]) -> SecondCopy | None:
    """The copy with the newest backup, as the store remembers it."""
    found: list[SecondCopy] = []
    for each in copies if phone.folder else ():
        record = (
            CopyRecord.read(phone.folder.proofs_path, each.name, each.repository_id) if phone.folder else None
        )
        if record is None or not record.copied:
            continue
        newest = record.copied[-1].id
        proven = any(proof.snapshot == newest and proof.result == "good" for proof in record.proofs)
        found.append(SecondCopy(each.name, record_times.from_id(newest), proven))
    return max(found, key=lambda each: each.newest, default=None)
