"""A core that leaves at the second SIGTERM, like the real one with a turn open.

Prints the time of each.
"""

import signal
import sys
import time

heard: list[float] = []


def hear(_number: int, _frame: object) -> None:
    heard.append(time.monotonic())
    print(heard[-1], flush=True)
    if len(heard) == 2:
        sys.exit(0)


signal.signal(signal.SIGTERM, hear)
print("ready", flush=True)
while True:
    time.sleep(600)
