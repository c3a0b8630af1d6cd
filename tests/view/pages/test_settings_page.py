"""Nights: what a form writes into the config file, what it never writes, and what asks again before it removes."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support import web
from support.program import MakeProgram, Program
from support.runs import SMALL
from support.web_client import Answer, WebClient, client

pytestmark = pytest.mark.peer
SECRET = "ntfys://ntfy.sh/very-secret-topic"
CONFIG = """\
# Ask Ann first.
[[phones]]
name = "Ann's"
udid = "{udid}"
password_command = "echo owned-secret" # hers

[nightly]
window = "21:00-07:00" # after dinner
max_age = "5d"

[notify]
desktop = false
urls = ["{secret}"]
"""


class Nights:
    """A view with a config file, and its forms."""

    def __init__(self, program: Program, config: Path, asked: WebClient) -> None:
        self.program = program
        self.config = config
        self.asked = asked

    def get(self, query: str = "") -> Answer:
        return self.asked.get(f"/settings{query}")

    def send(self, part: str, **fields: str) -> Answer:
        seen = re.search(r'name="seen" value="(\w+)"', self.get().text)
        assert seen is not None
        return self.asked.post(f"/settings/{part}", {"seen": seen[1], **fields})


@pytest.fixture
def nights(make_program: MakeProgram) -> Iterator[Nights]:
    """The nights of a phone that has no backup yet."""
    with _nights(make_program(SMALL)) as found:
        yield found


@pytest.fixture
def aged(make_program: MakeProgram) -> Iterator[Nights]:
    """The nights of a phone with two backups."""
    program = make_program(SMALL)
    for _ in range(2):
        program.now()
        program.phone.change(changed=1)
    with _nights(program) as found:
        yield found


@contextmanager
def _nights(program: Program) -> Iterator[Nights]:
    config = program.folder / "ibackup.toml"
    config.write_text(CONFIG.format(udid=SMALL.udid, secret=SECRET), encoding="utf-8")
    config.chmod(0o600)
    with client(program, "--config", str(config)) as asked:
        yield Nights(program, config, asked)


NIGHT = {
    "window_start": "21:00",
    "window_end": "07:00",
    "every": "20h",
    "max_age": "5d",
    "answer_within": "5m",
    "max_prompts": "3",
    "min_free": "10GB",
    "power": "on",
    "night-anns": "on",
}


def test_the_page_shows_what_is_set_and_no_secret(nights: Nights) -> None:
    text = nights.get().text
    assert "5d" in text
    assert "1 address" in text
    for secret in (SECRET, "very-secret", "owned-secret", SMALL.udid):
        assert secret not in text


def test_saving_changes_only_what_was_changed(aged: Nights) -> None:
    before = aged.config.read_text(encoding="utf-8")
    assert aged.send("nights", **NIGHT).status == 303
    assert aged.config.read_text(encoding="utf-8") == before
    changed = {**NIGHT, "window_end": "06:30", "max_age": "3d", "max_prompts": "2"}
    del changed["night-anns"]
    assert aged.send("nights", **changed).status == 303
    after = aged.config.read_text(encoding="utf-8")
    assert '"21:00-06:30" # after dinner' in after
    assert after.startswith("# Ask Ann first.")
    assert "# hers" in after
    found = tomllib.loads(after)
    assert found["nightly"] == {"window": "21:00-06:30", "max_age": "3d", "max_prompts": 2}
    assert found["phones"][0]["ignore"] is True
    assert aged.config.stat().st_mode & 0o077 == 0


def test_a_wrong_value_is_told_beside_its_field_and_nothing_is_saved(nights: Nights) -> None:
    before = nights.config.read_text(encoding="utf-8")
    answer = nights.send("nights", **{**NIGHT, "every": "soon", "window_start": "25:00"})
    assert answer.status == 422
    assert "This must be a duration" in answer.text
    assert 'value="soon"' in answer.text
    assert "Write both as hours and minutes" in answer.text
    assert nights.config.read_text(encoding="utf-8") == before


def test_what_runs_programs_or_holds_secrets_is_not_written_whatever_a_form_says(nights: Nights) -> None:
    before = nights.config.read_text(encoding="utf-8")
    evil = {
        "password_command": "touch owned",
        "urls": "json://evil",
        "heartbeat_url": "http://evil/",
        "store": "/tmp/evil",
        "password_file": "/etc/passwd",
        "udid": "x",
    }
    for part in ("nights", "keep", "told"):
        assert nights.send(part, **NIGHT, **evil).status in (303, 422)
    after = nights.config.read_text(encoding="utf-8")
    assert "evil" not in after
    assert 'owned"' not in after.replace("owned-secret", "")
    assert after.replace("\n[prune]\n", "") == before or "evil" not in after


def test_a_file_that_changed_meanwhile_is_not_overwritten(nights: Nights) -> None:
    page = nights.get().text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen is not None
    nights.config.write_text(nights.config.read_text(encoding="utf-8") + "# new\n", encoding="utf-8")
    answer = nights.asked.post("/settings/nights", {"seen": seen[1], **NIGHT, "every": "30h"})
    assert answer.status == 409
    assert "in the meantime" in answer.text
    assert "30h" not in nights.config.read_text(encoding="utf-8")


def test_a_form_without_its_token_changes_nothing(nights: Nights) -> None:
    before = nights.config.read_text(encoding="utf-8")
    answer = nights.asked.post("/settings/nights", {**NIGHT, "every": "30h", "csrf": "wrong"})
    assert answer.status == 403
    assert nights.config.read_text(encoding="utf-8") == before


def test_rules_are_previewed_saved_and_removing_asks_again(aged: Nights) -> None:
    preview = aged.send("preview", keep_last="1")
    assert preview.status == 303
    address = str(preview.headers["location"])
    assert "csrf" not in address
    shown = aged.asked.get(address.partition("#")[0])
    assert "1 would go" in shown.text
    assert "not saved yet" in shown.text
    assert "keep_last" not in aged.config.read_text(encoding="utf-8")
    assert aged.send("keep", keep_last="1", keep_daily="0").status == 303
    assert tomllib.loads(aged.config.read_text(encoding="utf-8"))["prune"] == {"keep_last": 1}
    asks = aged.get("?remove=anns")
    assert "<dialog" in asks.text
    assert re.search(r"autofocus[^>]*><span>Keep it", asks.text)
    ids = re.findall(r'name="shown" value="(\w+)"', asks.text)
    assert len(ids) == 1
    assert len(aged.program.snapshots) == 2
    assert aged.asked.post("/settings/remove", {"phone": "anns", "shown": ids}).status == 303  # not sure
    assert len(aged.program.snapshots) == 2
    sent = {"phone": "anns", "shown": [*ids, "../../etc"], "sure": "yes"}
    assert aged.asked.post("/settings/remove", sent).status == 303
    for _ in range(5000):
        if len(aged.program.snapshots) == 1:
            break
        aged.asked.get("/settings")
    assert [each.name for each in aged.program.snapshots] != ids
    assert len(aged.program.snapshots) == 1


def test_a_test_message_says_where_it_arrived_without_the_address(nights: Nights) -> None:
    text = nights.config.read_text(encoding="utf-8").replace(SECRET, "json://127.0.0.1:1/very-secret")
    nights.config.write_text(text, encoding="utf-8")
    answer = nights.send("test")
    assert answer.status == 200
    assert "urls, no. 1 (json)" in answer.text
    assert "very-secret" not in answer.text


def test_the_schedule_is_told_in_words_even_where_there_is_none(nights: Nights) -> None:
    assert "Nothing starts by itself" in nights.get().text
    answer = nights.send("schedule", on="1", at="nonsense")
    assert answer.status == 409
    assert "no time of day" in answer.text


def test_nights_look_right_everywhere(chromium: Browser, view: web.View) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go("/settings")
        visitor.check("nights")
