"""A core that ends before anyone can talk to it."""

import sys

print("ready", flush=True)
print("no such model", file=sys.stderr)
sys.exit(3)
