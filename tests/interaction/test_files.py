"""Files of a working directory over HTTP: read, listed, found; and nothing else is."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from codex_http_server.api.fileviews import DirectoryView, FileView, Hits
from codex_http_server.auth.callers import Scope
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.server import Server, start
from tests.support.shared import server_at, site_at

SNOWMAN = "\N{SNOWMAN}"  # three bytes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all, whose home lies inside what may be read."""
    root = tmp_path_factory.mktemp("files")
    with site_at(root) as site, start(site, "--root", str(site.root)) as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def here(server: Server) -> str:
    """A conversation in the project, which has some of everything."""
    project = server.site.project
    (project / "src").mkdir()
    (project / "src" / "alpha.txt").write_text("one\ntwo\n")
    (project / "snow.txt").write_text(SNOWMAN * 10)
    (project / "bytes.bin").write_bytes(bytes(range(256)))
    (project / "empty").touch()
    (project / "link").symlink_to("src/alpha.txt")
    (project / "etc").symlink_to("/etc")
    os.mkfifo(project / "alpha.pipe")
    many = project / "many"
    many.mkdir()
    for number in range(25):
        (many / f"{number:02}").touch()
    return server.conversation()


def look(server: Server, conversation: str, path: str = "", **query: Any) -> httpx.Response:
    given = {"conversation_id": conversation, "path": path} | query
    return server.client.get("/files", params=given)


