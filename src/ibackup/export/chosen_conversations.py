"""Which conversations a user means by a name, a number or an address."""

from collections.abc import Iterable
from typing import Final

_FEWEST_DIGITS: Final = 4
"""Of a number that is compared by its digits alone."""


def is_chosen(wanted: Iterable[str], names: Iterable[str], addresses: Iterable[str]) -> bool:
    """Whether one of the wanted texts is part of a name or an address; without any, every conversation is chosen.

    Args:
        wanted: what the user gave with ``--with``.
        names: of the conversation and the people in it.
        addresses: of these people. A number is found however it is written, with or without the country.
    """
    wanted = list(wanted)
    if not wanted:
        return True
    addresses = list(addresses)
    texts = [text.casefold() for text in (*names, *addresses)]
    numbers = ["".join(filter(str.isdecimal, address)) for address in addresses]
    return any(_matches(each, texts, numbers) for each in wanted)


def _matches(wanted: str, texts: list[str], numbers: list[str]) -> bool:
    plain = wanted.strip().casefold()
    if not plain:
        return False
    if any(plain in text for text in texts):
        return True
    digits = "".join(filter(str.isdecimal, plain)).removeprefix("00").lstrip("0")
    written_as_number = all(char.isdecimal() or char in "+-()/. \u00a0" for char in plain)
    return written_as_number and len(digits) >= _FEWEST_DIGITS and any(digits in number for number in numbers)
