"""A video in an encrypted backup plays in the browser, and one can jump to a place in it."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Response, expect

from ibackup.simulator.life import photos_db
from ibackup.simulator.life.photos_db import MadeAsset
from support import web
from support.minted import Mint, Spec
from support.program import programs
from support.runs import SMALL

pytestmark = pytest.mark.peer
_RECORD = """async () => {
    const canvas = document.createElement('canvas'), drawing = canvas.getContext('2d');
    canvas.width = canvas.height = 64;
    let frame = 0;
    const timer = setInterval(() => {
        drawing.fillStyle = `hsl(${10 * frame++}, 80%, 50%)`;
        drawing.fillRect(0, 0, 64, 64);
    }, 40);
    const parts = [], recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/mp4' });
    recorder.ondataavailable = event => parts.push(event.data);
    const done = new Promise(resolve => { recorder.onstop = resolve; });
    recorder.start();
    while (frame < 60) await new Promise(resolve => setTimeout(resolve, 40));
    recorder.stop();
    await done;
    clearInterval(timer);
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
}"""


def _recorded(chromium: Browser) -> bytes:
    """A film that this very browser made, so that it has the codec."""
    page = chromium.new_page()
    try:
        film = base64.b64decode(page.evaluate(_RECORD))
    finally:
        page.context.close()
    first = int.from_bytes(film[:4], "big")
    free = 4_000_000  # a gap that a browser jumps over, not reads
    return film[:first] + free.to_bytes(4, "big") + b"free" + bytes(free - 8) + film[first:]


def test_a_video_plays_and_seeks(chromium: Browser, tmp_path: Path) -> None:
    name = "IMG_0001.MP4"
    asset = MadeAsset(
        case="",
        name=name,
        columns={"ZDURATION": 2.4},
        files=(f"DCIM/100APPLE/{name}",),
        content=_recorded(chromium),
    )
    specs = [
        Spec(each.domain, each.path, content=each.data) for each in photos_db.files((asset,), (), ios=18)
    ]
    made = Mint(tmp_path)("secret", specs=specs)
    with (
        programs(tmp_path) as make,
        web.running(make(SMALL), str(made.folder)) as view,
        web.visitor(chromium, view) as visitor,
    ):
        page = visitor.page
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer) if "what=film" in answer.url else None)
        phone = page.locator("a[href^='/phone/']").first.get_attribute("href") or ""
        visitor.go(f"{phone.partition('?')[0]}/photos")
        page.locator("input[type=password]").fill("secret")
        page.locator("input[type=password]").press("Enter")
        page.locator(".photo a").click()
        film = page.locator(".viewer video")
        expect(film).to_be_visible()
        played = film.evaluate(
            """async film => {
                film.muted = true;
                await film.play();
                const seeked = new Promise(resolve => { film.onseeked = resolve; });
                film.currentTime = 1.5;
                await seeked;
                film.pause();
                return [film.videoWidth, film.currentTime >= 1.4, film.error];
            }"""
        )
        assert played == [64, True, None]
        assert {answer.status for answer in answers} == {206}
        expect(page.locator(".cannot-play")).to_be_hidden()
