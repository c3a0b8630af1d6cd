"""Have modules that an import pulls in, and that nobody here uses, wait until somebody does.

pymobiledevice3 asks its command line's questions with questionary and downloads with requests. Its lockdown client
does neither, yet loads both: a quarter of the time that ``ibackup now`` takes to start.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType


class _Deferred(ModuleType):
    """Stands in for a module: loads it for the first who uses it after the import is over."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.importing = True

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.importing:
            return object  # an annotation, which is written down and never used
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def deferred(*names: str) -> Iterator[None]:
    """While the block imports, these modules are not loaded; one that is there already stays as it is."""
    waiting = [_Deferred(name) for name in names if name not in sys.modules]
    sys.modules.update({module.__name__: module for module in waiting})
    try:
        yield
    finally:
        for module in waiting:
            module.importing = False
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]
