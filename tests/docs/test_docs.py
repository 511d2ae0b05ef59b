"""The documents say what is there: routes, codes, settings, make targets, links, examples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from codex_http_server.client.where import URL_ENV
from codex_http_server.doctor.examination import IDS
from codex_http_server.doctor.results import ok, report
from codex_http_server.notify.command import VARIABLES
from codex_http_server.settings import CONFIG_ENV, SETTINGS, TOKEN_ENV, resolve
from tests.support.contract import SIX
from tests.support.pages import PAGES, README, ROOT, Snippet, blocks, name, prose, snippets, text

OPENAPI: dict[str, Any] = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
ROUTES = [
    f"{method.upper()} {path.replace('{conversation_id}', '{id}')}"
    for path, methods in OPENAPI["paths"].items()
    for method in methods
]
CODES: dict[str, int] = OPENAPI["x-error-codes"]


def anchors(path: Path) -> set[str]:
    """The names that headings can be linked by."""
    heads = re.findall(r"^#+ +(.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_is_in_the_readme_or_a_guide(route: str) -> None:
    pages = [README, *(ROOT / "docs" / "guides").glob("*.md")]
    assert any(f"`{route}`" in text(page) for page in pages)


def test_every_error_code_is_in_the_reference_with_its_status() -> None:
    page = text(ROOT / "docs" / "errors.md")
    missing = [code for code, status in CODES.items() if f"| {status} | `{code}` |" not in page]
    assert not missing


def test_the_error_codes_of_the_troubleshooting_page_exist() -> None:
    table = text(ROOT / "docs" / "guides" / "troubleshooting.md").split("## By error code")[1]
    first_cells = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    named = set(re.findall(r"`([a-z_]+)`", first_cells))
    assert len(named) > 10
    assert not named - set(CODES)


def test_every_setting_is_in_the_reference() -> None:
    page = text(ROOT / "docs" / "settings.md")
    missing = [row.name for row in SETTINGS if f"`{row.flag}`" not in page]
    assert not missing


def test_every_check_of_the_doctor_is_in_its_page_in_order() -> None:
    page = text(ROOT / "docs" / "guides" / "doctor.md").split("## What is checked")[1]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == ["settings", *IDS]


def test_the_doctors_example_has_the_fields_of_its_report() -> None:
    (example,) = blocks(ROOT / "docs" / "guides" / "doctor.md", "json")
    shown, made = json.loads(example), report("", "", [ok("settings", "valid")])
    assert (shown.keys(), shown["counts"].keys()) == (made.keys(), made["counts"].keys())
    assert shown["checks"] == made["checks"]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_variable_that_a_page_names_exists(path: Path) -> None:
    known = {row.env for row in SETTINGS} | {CONFIG_ENV, TOKEN_ENV, URL_ENV, *VARIABLES}
    named = set(re.findall(r"\bCODEX_HTTP_[A-Z_]*[A-Z]", text(path)))
    assert not named - known


@pytest.mark.parametrize("path", [README, ROOT / "CONTRIBUTING.md"], ids=name)
def test_a_make_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    lines = [line for block in blocks(path, "bash") for line in block.splitlines()]
    quoted = re.findall(r"`(make [^`]+)`", prose(path))
    named = {found[1] for line in [*lines, *quoted] if (found := re.match(r"make ([a-z]+)", line))}
    assert named
    assert not named - targets


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    broken: list[str] = []
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / unquote(target)).resolve() if target else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=name)
def test_a_document_is_in_the_index(path: Path) -> None:
    index = ROOT / "docs" / "index.md"
    assert path == index or f"({path.relative_to(index.parent)})" in text(index)


@pytest.mark.parametrize("command", SIX)
def test_the_readme_has_the_six_commands_to_the_letter(command: str) -> None:
    lines = [line for block in blocks(README, "bash") for line in block.splitlines()]
    assert command in lines


@pytest.mark.parametrize("block", snippets("toml"), ids=str)
def test_a_settings_file_is_read(block: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(block.text, encoding="utf-8")
    resolve({"config": str(path)}, {})


@pytest.mark.parametrize("block", snippets("python"), ids=str)
def test_python_is_python(block: Snippet) -> None:
    compile(block.text, str(block), "exec")
