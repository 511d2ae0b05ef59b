"""`--exit-with-parent`: the server goes when whoever started it goes, and leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psutil

from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.reader import Reader
from tests.support.commands import until
from tests.support.server import Site, core_record, gone

SERVE = [sys.executable, "-m", "codex_http_server", "serve", "--port", "0", "--exit-with-parent"]
# Starts the command that it is given and waits to be killed.
PARENT = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL).wait()"


def family(site: Site) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A parent that has started a server; the parent, and the server's ready line."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *SERVE],
        env=site.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    with parent.stdout:
        return parent, json.loads(parent.stdout.readline())


def test_the_end_of_stdin_ends_the_server_and_its_turn(site: Site) -> None:
    site.provider.expect(Text(["one ", Gate()]))
    process = subprocess.Popen(
        SERVE,
        env=site.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    process.stdin.write(b"words on stdin mean nothing\n")
    process.stdin.flush()
    with Reader(url, "/events") as reader:
        reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
        process.stdin.close()
        reader.wait_end()
    assert process.wait(8) == 0
    process.stdout.close()


def test_the_death_of_the_parent_ends_the_server(site: Site) -> None:
    parent, ready = family(site)
    server = psutil.Process(ready["pid"])
    assert psutil.Process(parent.pid).children() == [server]
    parent.kill()
    parent.wait(5)
    until(lambda: gone(server), "the server has ended", 10)


def test_a_terminal_or_a_file_as_stdin_is_no_parent(site: Site) -> None:
    process = subprocess.Popen(
        SERVE,
        env=site.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    with Reader(url, "/events") as reader:
        reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
    assert process.poll() is None
    process.terminate()
    assert process.wait(8) == 0
    process.stdout.close()


def test_parent_and_server_killed_at_once_leave_no_core(site: Site) -> None:
    parent, ready = family(site)
    with Reader(ready["url"], "/events") as reader:
        reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
    record = core_record(site)
    core, keeper = psutil.Process(record["pid"]), psutil.Process(record["keeper"]["pid"])
    parent.kill()
    psutil.Process(ready["pid"]).kill()
    parent.wait(5)
    until(lambda: gone(core) and gone(keeper), "core and keeper have ended", 10)
