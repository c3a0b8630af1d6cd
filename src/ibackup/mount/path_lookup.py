"""Finds the node of a path, and remembers the folders that were looked into last."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping

from ibackup.mount.mount_nodes import MountedFile, MountedFolder, MountedLink, MountedNode

_MOST_NAMES = 60_000
"""In the folders that are remembered together."""
_FRESH_S = 5.0
"""How long the folders above the snapshots are remembered, where new ones appear."""


class PathLookup:
    """The nodes of a tree by their paths, which begin with a slash and have no other empty part.

    Any thread may ask. A folder that takes long to list lets those who ask for others go on.

    Args:
        root: the top.
        changing: how many levels of folders may change while it is mounted.
    """

    def __init__(self, root: MountedFolder, changing: int = 0) -> None:
        self._root = root
        self._changing = changing
        self._known: OrderedDict[str, tuple[Mapping[str, MountedNode], float]] = OrderedDict()
        self._tops: dict[str, MountedNode | None] = {}
        self._names = 0
        self._forgotten = 0
        self._lock = threading.Lock()

    def find(self, path: str) -> MountedNode | None:
        """The node of a path; None if there is none. Raises OSError, IbackupError."""
        above, _, name = path.rpartition("/")
        if not name:
            return self._root
        children = self.children(above or "/")
        return children.get(name) if children is not None else None

    def children(self, path: str) -> Mapping[str, MountedNode] | None:
        """What is in a folder; None if there is no such folder. Raises OSError, IbackupError."""
        self._forget_another(path)
        with self._lock:
            forgotten = self._forgotten
            known = self._known.get(path)
            if known is not None and (
                path.count("/") >= self._changing + 1 or known[1] > time.monotonic() - _FRESH_S
            ):
                self._known.move_to_end(path)
                return known[0]
        node = self.find(path) if path != "/" else self._root
        if node is None or isinstance(node, (MountedFile, MountedLink)):
            return None
        children = node.children()
        with self._lock:
            if forgotten == self._forgotten:  # otherwise it may be of the folder that had the name before
                self._remember(path, children)
        return children

    def _remember(self, path: str, children: Mapping[str, MountedNode]) -> None:
        old = self._known.pop(path, None)
        self._names += len(children) - (len(old[0]) if old else 0)
        self._known[path] = (children, time.monotonic())
        while self._names > _MOST_NAMES and len(self._known) > 1:
            _, (dropped, _) = self._known.popitem(last=False)
            self._names -= len(dropped)

    def _forget_another(self, path: str) -> None:
        """Forget what was below a folder that may change if another one has its name now: the newest snapshot."""
        levels = self._changing + 1
        if not self._changing or path.count("/") < levels:
            return
        top = "/".join(path.split("/", levels + 1)[: levels + 1])
        node = self.find(top)
        with self._lock:
            if top in self._tops and self._tops[top] != node:
                self._forgotten += 1
                for each in [each for each in self._known if each == top or each.startswith(f"{top}/")]:
                    self._names -= len(self._known.pop(each)[0])
            self._tops[top] = node
