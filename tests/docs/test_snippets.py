"""The commands of the pages work as they stand: curl on a real server, ours as far as the options.

A block is run by bash. Only the address of the server, ids and paths, which a reader has to put in,
are put in; an answer that is an error fails it. What can't be run here is named in `EXCUSED`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from codex_http_server.cli.main import program
from codex_http_server.testing.answers import Text
from tests.support.approvals import command
from tests.support.images import png
from tests.support.pages import ROOT, Snippet, snippets
from tests.support.server import Server
from tests.support.shared import server_at

STREAM_SECONDS = 3  # for which a command that follows a stream may run
BLOCKS: Final = snippets("bash")
CURL: Final = [block for block in BLOCKS if re.search(r"^curl |\| curl ", block.text, re.MULTILINE)]
OURS = "codex-http-server"
PROGRAM: Final = program()

# what stands in a block: why it is not run here, and where it is
EXCUSED: Final = {
    "{login_id}": ("a login that is under way", "tests/interaction/test_login.py"),
    "/auth/login ": ("needs an issuer, and the ports of logins", "tests/interaction/test_login.py"),
    "/auth/logout": ("ends the login of the server", "tests/interaction/test_login.py"),
    "$TOKEN": ("a server with tokens", "tests/interaction/test_tokens.py"),
    "--unix-socket": ("a server on a Unix socket", "tests/process/test_unix_listener.py"),
}


def excuse(block: Snippet) -> str | None:
    """Why a block is not run; None if it is."""
    return next((why for word, (why, _) in EXCUSED.items() if word in block.text), None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_at(tmp_path_factory.mktemp("snippets")) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder a reader stands in: with an image, and a curl that fails where the answer does."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl here")
    (tmp_path / "shot.png").write_bytes(png())
    wrapper = tmp_path / "bin" / "curl"
    wrapper.parent.mkdir()
    limits = f"--fail-with-body --max-time {STREAM_SECONDS}"
    wrapper.write_text(f'#!/bin/sh\nexec {curl} {limits} "$@"\n')
    wrapper.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("block", [each for each in CURL if not excuse(each)], ids=str)
def test_the_curl_of_a_page_works(block: Snippet, server: Server, desk: Path) -> None:
    before = set(desk.iterdir())
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", filled_in(block.text, server)],
        cwd=desk,
        env={"PATH": f"{desk / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    follows = "event-stream" in block.text
    assert done.returncode in ({0, 28} if follows else {0}), done.stdout + done.stderr
    assert done.stdout or set(desk.iterdir()) - before


def filled_in(text: str, server: Server) -> str:
    """The block with what a reader puts in: addresses, ids, paths."""
    conversation, approval = _conversation(server, asks="{approval_id}" in text)
    if re.search(r"/(messages|compact|review)", text):
        server.site.provider.expect(Text("Hello back."))
    known = {
        "http://127.0.0.1:3032": server.url,
        "/path/to/project": str(server.site.project),
        "{approval_id}": approval,
        **dict.fromkeys(("{id}", "<id>", "$ID"), conversation),
    }
    for word, value in known.items():
        text = text.replace(word, value)
    assert not re.search(r"\{[a-z_]+\}|/path/to/|<[a-z]+>", text), f"what stands here? {text}"
    return text


def _conversation(server: Server, *, asks: bool) -> tuple[str, str]:
    """A conversation with a turn that has ended, or that asks; and the id of its question."""
    conversation = server.conversation()
    if not asks:
        server.site.provider.expect(Text("Hello."))
        server.run(conversation)
        return conversation, ""
    server.site.provider.expect(command(server.site), Text("Done."))
    with server.read(conversation) as reader:
        server.send(conversation)
        return conversation, str(reader.wait_type("approval/requested")["data"]["approval_id"])


def ours() -> list[str]:
    """Each command of ours that a page shows, without what stands around it on its line."""
    lines = [re.sub(r"(^|\s)#.*", "", line) for block in BLOCKS for line in block.text.splitlines()]
    before = r"(?:\S*/|[A-Z_]+=\S+ |.*\| )?"
    found = [re.match(rf"{before}{OURS}(?:\s+(.*?))?(?: \| .*)?$", line) for line in lines]
    return sorted({(each[1] or "").strip() for each in found if each})


@pytest.mark.parametrize("arguments", ours(), ids=lambda given: given or "serve")
def test_a_command_of_ours_has_the_options_that_a_page_gives_it(arguments: str) -> None:
    words = shlex.split(arguments)
    if not words or words[0].startswith("-"):
        words = ["serve", *words]
    shown = CliRunner().invoke(PROGRAM, [*words, "--help"])
    assert shown.exit_code == 0, shown.output


@pytest.mark.parametrize("word", EXCUSED)
def test_what_is_not_run_here_stands_on_a_page_and_is_run_elsewhere(word: str) -> None:
    assert any(word in block.text for block in CURL)
    assert (ROOT / EXCUSED[word][1]).exists()
