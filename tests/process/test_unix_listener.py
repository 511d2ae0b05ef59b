"""A server on a Unix socket: for its user only, for no browser, and its file comes and goes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from pathlib import Path

import httpx
import pytest

from codex_http_server.testing.answers import Text
from tests.support.cli import refuses, run_cli
from tests.support.codes import refused
from tests.support.judge import check_reader, check_whole
from tests.support.raw import curl
from tests.support.server import Server, Site, start

STRANGER = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket is to be."""
    return tmp_path / "server.sock"


def listening(site: Site, path: Path) -> Server:
    return start(site, "--listen", f"unix:{path}")


def test_a_conversation_over_a_unix_socket(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        assert server.ready["url"] == f"unix:{path}"
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text("over a socket"))
        with server.read(conversation) as reader:
            assert server.run(conversation)["reply"] == "over a socket"
            reader.wait_type("turn/completed")
        log = server.events(conversation)
        check_whole(log)
        check_reader(reader.events, log)


@needs_curl
def test_curl_reaches_it(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        assert curl(server.url, "/health").json()["status"] == "ok"


def test_its_file_is_the_users_alone_and_goes_with_it(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        info = path.stat()
        assert stat.S_ISSOCK(info.st_mode)
        assert stat.S_IMODE(info.st_mode) == 0o600
        (discovery,) = (site.root / "state").rglob("server.json")
        assert json.loads(discovery.read_text())["url"] == server.url
        assert server.stop() == 0
    assert not path.exists()


def test_any_host_will_do_and_no_origin(site: Site, path: Path) -> None:
    with start(
        site, "--listen", f"unix:{path}", "--allow-origin", "http://localhost:5173"
    ) as server:
        for host in ("localhost", "anything", "evil.example:99", ""):
            assert server.client.get("/health", headers={"Host": host}).status_code == 200
        for origin in ("http://localhost", "http://localhost:5173", "null", "app://foux"):
            answer = server.client.get("/health", headers={"Origin": origin})
            found = refused(answer, 403, "origin_not_allowed")
            assert "Unix socket" in found["hint"]
        proxy = {"X-Forwarded-For": "10.0.0.1"}
        refused(server.client.get("/health", headers=proxy), 403, "forwarded_not_allowed")


@needs_curl
@pytest.mark.skipif(os.geteuid() != 0, reason="to be another user needs root")
def test_another_user_is_refused_even_where_the_file_lets_it_in(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        for folder in (path.parent, *path.parent.parents[:2]):
            folder.chmod(0o755)
        command = [*STRANGER, "curl", "-s", "-m", "5", "--unix-socket", str(path), "http://x/"]
        assert run_words(command) != 0, "the mode of the file keeps it out"
        path.chmod(0o666)
        refused(curl(server.url, "/health", before=STRANGER), 403, "other_user")


def run_words(command: list[str]) -> int:
    return os.spawnvp(os.P_WAIT, command[0], command)


# --- what is in the way ---------------------------------------------------------------------


def test_the_socket_of_a_dead_server_is_taken_over(site: Site, path: Path) -> None:
    first = listening(site, path)
    first.wait_ready()
    first.kill()
    assert path.exists()
    with listening(site, path) as second:
        second.wait_ready()
        assert second.get("/health")["core"]["state"] == "ready"
    assert not path.exists()


def test_the_socket_of_a_living_server_is_left_alone(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        home = site.root / "other"
        home.mkdir()
        words = ("--listen", f"unix:{path}", "--codex-home", str(home))
        found = run_cli("serve", *words, environment=site.environment())
        assert found.returncode == 4, found
        assert "taken by codex-http-server" in found.stderr
        assert str(path) in found.stderr
        assert server.get("/health")["status"] == "ok"


def test_the_socket_of_another_program_is_left_alone(site: Site, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        found = run_cli("serve", "--listen", f"unix:{path}", environment=site.environment())
        assert found.returncode == 4, found
        assert "another program" in found.stderr
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(site: Site, path: Path) -> None:
    path.write_text("precious")
    assert "is no socket" in refuses_at(site, path)
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_or_leads_nowhere_is_a_wrong_setting(
    site: Site, tmp_path: Path
) -> None:
    assert "107 bytes" in refuses_at(site, tmp_path / ("x" * 107))
    assert "can't be listened on" in refuses_at(site, tmp_path / "nowhere" / "s")


def test_a_server_does_not_remove_the_socket_of_a_later_one(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        path.unlink()
        with socket.socket(socket.AF_UNIX) as later:
            later.bind(str(path))
            server.stop()
            assert path.exists()


def refuses_at(site: Site, path: Path) -> str:
    found = run_cli("serve", "--listen", f"unix:{path}", environment=site.environment())
    assert found.returncode == 2, found
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    return found.stderr


@pytest.mark.parametrize("way", ["--port", "--host"])
def test_a_socket_beside_a_port_or_a_host_is_a_wrong_setting(
    site: Site, path: Path, way: str
) -> None:
    value = {"--port": "4000", "--host": "127.0.0.1"}[way]
    words = refuses(site, "--listen", f"unix:{path}", "--port", "4000", way, value, status=2)
    assert "two places to listen on" in words
    assert not path.exists()


def test_a_client_that_connects_and_leaves_harms_nobody(site: Site, path: Path) -> None:
    with listening(site, path) as server:
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(path))
                line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert isinstance(server.client.get("/health"), httpx.Response)
        assert server.get("/health")["status"] == "ok"
