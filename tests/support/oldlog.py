"""A log as an older server left it: what later migrations made is taken out again."""

from __future__ import annotations

import sqlite3
from typing import Final

SINCE_THE_LEDGER: Final = """
DROP TABLE IF EXISTS search_text;
DROP TABLE search_state; DROP TABLE search_doc; DROP TABLE search_gone; DROP TABLE search_dirty;
DROP TRIGGER search_begun; DROP TRIGGER search_named; ALTER TABLE conversation DROP COLUMN named;
DROP INDEX conversation_fork; ALTER TABLE conversation DROP COLUMN forked_from;
DROP INDEX event_turn; DROP INDEX conversation_thread;
DROP TABLE reverted; DROP TABLE deleted; DROP TABLE approval; DROP TABLE turn;
"""


def before_the_ledger(log: sqlite3.Connection) -> None:
    """Before migration 3."""
    log.executescript(SINCE_THE_LEDGER)
    log.execute("PRAGMA user_version=2")
