"""What axe finds wrong with a page for those who can't see it, or not well."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.support.typescript import PACKAGE

AXE = PACKAGE / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def violations(page: Page) -> list[dict[str, Any]]:
    """Names, roles, contrast: what is broken, by rule and place."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("(rules) => globalThis.axe.run(document, rules)", RULES)
    return [
        {"rule": each["id"], "at": [node["target"] for node in each["nodes"]]}
        for each in found["violations"]
    ]
