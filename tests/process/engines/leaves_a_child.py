"""A core that has started a command that is deaf to SIGTERM, and leaves at SIGTERM itself.

Prints the command's pid.
"""

import subprocess
import sys
import time
from pathlib import Path

command = subprocess.Popen(
    [sys.executable, Path(__file__).with_name("deaf_to_sigterm.py")],
    stdout=subprocess.PIPE,
    text=True,
)
assert command.stdout is not None
command.stdout.readline()
print(command.pid, flush=True)
time.sleep(600)
