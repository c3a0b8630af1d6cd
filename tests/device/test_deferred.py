"""Modules that wait: an import does without them, their first user gets the real ones."""

import subprocess
import sys

SCRIPT = """
import sys
import ibackup.device.lockdown_client
assert "questionary" not in sys.modules
assert "requests" not in sys.modules
from pymobiledevice3 import utils
import requests
assert utils.requests.get is requests.get
assert utils.questionary.Question.__module__.startswith("questionary")
with __import__("ibackup.device.deferred", fromlist=["x"]).deferred("requests", "json"):
    assert __import__("requests") is requests
    import json
assert json.loads("[1]") == [1]
"""


def test_the_lockdown_client_does_without_what_it_does_not_use() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)
