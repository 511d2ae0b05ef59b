"""A core that ends with status 3 at SIGUSR1, and leaves at SIGTERM."""

import signal
import sys
import time

signal.signal(signal.SIGUSR1, lambda _number, _frame: sys.exit(3))
print("ready", flush=True)
time.sleep(600)
