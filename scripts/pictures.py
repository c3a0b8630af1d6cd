"""Makes the pictures of the web view in docs/pictures, from virtual iPhones and in a real browser.

Two phones are backed up several times into a store that is thrown away; the dates are those of the run.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ibackup.simulator.server import serve
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

TARGET = Path(__file__).resolve().parent.parent / "docs" / "pictures"
IBACKUP = (sys.executable, "-m", "ibackup")
_COLOURS = 160


@dataclass(frozen=True)
class Picture:
    """One picture: its file, the page, and how it is looked at."""

    name: str
    address: str
    width: int = 1280
    height: int = 860
    scheme: Literal["light", "dark"] = "light"


PICTURES = (
    Picture("home", "/"),
    Picture("timeline", "/phone/anns-iphone"),
    Picture("photos", "/phone/anns-iphone/photos"),
    Picture("messages", "/phone/anns-iphone/messages"),
    Picture("search", "/search?q=the", scheme="dark"),
    Picture("home-phone", "/", width=390, height=800, scheme="dark"),
)


def _phones() -> list[VirtualPhone]:
    return [
        VirtualPhone(PhoneSpec(name="Ann\u2019s iPhone", life=True)),
        VirtualPhone(
            PhoneSpec(name="Bob\u2019s iPhone", life=True, udid="00008101-000B0B0B0B0B0B0B", serial="F2LBOB")
        ),
    ]


@contextmanager
def _view(folder: str) -> Iterator[str]:
    """The address of a view of a store with a few backups."""
    phones = _phones()
    with serve(*phones) as server:
        environment = {
            **os.environ,
            **server.environment,
            "HOME": folder,
            "IBACKUP_STATE_DIR": os.path.join(folder, "state"),
            "IBACKUP_STORE": os.path.join(folder, "store"),
        }
        for _ in range(4):
            for phone in phones:
                command = [*IBACKUP, "now", "--phone", phone.spec.udid, "--json"]
                subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
                phone.change(changed=2, added=1)
        subprocess.run(
            [*IBACKUP, "rehearse", "--phone", phones[0].spec.udid, "--json"],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        process = subprocess.Popen(
            [*IBACKUP, "open", "--json", "--no-browser"], env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(2)
            process.wait()


def _take(page: Page, origin: str, picture: Picture) -> bytes:
    page.set_viewport_size({"width": picture.width, "height": picture.height})
    page.emulate_media(color_scheme=picture.scheme, reduced_motion="reduce")
    page.goto(origin + picture.address)
    page.wait_for_function("() => Array.from(document.images).every(each => each.complete)")
    # Few colours, so that all of them are small.
    few = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(_COLOURS)
    data = BytesIO()
    few.save(data, "PNG", optimize=True)
    return data.getvalue()


def main() -> int:
    """Make all of them."""
    program = shutil.which("chromium")
    if program is None:
        print("Chromium is not installed.", file=sys.stderr)
        return 1
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _view(folder) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        page.goto(url)
        origin = url.partition("/open")[0]
        for picture in PICTURES:
            data = _take(page, origin, picture)
            (TARGET / f"{picture.name}.png").write_bytes(data)
            print(f"{picture.name}: {len(data):,} bytes")
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
