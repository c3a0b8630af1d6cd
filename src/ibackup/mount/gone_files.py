"""The files that a backup had and a later one has not."""

from collections.abc import Mapping
from functools import partial

from ibackup.apple.rows import Kind
from ibackup.explore.app_owners import Apps
from ibackup.explore.file_index import FileIndex, ListedFile
from ibackup.explore.target_names import Namer
from ibackup.mount.backup_files import ReadableBackup, domain_name, open_file
from ibackup.mount.mount_nodes import FixedFolder, MountedFile, MountedNode


def gone_files(earlier: ReadableBackup, later: FileIndex) -> Mapping[str, MountedNode]:
    """A folder for each domain with such files. Raises IbackupError."""
    before = earlier.index()
    found: dict[str, MountedNode] = {}
    names = Namer(earlier.rules, lambda _: None)
    with earlier.using() as backup:
        apps = Apps.of(backup)
    for domain in sorted(each.name for app in before.apps for each in app.domains):
        folder, now = before.folder(domain), later.folder(domain)
        there = {hash(each.path) for each in now.below()} if now is not None else set()
        gone = [] if folder is None else [each for each in folder.below() if hash(each.path) not in there]
        files = {each.path for each in gone if each.kind is Kind.FILE}
        if files:
            [name] = names.place((), domain_name(domain, apps))
            found[name] = _Gone(earlier, before, domain, sorted(files)).folder
    return found


class _Gone:
    """The tree of some files of one domain."""

    def __init__(self, source: ReadableBackup, index: FileIndex, domain: str, paths: list[str]) -> None:
        self._source = source
        self._folders: dict[str, tuple[Namer, dict[str, MountedNode]]] = {}
        self.folder = self._folder("")
        self._nodes: dict[str, FixedFolder] = {"": self.folder}
        files: dict[str, ListedFile] = {}
        folder: str | None = None
        for path in paths:
            above, _, name = path.rpartition("/")
            if above != folder:
                known = index.folder(domain, above)
                folder, files = above, {each.name: each for each in known.all_files()} if known else {}
                self._make(above)
            listed = files.get(name)
            if listed is not None:
                opens = partial(open_file, source, domain, path)
                self._put(above, name, MountedFile(listed.bytes, listed.modified, opens))

    def _folder(self, path: str) -> FixedFolder:
        children: dict[str, MountedNode] = {}
        self._folders[path] = (Namer(self._source.rules, lambda _: None), children)
        return FixedFolder(self._source.modified, partial(_same_nodes, children))

    def _make(self, path: str) -> None:
        if path in self._nodes:
            return
        above, _, name = path.rpartition("/")
        self._make(above)
        self._nodes[path] = self._folder(path)
        self._put(above, name, self._nodes[path])

    def _put(self, above: str, name: str, node: MountedNode) -> None:
        names, children = self._folders[above]
        [fit] = names.place((), name)
        children[fit] = node


def _same_nodes(children: Mapping[str, MountedNode]) -> Mapping[str, MountedNode]:
    return children
