"""Nights, played through with virtual iPhones and a clock that jumps."""

import json
import time
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ibackup.base.errors import StoreMissing
from ibackup.base.events import Event, Silent
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.config.config_schema import PhoneConfig, ProofConfig, PruneConfig
from ibackup.config.stall_limits import Limits
from ibackup.device.services.sync_lock_and_notices import Notice
from ibackup.jobs.nights.night import run_night
from ibackup.jobs.nights.night_context import PhoneOutcome
from ibackup.jobs.nights.plugs import Plugs
from ibackup.jobs.nights.turn_queue import my_turn
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, StartSessionError
from ibackup.simulator.spec import Passcode
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.disk.lock import Holder
from ibackup.store.kept_pairings import KeptPairing, KeptPairings
from ibackup.store.store import Store
from jobs.nights.conftest import ANN, BOB, House, codes, states
from support.runs import assert_is_the_phone, blob, flip, photograph

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_a_whole_night(house: House) -> None:
    """Plugged in late, its prompt answered after a while, dropped, resumed, proven, pruned, reported."""
    phone = house.ann(snapshots=2)
    house.config = replace(house.config, prune=PruneConfig(keep_last=2))
    phone.change(added=6)
    phone.passcode = Passcode(kind="late", delay_s=0.5)
    # Twice: within one run a lost connection is opened again once.
    phone.set_faults(DropInPhase(phase="uploading", after=2, times=2))
    house.clock.plan(timedelta(hours=2), lambda: house.server.attach(phone))
    oldest = house.of(phone).snapshots()[0].id

    report = house.night()

    assert report.code == 0
    assert states(report) == {"Ann": "done"}
    assert [each.attempt.state for each in house.outcomes] == ["failed", "done"]
    assert house.outcomes[0].attempt.code == ExitCode.CONNECTION_LOST
    snapshots = house.of(phone).snapshots()
    assert len(snapshots) == 2
    assert report.phones[0].pruned == (oldest,)
    assert_is_the_phone(snapshots[-1].path, phone)
    assert any("Continuing an interrupted backup" in note for note in house.told.notes)
    assert report.phones[0].prompts == 3
    proofs = {(each.snapshot, each.level, each.good) for each in report.phones[0].proofs}
    assert (snapshots[-1].id, "quick", True) in proofs
    assert house.ears.alarms == ["needs_passcode", "needs_passcode", "failed", "needs_passcode", "done"]
    assert "Enter the passcode on the iPhone Ann" in house.ears.messages[0].text
    assert house.ears.beats == ["start", "success"]
    # It was plugged in two hours after the night began, and tried again five minutes after it dropped.
    assert house.clock.now() < house.clock.started + timedelta(hours=2, minutes=10)
    record = house.journal.read()
    assert record.phone(phone.udid).last == report.phones[0].attempt
    assert record.last_run is not None
    assert record.last_run.code == 0


def test_nobody_answers_and_the_next_phone_has_its_turn(house: House) -> None:
    house.clock.speed = 1200  # five minutes in a quarter of a second
    house.nightly(window=None)
    ann, bob = VirtualPhone(ANN), VirtualPhone(BOB)
    ann.passcode = Passcode(kind="never", delay_s=30)
    house.server.attach(ann)
    house.server.attach(bob)
    report = house.night()
    assert states(report) == {"Ann": "unanswered", "Bob": "done"}
    assert [note for note in house.told.notes if note.startswith("Now ")] == ["Now Ann.", "Now Bob."]
    assert "Nobody entered the passcode on Ann within 5 minutes" in report.phones[0].attempt.message
    assert report.phones[0].codes == {ExitCode.STALE}  # it has no backup at all
    assert report.code == ExitCode.STALE


def test_what_stands_in_a_phones_place_is_no_matter_of_nobody_being_there(house: House) -> None:
    phone = house.ann()
    record = Path(house.of(phone).path) / "key.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"sha256": "0" * 64}))
    house.server.attach(phone)
    report = house.night(once=True)
    assert states(report) == {"Ann": "failed"}
    assert report.code == ExitCode.PERSON_NEEDED
    assert "--new-key" in report.phones[0].hint
    assert "enter its passcode" not in report.phones[0].hint
    assert house.ears.alarms == ["failed"]


