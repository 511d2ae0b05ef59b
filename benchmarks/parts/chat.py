"""The page at `/` in a browser: a long conversation, and ten that stream at once."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Page, sync_playwright

from benchmarks.bench import Bench
from benchmarks.report import Measure, at_most
from benchmarks.sites import Server
from benchmarks.stats import percentile
from benchmarks.stored import write_events

EVENTS: Final = (16_700, 3_400)  # full and quick: ten to a turn, three of them ends of items
STREAMS: Final = 10
RATE: Final = 50  # deltas a second of each
SECONDS: Final = (6, 3)  # full and quick
WARM: Final = 500  # milliseconds that are left out
PATIENCE: Final = 20_000  # milliseconds for anything to show
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
ARGS: Final = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Milliseconds between frames, while `step` is done before each.
FRAMES: Final = """
([count, pixels]) => new Promise((resolve) => {
  const box = document.querySelector(".codex-scroll");
  const taken = [];
  let last = performance.now();
  const frame = (now) => {
    taken.push(now - last);
    last = now;
    if (taken.length > count) return resolve(taken.slice(1));
    if (box && pixels) box.scrollTop += pixels;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})
"""


def run(bench: Bench) -> list[Measure]:
    """Each round loads the page anew, in a browser that has nothing of it."""
    with bench.site() as site:
        long = asyncio.run(write_events(site, bench.size(*EVENTS)))
        rounds = [_round(bench, Server(site), long) for _ in range(bench.rounds)]
    targets = {
        "first paint of 5,000 items": at_most(1000),
        "frame while scrolling p95": at_most(100),
    }
    return [
        Measure(name, [each[name] for each in rounds], "ms", targets.get(name, at_most(100)))
        for name in rounds[0]
    ]


def _round(bench: Bench, server: Server, long: str) -> dict[str, float]:
    with server, _browser() as page:
        server.wait_ready()
        painted = _paint(page, f"{server.url}/#{long}")
        page.wait_for_timeout(WARM)
        scrolled = page.evaluate(FRAMES, [120, -400])
        streaming = _stream(page, server, bench.size(*SECONDS))
    return {
        "first paint of 5,000 items": painted,
        "frame while scrolling p95": percentile(scrolled, 0.95),
        f"frame with {STREAMS} streams p95": percentile(streaming, 0.95),
    }


@contextmanager
def _browser() -> Generator[Page]:
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError("there is no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGS)
        try:
            page = browser.new_page(viewport={"width": 1300, "height": 900})
            page.set_default_timeout(PATIENCE)
            yield page
        finally:
            browser.close()


def _paint(page: Page, address: str) -> float:
    """Milliseconds from the address to the newest message, scripts and all."""
    page.goto("about:blank")
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    page.locator(".codex-foot").last.wait_for()
    return (time.monotonic() - began) * 1000


def _stream(page: Page, server: Server, seconds: int) -> list[float]:
    """Frames of a page that shows one of the conversations, and lists all."""
    conversations = server.conversations(STREAMS)
    page.goto(f"{server.url}/#{conversations[0]}")
    page.locator("[data-conversation]").first.wait_for()
    server.send(conversations, f"plan {seconds * RATE} {RATE}")
    page.locator(".codex-agentMessage").wait_for()
    return page.evaluate(FRAMES, [seconds * 20, 0])
