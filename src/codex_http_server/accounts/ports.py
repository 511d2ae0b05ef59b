"""Which program listens on a port of this machine, as far as this user may know."""

from __future__ import annotations

import contextlib

import psutil


def listeners(ports: tuple[int, ...]) -> dict[int, str]:
    """Port → the program that listens there; a port where nobody does is left out."""
    found: dict[int, str] = {}
    with contextlib.suppress(psutil.Error, OSError):  # macOS shows other users' to root only
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port in ports:
                found[each.laddr.port] = _name(each.pid)
    return found


def _name(pid: int | None) -> str:
    if pid is None:
        return "a program of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