def test_at_most_three_prompts_a_night_with_growing_pauses(house: House) -> None:
    phone = house.ann()
    phone.passcode = Passcode(kind="cancelled", delay_s=0.4)
    house.server.attach(phone)
    began = house.clock.now()
    tries: list[float] = []
    report = house.night(report=lambda _: tries.append((house.clock.now() - began).total_seconds() / 60))
    assert states(report) == {"Ann": "unanswered"}
    assert report.code == 0  # younger than a week: no error, but named
    assert house.ears.alarms == ["needs_passcode"] * 3
    # An unlocked phone does not say that it has a passcode; it is left alone anyway.
    assert phone.journal.details("notified").count(Notice.PASSCODE_ASKED.value) == 3
    assert [round(after - before) for before, after in pairwise(tries)][:2] == [5, 10]
    assert "3 times tonight" in report.phones[0].attempt.message
    # The next night it may ask again.
    house.clock.jump(timedelta(hours=16))
    phone.passcode = Passcode(kind="answered", delay_s=0.4)
    assert states(house.night()) == {"Ann": "done"}


def test_plugging_it_in_again_ends_a_pause(house: House) -> None:
    phone = house.ann()
    phone.passcode = Passcode(kind="cancelled", delay_s=0.4)
    house.server.attach(phone)

    def replug() -> None:
        phone.passcode = Passcode(kind="answered", delay_s=0.4)
        house.server.detach(phone)
        house.server.attach(phone)

    began = house.clock.now()
    house.clock.plan(began - house.clock.started + 32 * MINUTE, replug)
    assert states(house.night()) == {"Ann": "done"}
    assert house.clock.now() - began < 34 * MINUTE


def test_a_locked_phone_is_unlocked_after_a_while(house: House) -> None:
    phone = house.ann()
    phone.set_faults(StartSessionError(error="PasswordProtected"))
    house.server.attach(phone)
    report = house.night(once=True)
    assert states(report) == {"Ann": "unanswered"}
    assert house.clock.now() == house.clock.started  # it did not wait
    house.clock.plan(timedelta(minutes=33), phone.set_faults)
    assert states(house.night()) == {"Ann": "done"}
    texts = [message.text for message in house.ears.messages]
    assert sum("Unlock the iPhone Ann" in text for text in texts) == 1


def test_a_phone_without_power_is_left_alone(house: House) -> None:
    phone = house.ann()
    phone.set_value("com.apple.mobile.battery", "ExternalConnected", False)
    house.server.attach(phone)
    report = house.night(once=True)
    assert states(report) == {"Ann": "no_power"}
    assert report.code == 0
    house.nightly(power=False)
    assert states(house.night(once=True)) == {"Ann": "done"}


