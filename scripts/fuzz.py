"""Search for bytes that break the parsers of outside data: scripts/fuzz --minutes 10.

Every target in tests/support/fuzzing.py gets the same share of the time. With --keep, inputs that reach new code are
added to tests/corpus, which every run of the tests tries. Faults are printed and written to --faults. With --atheris,
if that is installed, its engine makes the inputs for one target instead.
"""

import argparse
import faulthandler
import hashlib
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.fuzzing import CORPUS, MOST_BYTES, TARGETS, Target
from support.mutating import Fuzzer

_SLICE_S = 2.0
_MEMORY = 2 << 30


def main() -> int:
    """Run; 1 if something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"what to test: {', '.join(TARGETS)} [all]"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long, for all targets together [1]")
    parser.add_argument("--seed", type=int, default=None, help="where the search starts [the clock]")
    parser.add_argument(
        "--faults", type=Path, default=Path("fuzz-faults"), help="folder for faults [fuzz-faults]"
    )
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to tests/corpus")
    parser.add_argument("--atheris", action="store_true", help="let atheris make the inputs, for one target")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    chosen = [TARGETS[name] for name in given.targets or TARGETS]
    faulthandler.dump_traceback_later(given.minutes * 60 + 300, exit=True)  # an input that never ends
    _bound_memory()
    if given.atheris:
        return _with_atheris(chosen[0], given.minutes)
    seed = given.seed if given.seed is not None else time.time_ns()
    fuzzers = [Fuzzer(target, random.Random(f"{seed} {target.name}")) for target in chosen]
    _search(fuzzers, given.minutes * 60)
    return _report(fuzzers, seed, given.faults, keep=given.keep)


def _bound_memory() -> None:
    """What takes more than a sane amount of memory is a fault."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _search(fuzzers: list[Fuzzer], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for fuzzer in fuzzers:
        fuzzer.begin()
    while (now := time.monotonic()) < deadline:
        for fuzzer in fuzzers:
            until = time.monotonic() + min(_SLICE_S, (deadline - now) / len(fuzzers) + 0.01)
            while time.monotonic() < until:
                fuzzer.step()


def _report(fuzzers: list[Fuzzer], seed: int, folder: Path, *, keep: bool) -> int:
    print(f"{'target':14}{'tried':>10}{'taken':>9}{'steps':>8}{'new':>6}{'slowest':>10}{'faults':>8}")
    for fuzzer in fuzzers:
        kept = fuzzer.store() if keep else len(fuzzer.fresh)
        print(
            f"{fuzzer.target.name:14}{fuzzer.tried:>10,}{fuzzer.taken:>9,}{len(fuzzer.reached):>8,}{kept:>6}"
            f"{fuzzer.slowest:>8.2f} s{len(fuzzer.faults):>8}"
        )
    faults = [fault for fuzzer in fuzzers for fault in fuzzer.faults.values()]
    for fault in faults:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{fault.target}-{hashlib.sha1(fault.data).hexdigest()[:16]}"
        path.write_bytes(fault.data)
        print(f"\n{path}:\n{fault.what}")
    print(f"seed {seed}; {len(faults)} faults")
    return 1 if faults else 0


def _with_atheris(target: Target, minutes: float) -> int:
    try:
        import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        print("atheris is not installed", file=sys.stderr)
        return 2
    folder = CORPUS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    atheris.instrument_all()
    options = [f"-max_total_time={int(minutes * 60)}", f"-max_len={MOST_BYTES}", str(folder)]
    atheris.Setup([sys.argv[0], *options], lambda data: target.attempt(data) and None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
