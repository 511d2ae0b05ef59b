"""The attacks of `codex-http-server attack` on a real server: everything is held."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.auth import tokens
from codex_http_server.auth.callers import Scope
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.testing.answers import Text
from codex_http_server.testing.attack.suite import ATTACKS
from tests.support.cli import run_cli
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

SLOW = 2.0  # seconds for a body in the test that waits for it
SKIPPED = {
    "takes 40 s",
    "no token",
    "no page reaches a Unix socket",
    "this server has no",
    "lets this sender in without a token",
    "only root can be another user",
}
OTHER = "nobody"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: what was attacked must serve on."""
    with server_at(tmp_path_factory.mktemp("attacked")) as running:
        yield running


def only(*subjects: str) -> tuple[str, ...]:
    """The options for these subjects."""
    return tuple(word for subject in subjects for word in ("--only", subject))


def attacked(server: Server, *options: str, status: int) -> dict[str, Any]:
    """What the command found, as its JSON."""
    arguments = ("attack", "--base-url", server.url, "--json", *options)
    found = run_cli(*arguments, environment=server.site.environment(), timeout=100)
    assert found.returncode == status, found.stdout + found.stderr
    return json.loads(found.stdout)


def named(found: dict[str, Any], state: str) -> dict[str, Any]:
    """The attacks that ended so."""
    return {
        f"{each['subject']}: {each['name']}": each
        for each in found["attacks"]
        if each["state"] == state
    }


def only_reasons(found: dict[str, Any]) -> None:
    """Nothing was left out for a reason that is not known here."""
    for each in named(found, "skipped").values():
        assert any(reason in each["why"] for reason in SKIPPED), each


def test_every_attack_is_held(server: Server) -> None:
    here = server.conversation()
    events = server.events(here)
    found = attacked(server, status=0)
    only_reasons(found)
    callers = [each for each in ATTACKS if "caller" in each.who]
    assert len(found["attacks"]) == len(callers) + 2
    assert [each["id"] for each in server.get("/conversations")["data"]] == [here]
    assert server.events(here) == events


def test_a_server_that_was_attacked_works_on(server: Server) -> None:
    server.site.provider.expect(Text("well"))
    assert server.run(server.conversation())["reply"] == "well"
    assert "a request failed" not in "".join(server.log)


def test_a_body_that_never_ends_is_waited_for_where_that_is_asked(site: Site) -> None:
    patch = site.root / "patch"
    patch.mkdir()
    text = "from codex_http_server.api import middleware\n"
    (patch / "sitecustomize.py").write_text(f"{text}middleware.BODY_SECONDS = {SLOW}\n")
    with start(site, environment={"PYTHONPATH": str(patch)}) as server:
        server.wait_ready()
        found = attacked(server, "--only", "bodies", "--patient", status=0)
    assert "bodies: endless body" in named(found, "held")
    assert not named(found, "skipped")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start the attacker as another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv here")
def test_another_user_is_refused_everything(server: Server) -> None:
    command = ["setpriv", f"--reuid={OTHER}", "--regid=nogroup", "--clear-groups"]
    command += [sys.executable, "-m", "codex_http_server", "attack", "--as", "nobody", "--json"]
    ran = subprocess.run(
        [*command, "--base-url", server.url],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "Permission denied" in ran.stderr:
        pytest.skip("another user can't read this Python or this checkout")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout)
    assert found["as"] == "nobody"
    assert "scopes: every route of nobody" in named(found, "held")
    assert not named(found, "broken")
    only_reasons(found)


def test_a_caller_who_calls_itself_nobody_is_told(server: Server) -> None:
    found = attacked(server, "--as", "nobody", "--only", "scopes", status=1)
    assert set(named(found, "broken")) == {"scopes: every route of nobody"}


# --- with tokens, and at a Unix socket --------------------------------------------------------

ACCESS = only("tokens", "tickets", "sessions", "scopes", "peers", "paths", "proxies")
QUICK = only(*dict.fromkeys(each.subject for each in ATTACKS if each.subject != "floods"))
HOLDERS = ("read", "drive", "read,drive", "login", "approve", "read,drive,elevate", "admin")


