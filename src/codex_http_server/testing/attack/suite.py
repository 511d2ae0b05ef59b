"""All attacks, in the order of the report."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from codex_http_server.testing.attack import (
    bodies,
    documents,
    files,
    floods,
    headers,
    hosts,
    origins,
    paths,
    peers,
    preflights,
    proxies,
    replies,
    scopes,
    sessions,
    smuggling,
    tickets,
    tokens,
)
from codex_http_server.testing.attack.attacks import Attack

SUBJECTS: Final[tuple[ModuleType, ...]] = (
    hosts,
    origins,
    preflights,
    proxies,
    bodies,
    documents,
    headers,
    smuggling,
    paths,
    files,
    replies,
    tokens,
    tickets,
    sessions,
    scopes,
    peers,
    floods,
)
ATTACKS: Final[tuple[Attack, ...]] = tuple(
    each for subject in SUBJECTS for each in vars(subject).values() if isinstance(each, Attack)
)
