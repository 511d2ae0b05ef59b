"""Tells a webhook and a local command that an approval waits, a turn has ended, a login is needed.

Before: eventlog (what happened). After: `runtime`, which hands over what was committed. Nobody in
the server waits for it, and a receiver that is away stops nothing.
"""
