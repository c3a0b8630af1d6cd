"""Messages written the short way, against plistlib."""

import plistlib

from hypothesis import given
from hypothesis import strategies as st

from ibackup.simulator.binary_messages import dump

texts = st.text(st.characters(codec="ascii")) | st.text()
messages = st.lists(
    st.recursive(
        texts | st.floats(allow_nan=False) | st.integers(-5, 2**64 - 1) | st.booleans() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=40,
    ),
    max_size=6,
)


@given(messages)
def test_a_message_reads_as_what_it_was_or_is_left_to_plistlib(message: list[object]) -> None:
    data = dump(message)
    if data is not None:
        assert repr(plistlib.loads(data)) == repr(message)


def test_what_phones_send_goes_the_short_way() -> None:
    moves = {f"UDID/Snapshot/{i:02x}/{i:040x}": f"UDID/{i:02x}/{i:040x}" for i in range(200)}
    for message in (
        ["DLMessageMoveItems", moves, {"DLDeviceIOCallbacks": 1}, 96.5],
        ["DLMessageRemoveItems", list(moves), {"DLDeviceIOCallbacks": 1}, 0.0],
    ):
        data = dump(message)
        assert data is not None
        assert plistlib.loads(data) == message
