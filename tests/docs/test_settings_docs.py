"""Every setting is in docs/settings.md and in the help of the command line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from codex_http_server.cli.options import takes_settings
from codex_http_server.settings import SETTINGS, Flags, Setting, resolve, settings_markdown

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ANSI = re.compile(r"\x1b\[[0-9;]*m")

app = typer.Typer()
received: list[Flags] = []


@app.command()
@takes_settings
def serve(flags: Flags) -> None:
    """Start the server."""
    received.append(flags)


@pytest.fixture(scope="module")
def help_text() -> str:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"})
    assert result.exit_code == 0
    return ANSI.sub("", result.output)


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_a_setting_is_documented(row: Setting) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for word in (f"`{row.name}`", f"`{row.flag}`", f"`{row.env}`", row.shown, row.help):
        assert word in page


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_a_setting_is_in_the_help(row: Setting, help_text: str) -> None:
    (line,) = [line for line in help_text.splitlines() if f" {row.flag} " in line]
    for word in (row.help, row.env, row.shown, row.kind.metavar):
        assert word in line


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith(settings_markdown().strip() + "\n")


def test_the_example_file_of_the_page_is_read(tmp_path: Path) -> None:
    example = settings_markdown().split("```toml\n")[1].split("```")[0]
    path = tmp_path / "config.toml"
    path.write_text(example)
    settings = resolve({"config": str(path)}, {})
    assert settings.port == tomllib.loads(example)["port"]


def test_a_command_gets_the_options_that_were_given() -> None:
    arguments = ["--port", "4", "--allow-origin", "app://a", "--allow-origin", "app://b"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert received.pop() == {"port": "4", "allow_origin": ["app://a", "app://b"]}


def test_a_flag_needs_no_value_and_can_be_undone() -> None:
    for option, value in (("--require-token", "True"), ("--no-require-token", "False")):
        assert CliRunner().invoke(app, [option]).exit_code == 0
        assert received.pop() == {"require_token": value}


def test_an_empty_option_is_given_and_refused_by_the_settings() -> None:
    assert CliRunner().invoke(app, ["--port", ""]).exit_code == 0
    assert received.pop() == {"port": ""}