def tokens_of(site: Site) -> tuple[str, str]:
    """Tokens for each of the holders: the server's file of them, and the attacker's."""
    kept, shown = TokenFile(site.root / "tokens.json"), site.root / "tokens.txt"
    lines: list[str] = []
    for number, named in enumerate(HOLDERS):
        token, secret = tokens.make(f"holder-{number}", [Scope(each) for each in named.split(",")])
        kept.add(token)
        lines.append(f"{named}={secret}\n")
    shown.write_text("".join(lines))
    return str(kept.path), str(shown)


@pytest.mark.plants("the file tokens.txt")
def test_a_token_does_what_it_may_and_no_more(site: Site) -> None:
    kept, shown = tokens_of(site)
    with start(site, "--token-file", kept) as server:
        server.wait_ready()
        found = attacked(server, *ACCESS, "--tokens", shown, status=0)
        assert not server.get("/conversations")["data"]
    secrets = [line.split("=")[1] for line in Path(shown).read_text().split()]
    assert not [secret for secret in secrets if secret in json.dumps(found)]
    assert not [secret for secret in secrets if secret in "".join(server.log)]
    stood = named(found, "held")
    assert "scopes: every route without its scope" in stood
    assert "scopes: every route with its scope" in stood
    assert "tokens: a wrong token beside a right one" in stood


@pytest.mark.plants("the file tokens.txt")
def test_where_a_token_is_asked_for_nobody_has_more_than_what_is_public(site: Site) -> None:
    kept, shown = tokens_of(site)
    with start(site, "--require-token", "--token-file", kept) as server:
        attack = ("attack", "--base-url", server.url)
        alone = run_cli(*attack, environment=site.environment())
        assert alone.returncode == 2
        assert "401 token_required: give it a token" in alone.stderr
        found = attacked(server, *ACCESS, "--tokens", shown, status=0)
        assert "scopes: every route without a token" in named(found, "held")
        assert set(named(found, "skipped")) <= {"peers: another user"}
        found = attacked(server, *ACCESS, "--as", "nobody", status=0)
        assert "scopes: every route of nobody" in named(found, "held")


def test_every_attack_at_a_unix_socket_is_held(site: Site, tmp_path: Path) -> None:
    with start(site, "--listen", f"unix:{tmp_path}/s") as server:
        found = attacked(server, *QUICK, status=0)
    reached = [each for each in named(found, "skipped").values() if "no page" in each["why"]]
    assert {each["subject"] for each in reached} == {"hosts"}
    assert "origins: foreign origins" in named(found, "held")


# --- the command ------------------------------------------------------------------------------


def test_the_table_is_for_people(server: Server) -> None:
    options = ("attack", "--base-url", server.url, "--only", "hosts")
    found = run_cli(*options, environment=server.site.environment())
    assert found.returncode == 0, found
    lines = found.stdout.splitlines()
    assert lines[0] == "held     hosts      foreign names"
    assert lines[-1].startswith(f"9 held, 0 broken, 0 skipped: {server.url} as caller, ")
    assert found.stderr == ""


def test_a_server_that_is_not_there_is_exit_3(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    found = run_cli("attack", "--base-url", url, environment=site.environment())
    assert found.returncode == 3
    assert found.stdout == ""
    assert url in found.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--base-url", "http://192.0.2.1:3032"), "--yes-this-is-my-server"),
        (("--base-url", "localhost:3032"), "is no base URL"),
        (("--only", "weather"), "hosts"),
        (("--tokens", "/nonexistent"), "No such file"),
        (("--as", "root"), "nobody"),
    ],
)
def test_a_wrong_option_is_exit_2_and_says_what_to_do(
    site: Site, options: tuple[str, ...], said: str
) -> None:
    found = run_cli("attack", *options, environment=site.environment())
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_tokens_are_read_from_a_file_and_never_shown(server: Server, tmp_path: Path) -> None:
    secret = "cht_a-secret-of-this-test"
    file = tmp_path / "tokens"
    file.write_text(f"# made for this\nread,drive={secret}\n\nread = {secret}2\n")
    options = ("--base-url", server.url, "--only", "tokens", "--tokens", str(file))
    for form in ((), ("--json",)):
        found = run_cli("attack", *options, *form, environment=server.site.environment())
        assert "beside a right one" in found.stdout
        assert secret not in found.stdout + found.stderr
    file.write_text("weather=x\n")
    found = run_cli("attack", *options, environment=server.site.environment())
    assert found.returncode == 2
    assert "line 1 must be scopes=token" in found.stderr
