"""What setup adds to a config file, and all that it leaves alone."""

import tomllib
from datetime import time

import pytest

from ibackup.base.errors import UsageError
from ibackup.config.config_additions import Additions, added
from ibackup.config.config_schema import PruneConfig
from ibackup.config.value_kinds import HoursWindow

UDID = "00008101-000A0B0C0D0E0F01"
OTHER = "00008101-001F0B0C0D0E0F02"
ALL = Additions(
    UDID,
    'Zoë\'s "own"',
    "/mnt/ä \\ b",
    HoursWindow(time(21, 30), time(7)),
    PruneConfig(keep_last=7, keep_within_s=864000.0),
)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# only words\n",
        'store = "/old"   # here\n',
        f"[nightly]\nevery = '10h'\n\n[[phones]]\nname = 'b'\nudid = '{OTHER}'\n[phones.prune]\nkeep_last=1\n",
        f"[[phones]]\nname = 'old'\nudid = '{UDID.replace('-', '').lower()}'\nevery = '9h' # quick\n",
        "prune = {keep_last = 3}\n",
        "[prune]\nkeep_last = 3",
    ],
)
def test_all_is_there_and_nothing_else_changes(before: str) -> None:
    after = added(before, ALL)
    was, now = tomllib.loads(before), tomllib.loads(after)
    assert now["store"] == "/mnt/ä \\ b"
    assert [
        each["name"]
        for each in now["phones"]
        if each["udid"].replace("-", "").upper() == UDID.replace("-", "")
    ] == ['Zoë\'s "own"']
    assert now["nightly"] == {**was.get("nightly", {}), "window": "21:30-07:00"}
    assert now["prune"] == {"keep_last": 7, "keep_within": "10d"}
    others = [each for each in was.get("phones", []) if each["name"] == "b"]
    assert [each for each in now["phones"] if each["name"] == "b"] == others
    for comment in ("# only words", "# here", "# quick"):
        assert (comment in after) is (comment in before)
    assert added(after, ALL) == after


def test_where_the_password_is() -> None:
    where = Additions(UDID, "ann", password_file="/x/pw")
    text = added("", where)
    assert tomllib.loads(text)["phones"] == [{"name": "ann", "udid": UDID, "password_file": "/x/pw"}]
    assert added(text, Additions(UDID, "ann")) == text
    moved = added(text, Additions(UDID, "ann", password_file="/y/pw"))
    assert tomllib.loads(moved)["phones"][0]["password_file"] == "/y/pw"


def test_what_is_not_given_stays() -> None:
    text = f'store="/x"\n[nightly]\nwindow="always"\n[[phones]]\nname="a"\nudid="{UDID}"\n'
    assert added(text, Additions(UDID, "a")) == text


@pytest.mark.parametrize(
    "before", ["phones = []\n", "nightly = 3\n", "phones = 3\n", "store = \n", "[prune\n"]
)
def test_what_nothing_can_be_added_to_is_said(before: str) -> None:
    with pytest.raises(UsageError, match="can be added"):
        added(before, ALL)
