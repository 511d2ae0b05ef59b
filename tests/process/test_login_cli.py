"""`codex-http-server login` and `logout`, with a server on the home and without."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from codex_http_server.testing.tokens import marked
from tests.support.cli import PATIENCE, SCRIPT
from tests.support.commands import until
from tests.support.server import Server, start
from tests.support.signin import LoginSite, browser_ports, is_free


@pytest.fixture(params=["alone", "served"])
def server(request: pytest.FixtureRequest, login_site: LoginSite) -> Iterator[Server | None]:
    """A server on the home, or none."""
    with ExitStack() as held:
        if request.param == "alone":
            yield None
            return
        running = held.enter_context(start(login_site))
        running.wait_ready()
        yield running


def begun(site: LoginSite, *arguments: str) -> subprocess.Popen[str]:
    """The command, waiting for a person."""
    return subprocess.Popen(
        [str(SCRIPT), *arguments],
        env=site.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(command: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines that it prints."""
    assert command.stdout is not None
    return [command.stdout.readline().strip() for _ in range(count)]


def ended(command: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code and the rest of what it printed."""
    out, err = command.communicate(timeout=PATIENCE)
    assert not marked(out + err)
    assert "Traceback" not in err
    return command.returncode, out, err


def run(site: LoginSite, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """The command to its end."""
    found = subprocess.run(
        [str(SCRIPT), *arguments],
        env=site.environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert not marked(found.stdout + found.stderr)
    return found.returncode, found.stdout, found.stderr


def cli_says(site: LoginSite) -> str:
    return site.codex("login", "status").stderr


def test_with_a_browser(server: Server | None, login_site: LoginSite) -> None:
    with browser_ports():
        command = begun(login_site, "login")
        _, url = lines(command, 2)
        assert login_site.issuer.browse(url)[0] == 200
        code, out, _ = ended(command)
    assert code == 0
    assert "Signed in: ada@example.com (pro)" in out
    assert cli_says(login_site) == "Logged in using ChatGPT\n"
    if server is not None:
        assert server.get("/auth/status")["email"] == "ada@example.com"


def test_with_a_code(server: Server | None, login_site: LoginSite) -> None:
    command = begun(login_site, "login", "--device")
    page, code_line, _ = lines(command, 3)
    assert page == f"Open {login_site.issuer.url}/codex/device"
    login_site.issuer.approve_device(code_line.split()[-1])
    assert ended(command)[0] == 0
    assert cli_says(login_site) == "Logged in using ChatGPT\n"


def test_with_a_key_and_out_again(server: Server | None, login_site: LoginSite) -> None:
    key = login_site.issuer.ledger.new_key()
    assert run(login_site, "login", "--api-key", stdin=f"{key}\n")[:2] == (
        0,
        "Signed in: an API key\n",
    )
    assert cli_says(login_site).startswith("Logged in using an API key")
    assert run(login_site, "logout") == (0, "Signed out.\n", "")
    assert cli_says(login_site) == "Not logged in\n"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_cancels_the_login(
    server: Server | None, login_site: LoginSite, signum: signal.Signals
) -> None:
    with browser_ports():
        command = begun(login_site, "login")
        lines(command, 3)
        command.send_signal(signum)
        code, _, err = ended(command)
        assert (code, err) == (130, "Cancelled.\n")
        until(lambda: is_free(1455), "nobody waits for a browser any more")
    if server is not None:
        assert server.get("/auth/status")["login"] is None


def test_what_goes_wrong_is_said(server: Server | None, login_site: LoginSite) -> None:
    command = begun(login_site, "login", "--device")
    login_site.issuer.deny_device(lines(command, 2)[1].split()[-1])
    code, _, err = ended(command)
    assert code == 1
    assert "hint: Start a new login" in err
    code, _, err = run(login_site, "login", "--api-key", stdin="no key\n")
    assert code == 1
    assert "api_key" in err


def test_by_a_server_on_a_unix_socket(login_site: LoginSite) -> None:
    key = login_site.issuer.ledger.new_key()
    with begun(login_site, "serve", "--listen", f"unix:{login_site.root}/socket") as serving:
        lines(serving, 1)
        assert run(login_site, "login", "--api-key", stdin=key)[0] == 0
        assert run(login_site, "logout")[0] == 0
        serving.terminate()
        serving.communicate(timeout=PATIENCE)


def test_a_second_login_is_told_of_the_first(login_site: LoginSite) -> None:
    with start(login_site) as server:
        server.wait_ready()
        server.post("/auth/login", {"method": "device_code"}, 201)
        code, _, err = run(login_site, "login", "--device")
    assert code == 1
    assert "is pending" in err
    assert "DELETE /auth/login/" in err


def test_help_reads_well(login_site: LoginSite) -> None:
    code, out, _ = run(login_site, "login", "--help")
    assert code == 0
    for word in ("--device", "--api-key", "--codex-home", "Ctrl-C cancels"):
        assert word in out
    assert run(login_site, "login", "--device", "--api-key")[0] == 2
