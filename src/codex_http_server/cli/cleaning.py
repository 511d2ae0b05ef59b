"""Text that is safe to show: control characters spelled out.

What comes from the model, a command or a file may hold characters that would move the cursor or
turn text around.
"""

from __future__ import annotations

import re
from typing import Final

# C0 and C1 without line break and tab; what changes the direction of text, or can't be seen.
CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def clean(text: str) -> str:
    """The text with its control characters spelled out."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))
