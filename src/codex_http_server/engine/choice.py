"""Which core a server uses: the one that it left, Codex's own daemon, or a new one. Pure."""

from __future__ import annotations

from typing import Literal

Mode = Literal["auto", "own", "join"]  # the setting `core`
Presence = Literal["none", "healthy", "mute", "strange", "foreign"]  # of a daemon, see daemon.py
Choice = Literal["adopt", "adopt_until_quiet", "join", "own", "refuse"]


def choose(mode: Mode, *, left: bool, daemon: Presence, known: bool) -> Choice:
    """What to do. `left`: our keeper still holds the core of an earlier server. `known`: the daemon
    that we were joined to still lives, and turns of ours may go on in it.

    A core of ours comes first, or its turns would die and two cores of our doing would write one
    home; where a daemon is wanted, it goes over to that one as soon as nothing runs.
    """
    joins = mode != "own" and daemon == "healthy"
    if left:
        return "adopt_until_quiet" if joins or mode == "join" else "adopt"
    if joins:
        return "join"
    waits = mode == "join" or (mode == "auto" and known)  # it is mute, and may come to itself
    return "refuse" if waits else "own"