def read(server: Server, conversation: str, path: str, **query: Any) -> Any:
    answer = look(server, conversation, path, **query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    model = FileView if body["type"] == "file" else DirectoryView
    model.model_validate(body, strict=True)
    return body


# --- files ----------------------------------------------------------------------------------


def test_a_file_is_read(server: Server, here: str) -> None:
    for path in ("src/alpha.txt", "link", str(server.site.project / "src/../link")):
        body = read(server, here, path)
        assert (body["path"], body["content"]) == ("src/alpha.txt", "one\ntwo\n")
        assert (body["size"], body["truncated"], body["next_offset"]) == (8, False, None)
    assert read(server, here, "empty")["content"] == ""


def test_a_file_is_read_in_parts_that_do_not_cut_a_character(server: Server, here: str) -> None:
    for limit in (3, 4, 7, 29):
        text, offset = "", 0
        while offset is not None:
            body = read(server, here, "snow.txt", offset=offset, limit=limit)
            assert body["encoding"] == "utf-8"
            text, offset = text + body["content"], body["next_offset"]
        assert text == SNOWMAN * 10
    cut = read(server, here, "snow.txt", offset=1, limit=4)
    assert cut["encoding"] == "base64"
    assert base64.b64decode(cut["content"]) == (SNOWMAN * 2).encode()[1:5]


def test_what_is_no_text_is_base64(server: Server, here: str) -> None:
    found = b""
    for offset in range(0, 256, 100):
        body = read(server, here, "bytes.bin", offset=offset, limit=100, encoding="base64")
        assert body["truncated"] is (offset < 200)
        found += base64.b64decode(body["content"])
    assert found == bytes(range(256))
    assert read(server, here, "bytes.bin")["encoding"] == "base64"
    assert read(server, here, "bytes.bin", offset=10**15)["content"] == ""


def test_a_huge_file_costs_little(server: Server, here: str) -> None:
    with (server.site.project / "huge").open("wb") as file:
        file.truncate(2**40)
    body = read(server, here, "huge", offset=2**39, limit=1024)
    assert (body["size"], body["truncated"]) == (2**40, True)
    assert base64.b64decode(body["content"]) == bytes(1024)
    (server.site.project / "huge").unlink()


# --- directories ----------------------------------------------------------------------------


def test_a_directory_is_listed(server: Server, here: str) -> None:
    (server.site.project / "src" / os.fsdecode(b"bad\xff")).touch()
    for path in ("", ".", str(server.site.project)):
        body = read(server, here, path)
        found = {each["name"]: each for each in body["data"]}
        assert body["path"] == "."
        assert [each["name"] for each in body["data"]] == sorted(found)
        kinds = {name: found[name]["type"] for name in ("src", "link", "alpha.pipe", "empty")}
        assert kinds == {
            "src": "directory",
            "link": "link",
            "alpha.pipe": "other",
            "empty": "file",
        }
        assert found["bytes.bin"]["size"] == 256
    body = read(server, here, "src")
    assert [each["path"] for each in body["data"]] == ["src/alpha.txt", None]


def test_a_directory_is_listed_in_pages(server: Server, here: str) -> None:
    names: list[str] = []
    query: dict[str, Any] = {"limit": 10}
    while True:
        body = read(server, here, "many", **query)
        names += [each["name"] for each in body["data"]]
        if body["next_cursor"] is None:
            break
        query["cursor"] = body["next_cursor"]
    assert names == [f"{number:02}" for number in range(25)]
    for cursor in ("!", "x"):
        refused(look(server, here, "many", cursor=cursor), 400, "bad_cursor")


# --- search ---------------------------------------------------------------------------------


def search(server: Server, conversation: str, q: str) -> Any:
    answer = server.client.get("/files/search", params={"conversation_id": conversation, "q": q})
    assert answer.status_code == 200, answer.text
    Hits.model_validate(answer.json(), strict=True)
    return answer.json()["data"]


def test_names_are_found_and_only_what_could_be_read(server: Server, here: str) -> None:
    found = search(server, here, "alp")
    paths = [each["path"] for each in found]
    assert "src/alpha.txt" in paths
    assert "alpha.pipe" not in paths, "a pipe"
    assert search(server, here, "passwd") == [], "a link leads out"
    assert {each["path"] for each in search(server, here, "many")} >= {"many", "many/01"}
    assert [each["type"] for each in search(server, here, "src")][:1] == ["directory"]


def test_a_search_that_finds_as_much_as_it_may_says_so(server: Server, here: str) -> None:
    crowd = server.site.project / "crowd"
    crowd.mkdir()
    for number in range(60):
        (crowd / f"zebra-{number}").touch()
    given = {"conversation_id": here, "q": "zebra"}
    body = server.client.get("/files/search", params=given).json()
    assert (len(body["data"]), body["truncated"]) == (50, True)


# --- refusals -------------------------------------------------------------------------------


def test_what_is_outside_is_refused(server: Server, here: str) -> None:
    for path in ("/etc/passwd", "../" * 20 + "etc/passwd", "etc/passwd", "etc", "/", "/nowhere"):
        refused(look(server, here, path), 403, "outside_roots")


def test_what_is_not_there_is_404(server: Server, here: str) -> None:
    for path in ("nothing", "src/alpha.txt/x", "%2e%2e", "~"):
        refused(look(server, here, path), 404, "file_not_found")


def test_what_is_no_file_is_422(server: Server, here: str) -> None:
    for path in ("alpha.pipe", "a\0b", "x" * 300):
        refused(look(server, here, path), 422, "file_unreadable")
    refused(look(server, here, "x" * 5000), 422, "invalid_request", "path")
    wrong: list[tuple[str, Any]] = [
        ("limit", 0),
        ("offset", -1),
        ("encoding", "x"),
        ("limit", 2**21),
    ]
    for name, value in wrong:
        refused(look(server, here, **{name: value}), 422, "invalid_request", name)


def test_a_home_inside_a_root_is_never_read(server: Server, here: str) -> None:
    site = server.site
    (site.home / "auth.json").write_text("{}")
    os.link(site.home / "auth.json", site.project / "innocent")
    (site.project / "home").symlink_to(site.home)
    (log,) = (site.root / "state").glob("*/*/log.db")
    for path in (site.home / "auth.json", site.home, site.home / "none", log, log.parent.parent,
                 "../home/auth.json", "home/config.toml", "innocent"):  # fmt: skip
        refused(look(server, here, str(path)), 403, "file_protected")
    assert [each["path"] for each in search(server, here, "config.toml")] == []
    assert [each["path"] for each in search(server, here, "innocent")] == []
    inside = server.conversation(working_directory=str(site.home))
    refused(look(server, inside, "config.toml"), 403, "file_protected")
    given = {"conversation_id": inside, "q": "config"}
    refused(server.client.get("/files/search", params=given), 403, "file_protected")


def test_what_processes_show_is_never_read(server: Server) -> None:
    elevated = bearer(make_token(token_file(server.site), "all", list(Scope)))
    body = {"working_directory": "/"}
    everywhere = server.post("/conversations", body, headers=elevated)["id"]
    for path in ("proc/self/environ", "/proc/self/root/proc/self/environ", "proc"):
        refused(look(server, everywhere, path), 403, "file_protected")
    assert read(server, everywhere, "etc/hostname")["path"] == "etc/hostname"


def test_an_unknown_conversation_is_404(server: Server) -> None:
    refused(look(server, "none"), 404, "conversation_not_found")
    given = {"conversation_id": "none", "q": "x"}
    refused(server.client.get("/files/search", params=given), 404, "conversation_not_found")
    refused(server.client.get("/files"), 422, "invalid_request", "conversation_id")
    refused(server.client.get("/files/search?conversation_id=x&q="), 422, "invalid_request", "q")


def test_it_takes_the_scope_read(server: Server, here: str) -> None:
    file = token_file(server.site)
    headers = {
        "drive": bearer(make_token(file, "driver", [Scope.DRIVE])),
        "read": bearer(make_token(file, "reader", [Scope.READ])),
    }
    there = f"/files?conversation_id={here}&path=link"
    refused(server.client.get(there, headers=headers["drive"]), 403, "scope_required")
    assert server.client.get(there, headers=headers["read"]).status_code == 200


def test_a_directory_that_is_gone_is_404(tmp_path_factory: pytest.TempPathFactory) -> None:
    with server_at(tmp_path_factory.mktemp("gone")) as server:
        folder = server.site.root / "short-lived"
        folder.mkdir()
        there = server.conversation(working_directory=str(folder))
        folder.rmdir()
        refused(look(server, there), 404, "file_not_found")
        refused(look(server, there, "../user"), 403, "outside_roots")
        given = {"conversation_id": there, "q": "x"}
        refused(server.client.get("/files/search", params=given), 404, "file_not_found")
