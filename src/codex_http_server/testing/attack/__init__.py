"""Attacks on a running server, as a page, a process, another user or the agent would try them.

Each file but the frame is one subject. The frame: `answers` reads what comes back, `wire` is the
connection, `target` says where, `stage` is what an attack works with, `attacks` what one is,
`runner` runs them and `report` tells. `codex-http-server attack` is the command.
"""
