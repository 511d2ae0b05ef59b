"""A core that leaves at the second SIGTERM, like the real one with a turn open.

Prints the time of each.
"""

import contextlib
import os
import signal
import sys
import time

heard: list[float] = []


def hear(_number: int, _frame: object) -> None:
    heard.append(time.monotonic())
    with contextlib.suppress(BrokenPipeError):  # if nobody listens any more
        os.write(1, f"{heard[-1]}\n".encode())
    if len(heard) == 2:
        sys.exit(0)


signal.signal(signal.SIGTERM, hear)
print("ready", flush=True)
while True:
    time.sleep(600)
