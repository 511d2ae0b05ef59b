"""A core with two commands that are deaf to SIGTERM and out of its reach.

The first is in a session of its own; the second is a daemon, whose parent the core is not.
Prints the pids of both.
"""

import os
import sys
import time
from pathlib import Path

DEAF = str(Path(__file__).with_name("deaf_to_sigterm.py"))


def start(*, daemon: bool) -> str:
    """Start a command and wait until it is deaf; its pid."""
    here, there = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if daemon and os.fork():
            os._exit(0)
        os.dup2(there, 1)
        os.write(1, f"{os.getpid()} ".encode())
        os.execv(sys.executable, [sys.executable, DEAF])
    os.close(there)
    with os.fdopen(here) as said:
        return said.readline().split()[0]


print(start(daemon=False), start(daemon=True), flush=True)
time.sleep(600)
