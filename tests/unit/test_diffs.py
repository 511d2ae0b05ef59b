"""The core's changes as one unified diff."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.conversations.diffs import unified


def change(kind: str, diff: str, **more: Any) -> dict[str, Any]:
    return {"path": "/p/a.txt", "kind": {"type": kind} | more, "diff": diff}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (change("add", "one\ntwo\n"),
         "--- /dev/null\n+++ /p/a.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"),
        (change("add", "no end"), "--- /dev/null\n+++ /p/a.txt\n@@ -0,0 +1,1 @@\n+no end\n"),
        (change("add", ""), "--- /dev/null\n+++ /p/a.txt\n"),
        (change("add", "a\n\nb\n"),
         "--- /dev/null\n+++ /p/a.txt\n@@ -0,0 +1,3 @@\n+a\n+\n+b\n"),
        (change("delete", "gone\n"),
         "--- /p/a.txt\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-gone\n"),
        (change("update", "@@ -1 +1 @@\n-a\n+b", move_path=None),
         "--- /p/a.txt\n+++ /p/a.txt\n@@ -1 +1 @@\n-a\n+b\n"),
        (change("update", "@@ -1 +1 @@\n-a\n+b\n", move_path="/p/b.txt"),
         "--- /p/a.txt\n+++ /p/b.txt\n@@ -1 +1 @@\n-a\n+b\n"),
        (change("brandNew", "@@ x"), "--- /p/a.txt\n+++ /p/a.txt\n@@ x\n"),
    ],
)  # fmt: skip
def test_a_change_reads_as_a_diff(changes: dict[str, Any], text: str) -> None:
    assert unified([changes]) == text
    assert unified([changes, changes]) == text + text


@pytest.mark.parametrize("changes", [None, [], "x", {}])
def test_no_changes_are_no_diff(changes: Any) -> None:
    assert unified(changes) is None
