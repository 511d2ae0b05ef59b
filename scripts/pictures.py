"""Takes the pictures of the README: `python -m scripts.pictures`.

Runs `codex-http-server demo` (the real core, a scripted model), opens its page in Chromium and
writes docs/images/chat-light.png and chat-dark.png. Run it when the page has changed,
and look at them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.chromium import ARGS, CHROMIUM

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "images"
COMMAND: Final = [str(Path(sys.executable).parent / "codex-http-server"), "demo", "--no-open"]
SIZE: Final = (1180, 760)  # of the page
SHARPNESS: Final = 1.5  # pixels of the picture for one of the page
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


@contextmanager
def demo() -> Iterator[str]:
    """The address of the page of a demo that has played its first turn. Nothing of the user's own
    shell is in it: its home is an empty folder."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"HOME": home}
        process = subprocess.Popen(
            [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            assert process.stdout is not None
            found = (re.match(r"Your turn: open (\S+)", line) for line in process.stdout)
            yield next(each[1] for each in found if each)
        finally:
            process.terminate()
            process.wait(20)


def take(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> Path:
    """A picture of the page, once the first answer is there."""
    width, height = SIZE
    page = browser.new_page(
        viewport={"width": width, "height": height},
        device_scale_factor=SHARPNESS,
        color_scheme=scheme,
    )
    page.goto(address)
    expect(page.get_by_text("I looked around")).to_be_visible()
    made = FOLDER / f"chat-{scheme}.png"
    page.screenshot(path=made)
    page.close()
    return made


def main() -> None:
    """See the head of this file."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, demo() as address:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        for scheme in SCHEMES:
            made = take(browser, address, scheme)
            print(f"{made.relative_to(ROOT)}: {made.stat().st_size // 1000} kB")
        browser.close()


if __name__ == "__main__":
    main()
