"""A core that leaves at SIGTERM. Arguments are ignored."""

import time

print("ready", flush=True)
time.sleep(600)
