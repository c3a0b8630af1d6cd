"""What identifies a phone is remembered, so that logs leave it out: not without end."""

import pytest

from ibackup.base import identities


def test_a_phone_that_always_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "_noted", {})
    monkeypatch.setattr(identities, "_MOST_NOTED", 10)
    for number in range(30):
        identities.note("Ann", f"name {number}")
    assert len(identities.noted()) == 10
    assert {"Ann", "name 29", "name 21"} <= set(identities.noted())
    assert "name 20" not in identities.noted()
