"""com.apple.mobile.assertion_agent: a computer keeps the phone awake while it holds a connection open."""

from ibackup.simulator.framed_plists import read_message, write_message
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

_TEXTS = ("AssertionTypeKey", "AssertionNameKey")


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection: it holds one assertion until it ends or the time of the assertion is over."""
    request = read_message(stream)
    seconds = request.get("AssertionTimeoutKey")
    if (
        request.get("CommandKey") != "CommandCreateAssertion"
        or not all(isinstance(request.get(key), str) for key in _TEXTS)
        or not isinstance(seconds, int | float)
    ):
        write_message(stream, {"ErrorKey": "InvalidRequest"})
        return
    with phone.wireless.assertion(str(request["AssertionTypeKey"])):
        write_message(stream, {})
        stream.wait(float(seconds))
