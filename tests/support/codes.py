"""What every refusal must look like, and where each error code is caused.

`refused` is how tests say "this is refused": test_errors_table.py reads from the calls which
codes the tests cause.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from codex_http_server.api.problems import MEDIA_TYPE, STATUS

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
TESTS = Path(__file__).resolve().parent.parent
# Internal texts that must never reach a caller, whatever went wrong.
LEAKS = ("Traceback", "codex_http_server/", "sqlite", "pydantic", "asyncio", ".py")


def refused(
    answer: httpx.Response, status: int, code: str, field: str | None = None
) -> dict[str, Any]:
    """The problem in `answer`, which must be this one, whole, and name `field` if given."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"] == MEDIA_TYPE
    found = answer.json()
    assert found["code"] == code, found
    assert found["status"] == status == STATUS[code]
    assert found["request_id"] == answer.headers["x-request-id"]
    assert found["type"].endswith(code)
    assert found["title"]
    assert found["detail"]
    leaked = [text for text in LEAKS if text in answer.text]
    assert not leaked, found
    if field is not None:
        assert field in [each["field"] for each in found["errors"]], found
    return found


def caused() -> dict[str, list[str]]:
    """Code → the test files that cause it: by `refused(…, "code")` or by comparing with it."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for code in set(_codes(ast.parse(path.read_text(encoding="utf-8")))):
            found.setdefault(code, []).append(str(path.relative_to(TESTS)))
    return found


def _codes(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, FUNCTIONS) and function.name.startswith("test_"):
            for node in ast.walk(function):
                if isinstance(node, ast.Call | ast.Compare):
                    yield from _texts(node)


def _texts(node: ast.Call | ast.Compare) -> Iterator[str]:
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    else:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        parts = node.args if name == "refused" else []
    for part in parts:
        if isinstance(part, ast.Constant) and part.value in STATUS:
            yield str(part.value)
