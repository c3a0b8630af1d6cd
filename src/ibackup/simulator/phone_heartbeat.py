"""com.apple.mobile.heartbeat: the phone says Marco, and a computer that is still there says Polo."""

import time

from ibackup.simulator.framed_plists import read_message, write_message
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_life import PATIENCE_S, Heart


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends, a beat is not answered in time, or another one takes its place."""
    interval = phone.spec.wireless.heartbeat_s
    with phone.wireless.beating(stream) as heart:
        while True:
            marco = {"Command": "Marco", "Interval": interval, "SupportsSleepyTime": True}
            write_message(stream, marco)
            if not stream.wait(interval + PATIENCE_S):
                phone.journal.add("heartbeat", "not answered")
                raise StreamEnded("a heartbeat was not answered")
            command = read_message(stream).get("Command")
            phone.journal.add("heartbeat", str(command))
            if command == "Polo":
                phone.wireless.answered(heart)
            _rest(stream, heart, interval)


def _rest(stream: Stream, heart: Heart, seconds: float) -> None:
    """Wait for the next beat; say SleepyTime if the phone goes to sleep before."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stream.wait(left, heart.bed_time):
            read_message(stream)  # too early, or the end
        elif heart.bed_time.take_all():
            if not heart.said_good_night.is_set():
                write_message(stream, {"Command": "SleepyTime"})
            heart.said_good_night.set()
