"""A phone's whole life with one store, at random: backups, use, kills, damage, proofs, restores; against a model.

The model knows what the phone held at each backup. So each snapshot must be that, or be named as damaged; damage is
never carried into the next snapshot; ids only grow; nothing but pruning removes a snapshot.
"""

import os
import shutil
import tempfile
import threading
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.rig import LONG, Bench, Rig, another_start, check_snapshot, rig
from harness.test_restores import check_restored, restore
from harness.wire import Cut, Wire, tapped
from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost, DamageFound
from ibackup.jobs.keeping import pruning
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.jobs.proving.backup_proof import prove
from support.runs import Told, flip

Content = dict[str, bytes]
SIZES = st.sampled_from(range(50))


class LongLife(RuleBasedStateMachine):
    """One phone, one store."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.top = Path(tempfile.mkdtemp(prefix="ibackup-life-"))
        self.stack.callback(shutil.rmtree, self.top, ignore_errors=True)
        phones: Rig = self.stack.enter_context(rig(self.top))
        self.bench: Bench = self.stack.enter_context(phones.bench())
        self.contents: dict[str, Content] = {}  # of each snapshot, file by file, as the phone had it
        self.damaged: dict[str, set[str]] = {}  # what was done to them since
        self.hidden: set[str] = set()  # files that were changed behind their time
        self.newest = ""
        self.seed = 0

    def teardown(self) -> None:
        self.stack.close()

    # -- what happens ---------------------------------------------------------------------------------------

    @rule(added=st.integers(0, 2), changed=st.integers(0, 2), removed=st.integers(0, 1))
    def use_the_phone(self, added: int, changed: int, removed: int) -> None:
        self.seed += 1
        self.bench.phone.change(added=added, changed=changed, removed=removed, seed=self.seed)

    @rule(full=st.sampled_from([False, False, False, True]))
    def back_up(self, full: bool) -> None:
        self._note_new(self.bench.now(full=full).snapshot)

    @rule(number=st.integers(1, 90), how=st.sampled_from(["before", "after", "torn"]))
    def pull_the_cable(self, number: int, how: Cut) -> None:
        with tapped(Wire(number, how)):
            error = self.bench.attempt()
        assert error is None or isinstance(error, ConnectionLost), repr(error)
        self._look_for_new()

    @rule(number=st.integers(1, 30))
    def stop_it(self, number: int) -> None:
        told = Told()
        told.stop = lambda _: len(told.events) == number
        assert isinstance(self.bench.attempt(told=told), KeyboardInterrupt | None)
        self._look_for_new()

    @rule()
    def restart_the_phone(self) -> None:
        self.bench.phone.forget_upload()

    @rule()
    def restart_the_computer_and_back_up(self) -> None:
        with another_start(f"start {self.seed}"):
            self.seed += 1
            self._note_new(self.bench.now().snapshot)

    @precondition(lambda self: self.contents)
    @rule(snapshot=SIZES, file=SIZES, later=st.booleans())
    def damage(self, snapshot: int, file: int, later: bool) -> None:
        """One bit of one file; links share it with other snapshots, as on a real disk."""
        name = sorted(self.contents)[snapshot % len(self.contents)]
        files = [
            path for path in sorted(self._folder(name).rglob("*")) if path.is_file() and path.stat().st_size
        ]
        target = files[file % len(files)]
        inode = target.stat().st_ino
        flip(target, later=later)
        if not later:
            self.hidden.add(target.name)
        for each in self.contents:
            for path in self._folder(each).rglob("*"):
                if path.is_file() and path.stat().st_ino == inode:
                    self.damaged[each] ^= {path.relative_to(self._folder(each)).as_posix()}

    @precondition(lambda self: self.contents)
    @rule(snapshot=SIZES)
    def verify(self, snapshot: int) -> None:
        """All damage is found, and nothing else."""
        name = sorted(self.contents)[snapshot % len(self.contents)]
        found = next(each for each in self.bench.snapshots if each.id == name)
        proven = prove(found.backup_path, Level.FULL, snapshot=found)
        assert proven.good is not bool(self.damaged[name]), (proven, self.damaged[name])

    @precondition(lambda self: self.contents)
    @rule(snapshot=SIZES, verify=st.booleans())
    def restore(self, snapshot: int, verify: bool) -> None:
        """The phone then holds what the snapshot does, or is told by name what is damaged: never a silent success."""
        names = sorted(self.contents)
        number = snapshot % len(names)
        name = names[number]
        self.bench.phone.memory.pop("restored", None)
        try:
            restore(self.bench, verify=verify, number=number)
        except DamageFound:
            assert self.damaged[name]
        else:
            assert not self.damaged[name]
            check_restored(self.bench, self.contents[name])
        self.bench.phone.restart()

    @precondition(lambda self: len(self.contents) > 2)
    @rule(last=st.integers(1, 3))
    def prune(self, last: int) -> None:
        folder, rules = self.bench.folder, RetentionRules(last=last)
        gone = pruning.carry_out(folder, rules, pruning.plan(folder, rules, zone=UTC), zone=UTC)
        assert self.newest not in {each.id for each in gone.going}
        for each in gone.going:
            del self.contents[each.id], self.damaged[each.id]

    # -- what must be true ----------------------------------------------------------------------------------

    @invariant()
    def every_snapshot_is_there(self) -> None:
        folder = self.bench.path / self.bench.phone.udid / "snapshots"
        there = set(os.listdir(folder)) if folder.is_dir() else set()
        assert there == self.contents.keys()

    @invariant()
    def every_snapshot_is_as_it_was(self) -> None:
        for name, content in self.contents.items():
            if not self.damaged[name]:
                assert self._stored(name) == content, name
                check_snapshot(str(self._folder(name).parent))

    @invariant()
    def nothing_is_left_running(self) -> None:
        assert not [each.name for each in threading.enumerate() if each.name.startswith("ibackup")]

    # -- the model ------------------------------------------------------------------------------------------

    def _folder(self, name: str) -> Path:
        return self.bench.path / self.bench.phone.udid / "snapshots" / name / self.bench.phone.udid

    def _stored(self, name: str) -> Content:
        folder = self._folder(name)
        return {path.name: path.read_bytes() for path in folder.glob("*/*") if path.is_file()}

    def _look_for_new(self) -> None:
        """A run that was cut may have come to its end, or have finished what an earlier one left."""
        folder = self.bench.path / self.bench.phone.udid / "snapshots"
        for name in sorted(set(os.listdir(folder)) - self.contents.keys()) if folder.is_dir() else []:
            self._note_new(name)

    def _note_new(self, name: str) -> None:
        folder = self.bench.path / self.bench.phone.udid / "snapshots"
        fresh = sorted(set(os.listdir(folder)) - self.contents.keys())
        assert fresh[-1] == name
        for each in fresh:
            assert each > self.newest, "ids only grow"
            self.newest = each
            files = self.bench.phone.files
            content = {entry.file_id: files.read(entry) for entry in files.files()}
            stored = self._stored(each)
            self.damaged[each] = set()
            if each != name:
                self.contents[each] = stored  # of an earlier state, finished only now
                continue
            # Damage that neither size nor time tells may be carried over, and the new seal tells of it.
            wrong = {at for at, data in content.items() if stored.get(at) != data}
            assert wrong <= self.hidden, f"not what the phone has: {wrong - self.hidden}"
            self.damaged[each] = {f"{at[:2]}/{at}" for at in wrong}
            # A phone that cannot read what is here any more starts over, and leaves what it does not know.
            more = stored.keys() - content.keys()
            assert not more or self.hidden
            self.contents[each] = content | {at: stored[at] for at in more}
            if wrong:
                continue
            check_snapshot(str(self._folder(each).parent))


LongLife.TestCase.settings = settings(
    max_examples=60 if LONG else 2,
    stateful_step_count=40 if LONG else 9,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0 if LONG else 600)
class TestLongLife(LongLife.TestCase):  # type: ignore[misc, valid-type]
    """See the module."""
