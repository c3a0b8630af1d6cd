"""A package's public names, loaded when they are first used: what a command does not need costs it no start-up time."""

from collections.abc import Callable, Mapping
from importlib import import_module


def names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` for a package.

    Args:
        package: its ``__name__``.
        homes: the module below it that has a name, by name.
    """

    def load(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home}"), name)

    return load
