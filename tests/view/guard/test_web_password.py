"""The web password, and how slow guessing it is."""

import unicodedata

import pytest

from ibackup.view.guard.web_password import LoginAttempts, WebPassword


def test_only_the_password_fits_and_only_its_hash_is_kept() -> None:
    kept = WebPassword("gülden Straße")
    assert kept.fits("gülden Straße")
    assert kept.fits(unicodedata.normalize("NFD", "gülden Straße"))
    assert not kept.fits("gülden Strasse")
    assert not kept.fits("")
    assert not kept.fits("\ud800")
    assert "gülden" not in repr(vars(kept))


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def guess(attempts: LoginAttempts, clock: Clock, seconds: float, address: str) -> int:
    """How many tries an address gets in a time, if it tries whenever it may."""
    end, count = clock.now + seconds, 0
    while clock.now < end:
        wait = attempts.begin(address)
        if wait:
            clock.now += wait
        else:
            count += 1
    return count


def test_after_four_tries_each_takes_twice_as_long_as_the_one_before() -> None:
    clock = Clock()
    attempts = LoginAttempts(clock)
    waits = []
    for _ in range(8):
        while wait := attempts.begin("192.0.2.7"):
            waits.append(wait)
            clock.now += wait
    assert waits == [1, 2, 4, 8]


def test_one_address_gets_a_hundred_tries_a_day_and_never_fewer_than_one_in_fifteen_minutes() -> None:
    clock = Clock()
    assert 96 <= guess(LoginAttempts(clock), clock, 86_400, "192.0.2.7") <= 115


def test_a_right_password_forgets_the_wrong_ones() -> None:
    attempts = LoginAttempts(Clock())
    for _ in range(4):
        assert attempts.begin("192.0.2.7") == 0
    assert attempts.begin("192.0.2.7") > 0
    attempts.worked("192.0.2.7")
    assert attempts.begin("192.0.2.7") == 0


@pytest.mark.parametrize("addresses", ["203.0.{}.{}", "2001:db8:{}:{}::1"])
def test_many_addresses_are_not_many_tries(addresses: str) -> None:
    clock = Clock()
    attempts = LoginAttempts(clock)
    allowed = sum(
        attempts.begin(addresses.format(number // 250, number % 250 + 1)) == 0 for number in range(5000)
    )
    assert allowed == 20
    clock.now += 60
    assert sum(attempts.begin(f"198.51.100.{number}") == 0 for number in range(250)) == 10


def test_the_owner_is_not_locked_out_by_the_guesses_of_others() -> None:
    attempts = LoginAttempts(Clock())
    assert attempts.begin("192.0.2.1") == 0
    attempts.worked("192.0.2.1")
    for number in range(250):
        attempts.begin(f"198.51.100.{number}")
    assert attempts.begin("192.0.2.99") > 0
    assert attempts.begin("192.0.2.1") == 0


def test_all_of_an_ipv6_network_is_one_address() -> None:
    attempts = LoginAttempts(Clock())
    assert [attempts.begin(f"2001:db8::{number}") > 0 for number in range(1, 7)] == [False] * 4 + [True] * 2
    assert attempts.begin("fe80::1%eth0") == 0
    assert attempts.begin("what is this") == 0