def test_a_week_of_absence_is_one_alarm_a_day(house: House) -> None:
    house.ann()
    stale_on: list[int] = []
    for hour in range(24, 10 * 24):  # as a cron job that runs every hour
        before = len(house.ears.messages)
        report = house.night(once=True)
        assert hour == 7 * 24 or report.code == (ExitCode.STALE if hour > 7 * 24 else 0)
        assert states(report) == {"Ann": "absent"}
        stale_on += [hour // 24] * (len(house.ears.messages) - before)
        house.clock.jump(HOUR)
    # From the eighth day on, the night being one of a day's hours or the next.
    assert set(house.ears.alarms) == {"stale"}
    assert len(stale_on) in (3, 4)
    assert "There has been no good backup of Ann for 7 days" in house.ears.messages[0].text


def test_a_computer_that_slept_through_the_night(house: House) -> None:
    phone = house.ann()
    # Its lid was closed at 23:00 or so, and opened in the morning.
    house.clock.plan(timedelta(hours=2), lambda: house.clock.jump(timedelta(hours=10)))
    report = house.night()
    assert states(report) == {"Ann": "absent"}
    assert house.clock.now() - house.clock.started < timedelta(hours=12, minutes=10)
    # In the evening after that all is as ever, also when it sleeps within the night and wakes in time.
    house.clock.jump(timedelta(hours=12, minutes=20))

    def sleep_and_wake() -> None:
        house.clock.jump(timedelta(hours=2))
        house.server.attach(phone)

    house.clock.plan(house.clock.now() - house.clock.started + HOUR, sleep_and_wake)
    assert states(house.night()) == {"Ann": "done"}


@pytest.mark.parametrize(("code", "first"), [(205, 2), (104, 1), (3, 1), (1, 2)])
def test_an_error_that_comes_every_night(house: House, code: int, first: int) -> None:
    """It is named each night, and nobody is said to have been away; passcodes are asked for sparingly."""
    phone = house.ann()
    phone.passcode = Passcode(kind="answered")
    phone.set_faults(ErrorCodeAt(where="end", code=code, text="Not today"))
    house.server.attach(phone)
    asked = 0
    for attempts in (first, 1, 1):
        house.ears.messages.clear()
        report = house.night()
        assert report.code == ExitCode.PHONE_REFUSED
        (outcome,) = report.phones
        assert outcome.attempt.state == "failed"
        assert f"MBErrorDomain {code}" in outcome.attempt.message
        assert "Not today" in outcome.attempt.message
        told = [message.text for message in house.ears.messages if message.alarm == "failed"]
        assert len(told) == 1
        assert f"MBErrorDomain {code}" in told[0]
        before, asked = asked, phone.journal.details("passcode").count("entered")
        assert asked - before == attempts
        house.clock.jump(timedelta(hours=24))
    assert "Every backup since " in outcome.attempt.message


def test_a_failure_is_reported_also_when_the_phone_has_asked_often_enough(house: House) -> None:
    phone = house.ann()
    phone.passcode = Passcode(kind="answered")
    codes = (9, 10, 100)
    phone.set_faults(*(ErrorCodeAt(where="end", code=code, times=1) for code in codes))
    house.server.attach(phone)
    report = house.night()
    assert report.code == ExitCode.PHONE_REFUSED
    (outcome,) = report.phones
    assert outcome.attempt.state == "failed"
    assert f"MBErrorDomain {codes[-1]}" in outcome.attempt.message
    assert "left alone" not in outcome.attempt.message


def test_another_computer_has_the_phone_in_the_same_store(house: House) -> None:
    """15 for one that tries once; within a night it is tried again until the other one is through."""
    phone = house.ann()
    lock = Path(house.of(phone).lock_path)
    other = replace(Holder.me(), host="nas-neighbour", machine="another")
    lock.write_bytes(other.render())
    house.server.attach(phone)
    report = house.night(once=True)
    assert (report.code, codes(report)) == (ExitCode.BUSY, {15})
    assert "nas-neighbour" in report.phones[0].attempt.message
    house.clock.plan(house.clock.now() - house.clock.started + 2 * HOUR, lambda: lock.write_bytes(b""))
    assert states(house.night()) == {"Ann": "done"}


def test_a_store_that_is_not_mounted(house: House, tmp_path: Path) -> None:
    phone = house.ann()
    house.server.attach(phone)
    away = tmp_path / "away"
    assert house.store.path == str(house.path)  # it is known from now on
    house.path.rename(away)
    house.path.mkdir()
    empty = photograph(tmp_path / "store")
    report = house.night(once=True)
    assert report.code == ExitCode.STORE_MISSING
    assert isinstance(report.error, StoreMissing)
    assert photograph(tmp_path / "store") == empty == {}
    assert house.ears.beats == ["start", "fail"]

    def mount() -> None:
        house.path.rmdir()
        away.rename(house.path)

    # Within a night, someone who plugs the disk in is not too late.
    house.clock.plan(house.clock.now() - house.clock.started + 2 * HOUR, mount)
    assert states(house.night()) == {"Ann": "done"}
    assert [message.title for message in house.ears.messages if message.alarm == "failed"] == [
        "The store is missing"
    ]


def test_another_disk_where_the_store_was(house: House, tmp_path: Path) -> None:
    phone = house.ann()
    house.server.attach(phone)
    right = house.store.path
    house.path.rename(tmp_path / "right")
    # Someone else's disk, with a store of its own.
    Store.open(tmp_path / "wrong")
    (tmp_path / "wrong").rename(right)
    wrong = photograph(right)
    report = house.night(once=True)
    assert report.code == ExitCode.STORE_MISSING
    assert report.error is not None
    assert "A different store than before is mounted" in report.error.what
    assert photograph(right) == wrong


def test_a_store_that_goes_away_in_the_middle_of_the_night(house: House, tmp_path: Path) -> None:
    phone = house.ann()
    away: list[bool] = []

    def opened() -> Store:
        if away:
            away.pop()
            raise StoreMissing("The store is not mounted.")
        return house.store

    def plug() -> None:
        house.server.attach(phone)
        away.append(True)

    house.clock.plan(HOUR, plug)
    report = house.night(open_store=opened)
    assert [each.attempt.code for each in house.outcomes] == [ExitCode.STORE_MISSING, 0]
    assert report.code == 0


def test_a_store_that_is_gone_in_the_morning_is_not_a_phone_without_backup(
    house: House, tmp_path: Path
) -> None:
    phone = house.ann()
    phone.set_faults(DropInPhase(phase="uploading", after=2))
    house.clock.plan(HOUR, lambda: house.server.attach(phone))
    house.clock.plan(2 * HOUR, lambda: house.path.rename(tmp_path / "away"))
    report = house.night()
    assert report.code == ExitCode.STORE_MISSING
    assert codes(report) == {16}
    assert "stale" not in house.ears.alarms


def test_a_phone_that_comes_while_a_disk_is_read_has_its_turn(house: House) -> None:
    """A cron job in the early evening finds nobody, and reads the disk: that must not keep a person waiting."""
    phone = house.ann()
    came: list[object] = []
    plugs = Plugs(house.clock)
    assert not plugs.stirs()  # it listens from now on

    def observe(event: object) -> None:
        if getattr(event, "phase", "") == "verify" and not came:
            came.append(event)
            house.server.attach(phone)
            while not plugs.stirs():
                time.sleep(0.01)

    report = run_night(house.job(once=True, observe=observe), plugs)
    plugs.close()
    assert [each.attempt.state for each in house.outcomes] == ["absent", "done"]
    assert states(report) == {"Ann": "done"}
    assert report.phones[0].proofs[0].level == "quick"
    assert len(report.phones[0].proofs) == 2


def ann_who_is_silent_and_bob(house: House) -> tuple[VirtualPhone, VirtualPhone]:
    """Two phones, connected; the first looks through its files until the test lets it go on."""
    ann, bob = house.ann(), VirtualPhone(BOB)
    phones = (PhoneConfig("Ann", ann.udid), PhoneConfig("Bob", bob.udid))
    house.config = replace(house.config, phones=phones, limits=Limits(say_every_s=0.05))
    ann.scan_may_end.clear()
    house.server.attach(ann)
    house.server.attach(bob)
    return ann, bob


def test_a_phone_that_is_silent_does_not_hold_up_the_others(house: House) -> None:
    """Ann's phone looks through its files until Bob's backup is made, however long that takes."""
    ann, bob = ann_who_is_silent_and_bob(house)
    done: list[str] = []

    def report(outcome: PhoneOutcome) -> None:
        done.append(outcome.phone.name)
        ann.scan_may_end.set()

    report_of_night = house.night(once=True, report=report)
    assert done == ["Bob", "Ann"]
    assert states(report_of_night) == {"Ann": "done", "Bob": "done"}
    for phone in (ann, bob):
        assert_is_the_phone(house.of(phone).snapshots()[-1].path, phone)
    record = house.journal.read()
    assert {each.last.state for each in record.phones.values() if each.last} == {"done"}
    silences = [event for event in house.told.events if isinstance(event, Silent)]
    assert "has been silent for" in silences[0].text


def test_a_silent_phone_gives_the_turn_to_another_run_of_this_computer(house: House) -> None:
    ann, bob = ann_who_is_silent_and_bob(house)
    others: list[dict[str, str]] = []

    def observe(event: Event) -> None:
        if isinstance(event, Silent) and not others:
            others.append({})
            others.extend(states(house.night(once=True, only=each.udid)) for each in (bob, ann))
            ann.scan_may_end.set()

    assert states(house.night(once=True, only=ann.udid, observe=observe)) == {"Ann": "done"}
    assert [list(each.values()) for each in others] == [[], ["done"], ["waiting"]]


def test_ctrl_c_ends_a_turn_that_is_silent(house: House) -> None:
    ann, bob = ann_who_is_silent_and_bob(house)

    def report(_outcome: PhoneOutcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.night(once=True, report=report)
    assert ann.journal.details("request")  # it was being backed up
    assert [each.kind for each in house.of(ann).left_overs()] == ["resumable"]
    assert len(house.of(bob).snapshots()) == 1
    ann.scan_may_end.set()
    assert states(house.night(once=True)) == {"Ann": "done", "Bob": "not_due"}


def test_the_turn_is_one_for_all_runs_of_this_computer(house: House) -> None:
    phone = house.ann()
    house.server.attach(phone)
    with my_turn(house.journal.folder, phone.udid, house.clock) as mine:
        assert mine
        report = house.night(once=True)
        assert states(report) == {"Ann": "waiting"}
        assert report.code == 0
    assert states(house.night(once=True)) == {"Ann": "done"}
    assert states(house.night(once=True)) == {"Ann": "not_due"}


def test_damage_is_found_reported_and_sent_again(house: House) -> None:
    phone = house.ann()
    snapshot = house.of(phone).snapshots()[0]
    flip(blob(snapshot.path, phone, "HomeDomain")[0], later=False)
    house.clock.jump(timedelta(days=28))  # by now its every byte is read again
    report = house.night(once=True)
    assert report.code == ExitCode.DAMAGE
    assert [(each.level, each.good) for each in report.phones[0].proofs] == [("full", False)]
    assert house.ears.alarms == ["damage", "stale"]
    assert snapshot.id in house.ears.messages[0].text
    house.server.attach(phone)
    assert states(house.night(once=True)) == {"Ann": "done"}
    assert_is_the_phone(house.of(phone).snapshots()[-1].path, phone)


def test_deep_where_the_password_is_stored_and_what_happens_when_it_is_wrong(house: House) -> None:
    house.password = "right"
    phone = VirtualPhone(replace(ANN, backup_password="right"))
    house.server.attach(phone)
    assert [each.level for each in house.night(once=True).phones[0].proofs] == ["quick", "deep"]
    house.clock.jump(timedelta(days=28))
    house.password = "wrong"
    house.server.detach(phone)
    report = house.night(once=True)
    assert report.code == ExitCode.PASSWORD
    # The checksums need no password.
    assert [(each.level, each.good) for each in report.phones[0].proofs] == [("full", True)]
    house.clock.jump(timedelta(days=28))
    house.password = None
    assert [each.level for each in house.night(once=True).phones[0].proofs] == ["full"]
    house.clock.jump(timedelta(days=28))
    house.password = "right"
    house.config = replace(house.config, proof=ProofConfig(deep=False))
    assert [each.level for each in house.night(once=True).phones[0].proofs] == ["full"]


def test_hours_away_from_the_window_nothing_is_waited_for(house: House) -> None:
    house.ann()
    house.clock.jump(timedelta(hours=14))
    began = house.clock.now()
    report = house.night()
    assert states(report) == {"Ann": "waiting"}
    assert f"Its hours are {house.window}" in report.phones[0].attempt.message
    assert house.clock.now() == began


def test_who_is_looked_after(house: House) -> None:
    ann = house.ann()
    bob = VirtualPhone(BOB)
    house.config = replace(house.config, phones=(PhoneConfig("bob’s", bob.udid, max_age_s=1e9),))  # noqa: RUF001
    report = house.night(once=True)
    assert [each.phone.name for each in report.phones] == ["bob’s", "Ann"]  # noqa: RUF001
    assert [each.phone.name for each in house.night(once=True, only=ann.udid).phones] == ["Ann"]
    house.config = replace(house.config, phones=(PhoneConfig("ann", ann.udid, ignore=True),))
    assert house.night(once=True).phones == ()


def test_a_phone_that_is_only_set_up_for_wifi_is_looked_after(house: House) -> None:
    pairing = KeptPairing(VirtualPhone(ANN).udid, b"of no use here", "", "Ann", "27.0", house.clock.now())
    KeptPairings().keep(pairing)
    assert [each.phone.name for each in house.night(once=True).phones] == ["Ann"]


def test_a_night_with_nothing_to_look_after_is_no_success(house: House) -> None:
    report = house.night(once=True)
    assert report.code == ExitCode.NO_PHONE
    assert house.ears.beats == ["start", "fail"]
    assert [message.title for message in house.ears.messages] == ["Nothing is backed up"]
    house.night(once=True)
    assert len(house.ears.messages) == 1  # once a night


def test_room_that_gets_low_is_reported_once_a_night(house: House) -> None:
    house.nightly(min_free_bytes=10**18, every_s=0.0)
    house.server.attach(VirtualPhone(ANN))
    for _ in range(2):
        assert states(house.night(once=True)) == {"Ann": "done"}
        house.clock.jump(MINUTE)
    assert house.ears.alarms.count("room_low") == 1


def test_a_run_that_is_interrupted_says_so_in_the_journal(house: House) -> None:
    house.server.attach(VirtualPhone(ANN))
    house.told.stop = lambda event: type(event).__name__ == "PhaseStarted"
    with pytest.raises(KeyboardInterrupt):
        house.night(once=True)
    run = house.journal.read().last_run
    assert run is not None
    assert run.code == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("found", "code"),
    [([], 0), ([30, 3], 3), ([3, 20, 15], 15), ([13, 16, 1], 1), ([4, 1], 4), ([14, 12], 14), ([21, 13], 1)],
)
def test_the_worst_code_comes_first(found: list[int], code: int) -> None:
    assert worst(ExitCode(each) for each in found) == code
