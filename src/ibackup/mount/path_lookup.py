"""Finds the node of a path, and remembers the folders that were looked into last."""

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

    Args:
        root: the top.
        changing: how many levels of folders may change while it is mounted.
    """

    def __init__(self, root: MountedFolder, changing: int = 0) -> None:
        self._root = root
        self._changing = changing
        self._known: OrderedDict[str, tuple[Mapping[str, MountedNode], float]] = OrderedDict()
        self._names = 0

    def find(self, path: str) -> MountedNode | None:
        """The node of a path; None if there is none. Raises OSError, IbackupError."""
        above, _, name = path.rpartition("/")
        if not name:
            return self._root
        children = self.children(above or "/")
        return children.get(name) if children is not None else None

    def children(self, path: str) -> Mapping[str, MountedNode] | None:
        """What is in a folder; None if there is no such folder. Raises OSError, IbackupError."""
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
        old = self._known.pop(path, None)
        self._names += len(children) - (len(old[0]) if old else 0)
        self._known[path] = (children, time.monotonic())
        while self._names > _MOST_NAMES and len(self._known) > 1:
            _, (dropped, _) = self._known.popitem(last=False)
            self._names -= len(dropped)
        return children
