"""Everything that Home shows, read in one go."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime

from ibackup.base.errors import IbackupError, StoreMissing
from ibackup.config.config_schema import Config
from ibackup.jobs.nights.due import next_turn
from ibackup.jobs.overview.store_overview import Overview
from ibackup.view.home.home_sentence import HomeSentence, sentence
from ibackup.view.home.night_strip import NightStrip, night_strip
from ibackup.view.home.phone_cards import PhoneCard, cards
from ibackup.view.house import House


@dataclass(frozen=True, slots=True)
class HomeState:
    """What Home shows.

    Attributes:
        overview: of the store; None if there is none, or it cannot be read.
        trouble: why it cannot be read.
        is_first: there is no store, or no phone in it: the first run shows what to do.
        has_looked: whether it is known what is plugged in.
        no_phones: why connected phones cannot be found; None if they can.
        disk: the name of the disk with the backups, and its size in bytes.
    """

    sentence: HomeSentence
    cards: tuple[PhoneCard, ...]
    config: Config
    overview: Overview | None
    trouble: IbackupError | None
    is_first: bool
    has_looked: bool
    no_phones: IbackupError | None
    disk: tuple[str, int] | None
    is_folder: bool = False

    def card(self, slug: str) -> PhoneCard | None:
        """The card of a phone."""
        return next((each for each in self.cards if each.slug == slug), None)

    def next_run(self, card: PhoneCard) -> datetime | None:
        """When the next backup of a phone may begin; None without a schedule."""
        made = card.status.made if card.status else None
        starts = self.overview.next_run if self.overview else None
        return next_turn(self.config.rules(card.udid), made, starts, datetime.now(UTC))

    @property
    def nights(self) -> NightStrip | None:
        """The last nights of all phones; None if nothing is known of them."""
        phones = [
            (each.shown, self.next_run(each)) for each in self.cards if each.shown and not each.is_folder
        ]
        return night_strip(phones, self.config)


def home_state(house: House) -> HomeState:
    """Read it all. Raises IbackupError if the config cannot be read, or a folder is no backup."""
    config = house.config
    overview: Overview | None = None
    trouble: IbackupError | None = None
    if not house.is_folder:
        try:
            store = house.store()
            overview = house.overviews.of(store, config, house.standings(store))
        except StoreMissing as error:
            trouble = error if error.why else None  # without a reason there never was one
        except IbackupError as error:
            trouble = error
    connected = () if house.is_folder else house.connected.look()
    phones = () if trouble else house.phones()
    found = cards(overview, phones, connected, house.board, config.copies)
    low = overview.free_bytes if overview and overview.free_bytes < config.nightly.min_free_bytes else None
    return HomeState(
        sentence(found, trouble, low),
        found,
        config,
        overview,
        trouble,
        is_first=not trouble and not house.is_folder and not phones,
        has_looked=house.connected.has_looked.is_set(),
        no_phones=house.connected.problem,
        disk=_disk(overview.store) if overview else None,
        is_folder=house.is_folder,
    )


def _disk(path: str) -> tuple[str, int] | None:
    """The name of the disk that a folder is on, as its mount point is called, and its size."""
    try:
        total = shutil.disk_usage(path).total
        top = os.path.realpath(path)
        while not os.path.ismount(top):
            top = os.path.dirname(top)
    except OSError:
        return None
    return os.path.basename(top) or "this computer", total
