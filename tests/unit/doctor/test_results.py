"""What a check found, and that no secret gets past it."""

from __future__ import annotations

import pytest

from codex_http_server.doctor.results import bare, clean, fail, ok, report, skip, warn, worst


def test_several_findings_are_as_bad_as_the_worst() -> None:
    found = worst([ok("a", "fine"), warn("a", "odd.", "Look."), fail("a", "bad.", "Mend.")])
    assert found == fail("a", "fine; odd; bad", "Look. Mend.")
    assert worst([ok("a", "fine"), ok("a", "good")]) == ok("a", "fine; good")


def test_the_report_counts_and_is_ok_unless_something_failed() -> None:
    results = [ok("a", "x"), warn("b", "x", "y"), skip("c", "x")]
    body = report("1.2.3", "/home", results)
    assert body["ok"]
    assert body["counts"] == {"ok": 1, "warn": 1, "fail": 0, "skip": 1}
    assert body["checks"][0] == {"id": "a", "status": "ok", "found": "x", "advice": None}
    assert not report("1.2.3", "/home", [*results, fail("d", "x", "y")])["ok"]


@pytest.mark.parametrize(
    "text",
    [
        "http://me:pass-word@proxy:80 refuses",
        "key sk-pass-word-123 is wrong",
        "Authorization: Bearer pass-word",
        "socks5://pass-word@proxy",
    ],
)
def test_no_secret_gets_past(text: str) -> None:
    found = clean(warn("a", text, text))
    assert "pass-word" not in found.found
    assert "pass-word" not in (found.advice or "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host:8443/v1?key=secret#secret", "https://host:8443/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
        ("https://host", "https://host"),
        ("http://host:notaport/secret", "a URL that can't be read"),
        ("http://[secret", "a URL that can't be read"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert bare(url) == shown
