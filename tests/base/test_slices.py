"""Long waits are made of short ones, each of which Ctrl-C can end on Windows."""

import ast
import contextlib
import queue
import socket
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ibackup
from ibackup.base import slices
from ibackup.base.errors import ConnectionLost
from ibackup.base.events import ignore
from ibackup.base.programs import run
from ibackup.device.lockdown.pairing import HostTls, PairRecord
from ibackup.device.mux.channel import PlistStream
from ibackup.simulator import phone_trust as simulated
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

SOURCES = Path(ibackup.__file__).parent


class Noting(socket.socket):
    """A socket that keeps how long each wait may be."""

    waits: list[float | None]

    def settimeout(self, value: float | None, /) -> None:
        self.waits = [*getattr(self, "waits", []), value]
        super().settimeout(None if value is None else min(value, 0.01))


def test_a_phone_that_says_nothing() -> None:
    one, other = socket.socketpair()
    mine = Noting(fileno=one.detach())
    with other, PlistStream(mine, "com.apple.test", answer_s=0.6) as stream:
        assert stream.poll(0.05) is None
        with pytest.raises(ConnectionLost):
            stream.receive(0.6)
        other.close()
        with pytest.raises(ConnectionLost):
            stream.send({"a": "b" * 10_000_000})
    assert mine.waits
    assert all(wait is not None and wait <= slices.SLICE_S for wait in mine.waits)


@pytest.mark.parametrize("answers", [True, False])
def test_a_handshake_that_takes_long(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    """It is made of short waits, and continues after each."""
    waits: list[float] = []
    late = threading.Event()
    real = ssl.SSLSocket.settimeout

    def settimeout(self: ssl.SSLSocket, value: float | None) -> None:
        if value is not None:
            waits.append(value)
        if len(waits) == 4:
            late.set()
        real(self, None if value is None else min(value, 0.01))

    record = PairRecord.parse(simulated.dump_record(VirtualPhone(PhoneSpec()).trust.record or {}))
    assert record is not None
    context = simulated._server_context(record.device_certificate, trusted=[record.host_certificate])
    monkeypatch.setattr(ssl.SSLSocket, "settimeout", settimeout)
    near, far = socket.socketpair()

    def serve() -> None:
        late.wait()
        with contextlib.suppress(OSError), context.wrap_socket(far, server_side=True) as wrapped:
            wrapped.sendall(b"hello")

    thread = threading.Thread(target=serve)
    tls = HostTls(record, "USB", "iPhone", ignore)
    if answers:
        thread.start()
        with tls.wrap(near, 60) as wrapped:
            assert wrapped.recv(5) == b"hello"
            assert wrapped.gettimeout() is None, "what follows has its own limits"
        thread.join(100)
    else:
        with far, pytest.raises(ConnectionLost) as told:
            tls.wrap(near, 0.1)
        assert isinstance(told.value.__cause__, TimeoutError)
        assert near.fileno() == -1
    assert len(waits) > 3
    assert max(waits) <= slices.SLICE_S


def test_no_thread_is_waited_for_in_one_piece() -> None:
    """Neither by ``thread.join()`` nor by ``future.result()``; ``slices`` has both, made of short waits."""
    found = [
        f"{path.relative_to(SOURCES).as_posix()}: {ast.unparse(node)}"
        for path in sorted(SOURCES.rglob("*.py"))
        if "simulator" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"join", "result"}
        and not node.keywords
        and (not node.args or "thread" in ast.unparse(node.func.value))
    ]
    assert set(found) == {
        "apple/verify/whole_backup_checks.py: self._thread.join(0.05)",
        "base/slices.py: thread.join(each)",
        "base/slices.py: future.result()",
    }


def test_what_comes_and_what_does_not() -> None:
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    with pytest.raises(queue.Empty):
        slices.take(waiting, 0.01)
    waiting.put(7)
    assert slices.take(waiting) == 7
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    assert not slices.join(thread, 0.01)
    go.set()
    assert slices.join(thread)
    assert slices.join(threading.Thread(target=go.wait)), "it was never started"
    with ThreadPoolExecutor(1) as pool:
        assert slices.wait_for(pool.submit(int, "7")) == 7
        with pytest.raises(ValueError, match="x"):
            slices.wait_for(pool.submit(int, "x"))


def test_a_call_that_does_not_come_back() -> None:
    go = threading.Event()
    with pytest.raises(TimeoutError):
        slices.call(go.wait, 0.01)
    go.set()
    assert slices.call(lambda: 7, 60) == 7
    with pytest.raises(KeyError):
        slices.call(dict[str, int]().popitem, 60)


def test_a_program_is_given_what_it_reads_and_read_to_its_end() -> None:
    copy = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()); sys.exit(3)"
    text = "x" * 1_000_000
    done = run(sys.executable, "-c", copy, given=text)
    assert (done.code, done.out) == (3, text)
