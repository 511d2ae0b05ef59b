"""Is there a screen that a browser could open on?"""

from __future__ import annotations

import os
import sys


def has_screen() -> bool:
    """Without one, a text browser would take over the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
