"""One sentence for all phones: the gravest thing first."""

from collections.abc import Sequence
from dataclasses import dataclass

from ibackup.base.errors import IbackupError
from ibackup.jobs.overview.store_overview import PhoneStatus
from ibackup.view import words
from ibackup.view.home.job_endings import REPAIRABLE
from ibackup.view.home.phone_cards import PhoneCard, Tone

_ALL_CHECKED = "Every phone\u2019s newest backup is complete and was checked."
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class HomeSentence:
    """What Home says above everything."""

    tone: Tone
    title: str
    text: str


def sentence(cards: Sequence[PhoneCard], trouble: IbackupError | None, space_low: int | None) -> HomeSentence:
    """The state of everything in a sentence.

    Args:
        cards: of all phones.
        trouble: why the store cannot be read, if it cannot.
        space_low: the bytes that are free, if that is too little.
    """
    if trouble is not None:
        return HomeSentence("wait", trouble.what, trouble.why or "Connect the disk with the backups.")
    if not cards:
        return HomeSentence("wait", "No phone has a backup here yet.", "Connect a phone, and back it up.")
    if all(each.is_folder for each in cards):
        return HomeSentence(
            "good",
            f"A backup of {_names(cards)}.",
            "ibackup only reads this folder, and changes nothing in it.",
        )
    hurt = [each for each in cards if each.tone == "bad"]
    unknown = [each for each in hurt if each.status and each.status.is_unknown]
    if hurt and hurt == unknown:
        return HomeSentence(
            "bad",
            f"Nobody knows whether the newest backup of {_names(hurt)} is good.",
            "What was found out about it cannot be read any more. Read it again from its page.",
        )
    if hurt:
        return HomeSentence(
            "bad",
            f"The newest backup of {_names(hurt)} is damaged.",
            f"{_repair(hurt)} {_older(hurt)}".strip(),
        )
    if space_low is not None:
        return HomeSentence(
            "wait",
            f"The disk is almost full: {words.size(space_low)} is left.",
            "The backups there are good. Make space before the next one: remove old backups, or other files.",
        )
    known = [each for each in cards if not each.is_new]
    late = [each for each in known if each.is_late]
    if late:
        return _late(late, known)
    without = [each for each in cards if not each.has_backup]
    if without:
        have = "has" if len(without) == 1 else "have"
        rest = (
            "Every other phone is safe."
            if len(without) < len(cards)
            else "Connect the phone, and back it up."
        )
        return HomeSentence("wait", f"{_names(without)} {have} no backup yet.", rest)
    doubtful = [each for each in known if each.is_doubtful]
    if doubtful:
        return HomeSentence(
            "wait",
            f"An older backup of {_names(doubtful)} is damaged.",
            "The newest one may have the same damage: a file that did not change is stored once for both. "
            "To know, read it again from its page.",
        )
    return HomeSentence("good", _all_safe(known), _worth(known))


def _worth(known: Sequence[PhoneCard]) -> str:
    """What is known of the newest backups; never more than that."""
    flawed = [each for each in known if each.status and each.status.flawed]
    unseen = [each for each in known if each.status and _is_unchecked(each.status)]
    older = [each for each in known if each.shown and each.shown.damaged_older]
    said = []
    if flawed:
        said.append(
            f"Some files of {_names(flawed)} differ from the phone\u2019s own list; its page says more."
        )
    if unseen:
        said.append(f"{_names(unseen)} reported a complete backup; its list of files was locked.")
    if not said:
        said.append("The newest backup is complete and was checked." if len(known) == 1 else _ALL_CHECKED)
    if older:
        return " ".join([*said, f"An older backup of {_names(older)} is damaged: its page shows which."])
    return " ".join([*said, "Nothing needs you today."])


def _is_unchecked(status: PhoneStatus) -> bool:
    """Whether nothing but the phone says that the newest backup is complete."""
    return status.newest is not None and status.newest.meta.checked != "manifest" and status.proof is None


def _older(hurt: Sequence[PhoneCard]) -> str:
    if not any(each.has_backup for each in hurt):
        return "No older backup is known to be good." if any(_has_older(each) for each in hurt) else ""
    pages = "Its page shows" if len(hurt) == 1 else "Their pages show"
    return f"{pages} what is known about older backups."


def _has_older(card: PhoneCard) -> bool:
    return card.status is not None and card.status.snapshots > 1


def _repair(hurt: Sequence[PhoneCard]) -> str:
    healing = [each.status.healing for each in hurt if each.status and each.status.healing]
    if healing:
        return REPAIRABLE
    return "Make a new one: the phone sends the damaged files again."


def _late(late: Sequence[PhoneCard], known: Sequence[PhoneCard]) -> HomeSentence:
    first = late[0]
    if len(late) == 1:
        made = first.status.made if first.status else None
        when = words.age(made) if made else "long ago"
        title = f"{first.name} was last backed up {when}."
    else:
        title = f"{_names(late)} are late."
    rest = "" if len(late) == len(known) else " Every other phone is safe."
    return HomeSentence("wait", title, f"Connect it with its cable and unlock it, then back it up.{rest}")


def _all_safe(known: Sequence[PhoneCard]) -> str:
    count = len(known)
    if count == 1:
        return f"{known[0].name} is safe."
    if count == 2:
        return "Both phones are safe."
    return f"All {_NUMBERS[count] if count < len(_NUMBERS) else count} phones are safe."


def _names(cards: Sequence[PhoneCard]) -> str:
    return words.FILTERS["listed"]([each.name for each in cards])
