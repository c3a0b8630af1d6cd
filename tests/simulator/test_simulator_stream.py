"""Connections as the phone sees them."""

import socket
import threading
from collections.abc import Iterator

import pytest

from ibackup.simulator.stream import Mailbox, Stream, StreamEnded


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(60)
    stream = Stream(server)
    yield stream, client
    client.close()
    stream.close()


def test_reads_exactly_and_counts(pair: tuple[Stream, socket.socket]) -> None:
    stream, client = pair
    client.sendall(b"abcdef")
    assert stream.read_exact(4) == b"abcd"
    assert stream.read_some(10) == b"ef"
    stream.write(memoryview(b"xyz"))
    assert client.recv(10) == b"xyz"
    assert (stream.bytes_read, stream.bytes_written) == (6, 3)


def test_an_end_in_the_middle_is_reported(pair: tuple[Stream, socket.socket]) -> None:
    stream, client = pair
    client.sendall(b"ab")
    client.close()
    with pytest.raises(StreamEnded):
        stream.read_exact(3)


def test_closing_sends_what_was_written_before(pair: tuple[Stream, socket.socket]) -> None:
    stream, client = pair
    client.sendall(b"never read")
    stream.write(b"last words")
    closing = threading.Thread(target=stream.close)
    closing.start()
    assert client.recv(100) == b"last words"
    assert client.recv(100) == b""
    client.close()
    closing.join()


def test_dropping_is_a_reset(pair: tuple[Stream, socket.socket]) -> None:
    stream, client = pair
    stream.drop()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_cancel_wakes_a_reader_and_a_sleeper(pair: tuple[Stream, socket.socket]) -> None:
    stream, _ = pair
    timer = threading.Timer(0.05, stream.cancel)
    timer.start()
    with pytest.raises(StreamEnded):
        stream.read_exact(1)
    with pytest.raises(StreamEnded):
        stream.pause(600)
    timer.join()


@pytest.mark.parametrize("count", [0, 1, 5, 9, 10])
def test_a_trap_springs_after_exactly_that_many_bytes(pair: tuple[Stream, socket.socket], count: int) -> None:
    stream, client = pair
    client.sendall(b"12345")
    passed: list[int] = []

    def strike() -> None:
        passed.append(stream.bytes_read + stream.bytes_written)
        stream.drop()
        raise StreamEnded("trap")

    def talk() -> None:
        stream.read_exact(5)
        stream.write(b"abcdef")

    stream.trap(count, strike)
    with pytest.raises(StreamEnded, match="trap"):
        talk()
    assert passed == [count]


def test_a_mailbox_wakes_who_waits_for_the_connection(pair: tuple[Stream, socket.socket]) -> None:
    stream, client = pair
    mailbox: Mailbox[int] = Mailbox()
    assert not stream.wait(0.01, mailbox)
    timer = threading.Timer(0.02, mailbox.put, [7])
    timer.start()
    assert not stream.wait(5, mailbox)
    timer.join()
    assert mailbox.take_all() == [7]
    assert not stream.wait(0.01, mailbox)
    client.sendall(b"x")
    assert stream.wait(5, mailbox)
    mailbox.close()
    mailbox.put(8)  # someone who comes too late does no harm
