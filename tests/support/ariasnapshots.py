"""What a page says to those who can't see it, kept in files and compared from run to run.

`RENEW_SNAPSHOTS=1 make test ARGS="tests/browser/test_page_states.py"` writes them anew; the diff
of the commit then says what has changed. What differs in each run is masked: times, paths, ids,
counts of tokens.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Locator

KEPT = Path(__file__).resolve().parents[1] / "browser" / "snapshots"
RENEW = "RENEW_SNAPSHOTS"
PATIENCE = 10.0  # seconds until the page says what is kept
STEP = 100  # milliseconds between two looks
MASKS = (
    (re.compile(re.escape(tempfile.gettempdir()) + r"/[^\s\"'<>]*"), "<path>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b"), "<id>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<server>"),
    (re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?(?:[\s\u202f][AP]M)?"), "<clock>"),
    (re.compile(r"(\bexit \d+), \d+(?:\.\d)? s\b"), r"\1"),  # only slow ones say it
    (re.compile(r"\b\d+(?:\.\d)? s\b"), "<seconds>"),
    (re.compile(r"\b[\d.]+(?: [kM])? tokens\b"), "<tokens>"),
    (re.compile(r"\b\d+ % left\b"), "<left>"),
    # What a core offers is another thing with each version of it.
    (
        re.compile(
            r'^(\s*- combobox "(?:Model|Effort)").*\n(?:\s+- (?:\'?)option .*\n)*', re.MULTILINE
        ),
        r"\1\n",
    ),
    # Said only where the answer came after the conversation was shown.
    (re.compile(r'^(\s*)- text: .*\n(?=\1- textbox "Message")', re.MULTILINE), ""),
)


def stable(snapshot: str) -> str:
    """A snapshot without what differs in each run, or with each version of the core."""
    snapshot += "\n"
    for pattern, word in MASKS:
        snapshot = pattern.sub(word, snapshot)
    return snapshot


def check_snapshot(part: Locator, name: str) -> None:
    """That part of a page says what is kept under this name; it may take a moment to say it."""
    path = KEPT / f"{name}.yml"
    if os.environ.get(RENEW):
        path.parent.mkdir(exist_ok=True)
        path.write_text(_settled(part), encoding="utf-8")
        return
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    end = time.monotonic() + PATIENCE
    while (found := stable(part.aria_snapshot())) != kept and time.monotonic() < end:
        part.page.wait_for_timeout(STEP)
    lines = difflib.unified_diff(
        kept.splitlines(), found.splitlines(), f"{path.name}, as kept", "the page now", lineterm=""
    )
    hint = f"If it is meant to be so: {RENEW}=1, and look at the diff."
    assert found == kept, "\n".join([*lines, "", hint])


def _settled(part: Locator) -> str:
    """What it says once it says the same for ten looks."""
    same, last = 0, ""
    while same < 10:
        part.page.wait_for_timeout(STEP)
        found = stable(part.aria_snapshot())
        same = same + 1 if found == last else 0
        last = found
    return last
