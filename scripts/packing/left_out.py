"""What a package leaves out: pymobiledevice3 brings much that ibackup never loads.

ibackup asks it for the certificates of a pairing and the names of models. The rest is for other programs: films of the
screen, a shell, a tunnel. That is nearly two thirds of what pip installs, and some of it has no compiled file for newer
Pythons or for ARM.
"""

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

GIVER = "pymobiledevice3"


def left_out(wanted: Iterable[str]) -> list[str]:
    """The names of what only pymobiledevice3 asks for; what those bring goes with them.

    Args:
        wanted: the requirements of ibackup and its extras.
    """
    others = [name for each in wanted if (name := _name(each)) != GIVER]
    return sorted({*_asked(GIVER)} - {*_with_all_they_bring(others)})


def _name(requirement: str) -> str:
    return str(canonicalize_name(Requirement(requirement).name))


def _asked(package: str) -> Iterator[str]:
    """What a package asks for itself, its extras aside; nothing if it is for other systems than this one."""
    try:
        found = requires(package) or []
    except PackageNotFoundError:
        found = []
    for each in found:
        if "extra ==" not in str(Requirement(each).marker):
            yield _name(each)


def _with_all_they_bring(names: list[str]) -> set[str]:
    waiting, seen = [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _asked(name)
    return seen
