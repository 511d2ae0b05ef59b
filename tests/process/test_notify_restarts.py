"""What a receiver was not told before a death is told after it, under the same id, and once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from codex_http_server.testing.answers import Text
from tests.support.cli import run_cli
from tests.support.receiver import receiver
from tests.support.server import Site, start

pytestmark = pytest.mark.core


def answers(site: Site, *texts: str) -> None:
    """What the model says in the next turns."""
    for text in texts:
        site.provider.expect(Text(text))


def cli(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_cli(*arguments, environment=site.environment())


def secret_of(site: Site) -> str:
    (path,) = (site.root / "state").rglob("webhook.secret")
    return path.read_text()


def test_what_happened_while_the_receiver_and_the_server_were_away_is_told(site: Site) -> None:
    answers(site, "0", "1", "2")
    with receiver() as gone:
        port, url = int(gone.url.rsplit(":", 1)[1].split("/")[0]), gone.url
        with start(site, "--webhook-url", url) as server:
            gone.secret = secret_of(site)
            here = server.conversation()
            server.run(here)
            first = gone.next()
    with start(site, "--webhook-url", url) as server:  # the receiver is away
        server.run(here)
        server.run(here)
        ends = [e for e in server.events(here) if e["type"] == "turn/completed"]
        server.kill()
    with receiver(port) as back:
        back.secret = secret_of(site)
        with start(site, "--webhook-url", url) as server:
            told = [back.next(), back.next()]
        assert back.is_empty()
    assert [first.id, *(each.id for each in told)] == [end["position"] for end in ends]


def test_a_new_receiver_is_not_told_what_was_before(site: Site) -> None:
    answers(site, "old", "new")
    with start(site) as server:
        here = server.conversation()
        server.run(here)
    with receiver() as hook, start(site, "--webhook-url", hook.url) as server:
        hook.secret = secret_of(site)
        server.run(here)
        ends = [e for e in server.events(here) if e["type"] == "turn/completed"]
        assert hook.next().id == ends[-1]["position"]
        server.stop()
        assert hook.is_empty()


def test_the_command_line_tries_them_out(site: Site) -> None:
    program = f"{sys.executable} -c 'import sys; sys.exit(3)'"
    secret = cli(site, "notify", "secret").stdout.strip()
    assert secret.startswith("whsec_")
    with receiver() as hook:
        hook.secret = secret
        flags = ("--webhook-url", hook.url, "--notify-command", program)
        found = cli(site, "notify", "test", *flags)
        assert hook.next().type == "test"
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "webhook: told (HTTP 200)",
        "command: refused (exit code 3)",
    ]
    none = cli(site, "notify", "test")
    assert none.returncode == 1
    assert "set webhook_url or notify_command" in none.stderr
    report = json.loads(cli(site, "doctor", "--json", "--offline", *flags[:2]).stdout)
    (check,) = (each for each in report["checks"] if each["id"] == "notify")
    assert check["status"] == "ok"
    assert check["found"] == "a webhook, signed"
