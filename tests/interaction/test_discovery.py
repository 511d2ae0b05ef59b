"""What the core offers, over HTTP: models, features, skills, configuration, MCP servers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codex_http_server.api import schemas
from codex_http_server.auth.callers import Scope
from codex_http_server.logs import REDACTED
from codex_http_server.testing.answers import Text, ToolCall
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.oauth_mcp import OAuthMcp
from tests.support.server import PATIENCE, Server, Site, start
from tests.support.shared import site_at

ASKING = Path(__file__).parents[1] / "support" / "asking_mcp.py"
SKILL = "---\nname: {name}\ndescription: {name} it.\n---\nDo it.\n"


def command_of(name: str) -> str:
    """A stdio MCP server of the configuration: a real one."""
    python, script = json.dumps(sys.executable), json.dumps(str(ASKING))
    return (
        f"\n[mcp_servers.{name}]\ncommand = {python}\nargs = [{script}]\n"
        'env = {ANYTHING = "hunter2"}\n'
    )


def add(site: Site, text: str) -> None:
    """Write more into the configuration."""
    path = site.home / "config.toml"
    path.write_text(path.read_text() + text)


def add_skill(folder: Path, name: str) -> Path:
    path = folder / name / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text(SKILL.format(name=name))
    return path


@pytest.fixture(scope="module")
def issuer() -> Iterator[OAuthMcp]:
    with OAuthMcp() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: OAuthMcp) -> Iterator[Server]:
    """A server whose configuration has two MCP servers, secrets, and skills at two places."""
    with site_at(tmp_path_factory.mktemp("discovery")) as site:
        add(site, command_of("asker"))
        add(site, '\n[mcp_servers.broken]\ncommand = "/nowhere/at-all"\n')
        add(
            site,
            f'\n[mcp_servers.web]\nurl = "{issuer.url}?key=hunter2"\n'
            'http_headers = {"X-Any" = "hunter2"}\n',
        )
        add(site, "\n[shell_environment_policy]\nset = {HERE = 'hunter2'}\n")
        add_skill(site.home / "skills", "homely")
        (site.project / ".git").mkdir()
        add_skill(site.project / ".agents" / "skills", "local")
        with start(site) as running:
            running.wait_ready()
            yield running


@pytest.fixture(scope="module")
def admin(server: Server) -> dict[str, str]:
    return bearer(make_token(token_file(server.site), "admin", list(Scope)))


def in_project(server: Server, path: str, **query: Any) -> Any:
    return server.get(path, params={"working_directory": str(server.site.project)} | query)


# --- models, features, skills ---------------------------------------------------------------


def test_models_are_those_of_the_core_with_one_default(server: Server) -> None:
    found = server.get("/models")["data"]
    assert [each["isDefault"] for each in found].count(True) == 1
    assert all(each["supportedReasoningEfforts"] for each in found)
    assert not [each for each in found if each["hidden"]]
    everything = server.get("/models?hidden=1")["data"]
    shown = {each["id"] for each in found}
    assert shown < {each["id"] for each in everything}
    assert {each["id"] for each in everything if not each["hidden"]} == shown


def test_features_are_all_there_and_follow_the_configuration(server: Server) -> None:
    found = {each["name"]: each for each in server.get("/features")["data"]}
    assert len(found) > 20
    assert found["shell_snapshot"]["enabled"] is False


def test_skills_are_those_of_the_home_and_of_the_project(server: Server) -> None:
    at_home = server.get("/skills")
    names = {each["name"] for each in at_home["data"]}
    assert "homely" in names
    assert "local" not in names
    assert at_home["working_directory"] is None
    here = in_project(server, "/skills")
    assert names | {"local"} == {each["name"] for each in here["data"]}
    assert here["working_directory"] == str(server.site.project)


def test_a_skill_that_comes_later_is_seen_when_the_disk_is_looked_at_again(server: Server) -> None:
    add_skill(server.site.project / ".agents" / "skills", "later")
    found = in_project(server, "/skills", reload=1)["data"]
    assert "later" in {each["name"] for each in found}


def test_a_file_that_is_no_skill_is_named(server: Server) -> None:
    wrong = server.site.project / ".agents" / "skills" / "wrong" / "SKILL.md"
    wrong.parent.mkdir(parents=True)
    wrong.write_text("nothing of the kind")
    found = in_project(server, "/skills", reload=1)["errors"]
    assert str(wrong) in {each["path"] for each in found}


def test_a_skill_is_turned_off_and_on(server: Server, admin: dict[str, str]) -> None:
    project = str(server.site.project)
    path = str(server.site.project / ".agents" / "skills" / "local" / "SKILL.md")
    for wanted in (False, True):
        body = {"path": path, "enabled": wanted, "working_directory": project}
        answer = server.client.patch("/skills", json=body, headers=admin)
        schemas.SkillView.model_validate(answer.json(), strict=True)
        assert answer.json() == {"path": path, "enabled": wanted}
        found = {each["path"]: each["enabled"] for each in in_project(server, "/skills")["data"]}
        assert found[path] is wanted


def test_a_skill_that_is_not_there_is_404_and_not_written(
    server: Server, admin: dict[str, str]
) -> None:
    before = (server.site.home / "config.toml").read_text()
    local = server.site.project / ".agents" / "skills" / "local" / "SKILL.md"
    for path in ("/nowhere/SKILL.md", str(local)):  # the second needs its working_directory
        answer = server.client.patch("/skills", json={"path": path, "enabled": False},
                                     headers=admin)  # fmt: skip
        refused(answer, 404, "skill_not_found")
    wrong = server.client.patch("/skills", json={"path": "x", "enabled": True}, headers=admin)
    refused(wrong, 422, "invalid_request", "path")
    assert (server.site.home / "config.toml").read_text() == before


# --- configuration --------------------------------------------------------------------------


def patch_config(server: Server, admin: dict[str, str], **body: Any) -> httpx.Response:
    return server.client.patch("/config", json=body, headers=admin)


def edit(key_path: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"key_path": key_path, "value": value} | more


def test_the_configuration_is_shown_without_its_secrets(server: Server) -> None:
    answer = server.client.get("/config?layers=1")
    assert answer.status_code == 200
    assert "hunter2" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    servers = found["config"]["mcp_servers"]
    assert servers["asker"]["env"] == {"ANYTHING": REDACTED}
    assert servers["web"]["http_headers"] == {"X-Any": REDACTED}
    assert servers["asker"]["command"] == sys.executable
    assert found["config"]["model"] == "gpt-5.5"
    assert found["file"] == str(server.site.home / "config.toml")
    user = [each for each in found["layers"] if each["name"]["type"] == "user"]
    assert [each["version"] for each in user] == [found["version"]]
    assert server.get("/config")["layers"] is None


def test_a_project_has_its_own_layer_once_it_is_trusted(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text('model_verbosity = "low"\n')
    there = {"working_directory": str(tmp_path), "layers": 1}
    found = server.get("/config", params=there)
    assert found["working_directory"] == str(tmp_path)
    assert found["config"]["model_verbosity"] is None  # not trusted: it is not in effect
    assert "project" in {each["name"]["type"] for each in found["layers"]}


def test_a_change_is_written_and_in_effect(server: Server, admin: dict[str, str]) -> None:
    before = server.get("/config")
    answer = patch_config(server, admin, edits=[edit("model_verbosity", "high")],
                          expected_version=before["version"])  # fmt: skip
    assert answer.status_code == 200, answer.text
    schemas.ConfigWritten.model_validate(answer.json(), strict=True)
    after = server.get("/config")
    assert after["config"]["model_verbosity"] == "high"
    assert after["version"] == answer.json()["version"] != before["version"]
    assert answer.json()["overridden"] is None
    removed = patch_config(server, admin, edits=[edit("model_verbosity", None)])
    assert removed.status_code == 200
    assert server.get("/config")["config"]["model_verbosity"] is None


def test_a_change_to_an_old_version_is_409_and_changes_nothing(
    server: Server, admin: dict[str, str]
) -> None:
    old = server.get("/config")["version"]
    patch_config(server, admin, edits=[edit("model_verbosity", "low")])
    answer = patch_config(server, admin, edits=[edit("model_verbosity", "high")],
                          expected_version=old)  # fmt: skip
    refused(answer, 409, "config_version_conflict")
    assert server.get("/config")["config"]["model_verbosity"] == "low"
    patch_config(server, admin, edits=[edit("model_verbosity", None)])


def test_all_edits_are_written_or_none(server: Server, admin: dict[str, str]) -> None:
    before = server.get("/config")
    wrong = [edit("model_verbosity", "high"), edit("model_reasoning_effort", 17)]
    found = refused(patch_config(server, admin, edits=wrong), 422, "core_refused")
    assert found["core_reason"] == "configValidationError"
    assert server.get("/config") == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "edits"),
        ({"edits": []}, "edits"),
        ({"edits": [{"key_path": "a"}]}, "edits.0.value"),
        ({"edits": [edit("", 1)]}, "edits.0.key_path"),
        ({"edits": [edit("a", 1, merge="perhaps")]}, "edits.0.merge"),
        ({"edits": [edit("a", {"b": [f"Bearer {REDACTED}"]})]}, "edits.0.value"),
        ({"edits": [edit("a", 1)] * 101}, "edits"),
        ({"edits": [edit("a", 1)], "more": 1}, "more"),
    ],
)
def test_a_wrong_change_is_422_and_named(
    server: Server, admin: dict[str, str], body: dict[str, Any], field: str
) -> None:
    refused(patch_config(server, admin, **body), 422, "invalid_request", field)


def test_a_directory_that_is_none_is_422(server: Server, admin: dict[str, str]) -> None:
    for path in ("/skills", "/config"):
        for wrong in ("nowhere", "/nowhere/at-all", "/dev/null", "/\0"):
            answer = server.client.get(path, params={"working_directory": wrong})
            refused(answer, 422, "invalid_working_directory", "working_directory")
    body = {"path": "/x", "enabled": True, "working_directory": "/nowhere/at-all"}
    answer = server.client.patch("/skills", json=body, headers=admin)
    refused(answer, 422, "invalid_working_directory", "working_directory")


# --- MCP servers ----------------------------------------------------------------------------


def by_name(server: Server) -> dict[str, Any]:
    return {each["name"]: each for each in server.get("/mcp-servers")["data"]}


def test_mcp_servers_say_what_they_have_and_why_one_does_not_start(server: Server) -> None:
    found = by_name(server)
    assert set(found) == {"asker", "broken", "web"}
    assert set(found["asker"]["tools"]) == {"ask", "write"}
    assert found["asker"]["serverInfo"]["name"] == "asker"
    assert found["asker"]["toolsError"] is None
    assert found["broken"]["toolsError"]
    assert found["web"]["authStatus"] == "notLoggedIn"
    assert "hunter2" not in json.dumps(found)


def test_one_mcp_server_is_asked_alone(server: Server) -> None:
    (found,) = server.get("/mcp-servers/asker")["data"]
    assert set(found["tools"]) == {"ask", "write"}
    refused(server.client.get("/mcp-servers/nobody"), 404, "mcp_server_not_found")


def test_looks_at_the_same_time_are_all_answered(server: Server) -> None:
    found: list[Any] = []
    looks = [threading.Thread(target=lambda: found.append(by_name(server))) for _ in range(6)]
    for each in looks:
        each.start()
    for each in looks:
        each.join(PATIENCE * 2)
    assert len(found) == 6
    assert all(set(each["asker"]["tools"]) == {"ask", "write"} for each in found)


def test_a_new_server_of_the_configuration_is_there_after_a_reload_and_used(
    site: Site,
) -> None:
    with start(site) as server:
        server.wait_ready()
        admin = bearer(make_token(token_file(site), "admin", list(Scope)))
        here = server.conversation()
        site.provider.expect(Text("before"))
        server.run(here)
        assert server.get("/mcp-servers") == {"data": []}
        body = {"edits": [
            edit("mcp_servers.asker", {"command": sys.executable, "args": [str(ASKING)]}),
        ]}  # fmt: skip
        assert server.client.patch("/config", json=body, headers=admin).status_code == 200
        answer = server.client.post("/mcp-servers/reload", headers=admin)
        assert (answer.status_code, answer.content) == (204, b"")
        assert set(by_name(server)["asker"]["tools"]) == {"ask", "write"}
        site.provider.expect(ToolCall("ask", {}, "mcp__asker"))
        site.provider.expect(Text("after"))
        with server.read(here, "?after=latest") as reader:
            server.send(here)
            asked = reader.wait_type("approval/requested")["data"]
            there = f"/conversations/{here}/approvals/{asked['approval_id']}"
            server.post(there, {"decision": "accept", "content": {"colour": "red"}})
            call = reader.wait_type("item/completed", item_type="mcpToolCall")
            reader.wait_type("turn/completed")
        assert 'got {"action": "accept"' in json.dumps(call["data"]).replace('\\"', '"')


@pytest.mark.parametrize("body", [{"timeout": 0}, {"timeout": "soon"}, {"scopes": [""]}])
def test_a_wrong_login_is_422_and_named(
    server: Server, admin: dict[str, str], body: dict[str, Any]
) -> None:
    answer = server.client.post("/mcp-servers/web/login", json=body, headers=admin)
    found = refused(answer, 422, "invalid_request")
    assert found["errors"][0]["field"].startswith(next(iter(body)))


def test_a_login_that_can_not_be_is_refused_in_the_cores_words(
    server: Server, admin: dict[str, str]
) -> None:
    answer = server.client.post("/mcp-servers/nobody/login", headers=admin)
    refused(answer, 404, "mcp_server_not_found")
    answer = server.client.post("/mcp-servers/asker/login", headers=admin)
    assert "OAuth" in refused(answer, 422, "core_refused")["detail"]


def test_a_login_ends_in_the_browser_and_the_servers_tools_are_there(
    server: Server, admin: dict[str, str]
) -> None:
    with server.read_all("?after=latest") as reader:
        begun = server.post("/mcp-servers/web/login", {"scopes": ["look"]}, 202, headers=admin)
        schemas.McpServerLogin.model_validate(begun, strict=True)
        assert begun["name"] == "web"
        assert "code_challenge=" in begun["url"]
        browser = httpx.get(begun["url"], follow_redirects=True, timeout=PATIENCE)
        assert browser.status_code == 200, browser.text
        ended = reader.wait_type("mcpServer/oauthLogin/completed")
    assert (ended["data"]["name"], ended["data"]["success"]) == ("web", True)
    (found,) = server.get("/mcp-servers/web")["data"]
    assert found["authStatus"] == "oAuth"
    assert set(found["tools"]) == {"weather"}


# --- who may, and when ----------------------------------------------------------------------

WRITES = [
    ("PATCH", "/skills", {"path": "/x", "enabled": True}),
    ("PATCH", "/config", {"edits": [{"key_path": "model", "value": "x"}]}),
    ("POST", "/mcp-servers/reload", None),
    ("POST", "/mcp-servers/web/login", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_without_admin_nothing_is_written(
    server: Server, method: str, path: str, body: Any
) -> None:
    before = (server.site.home / "config.toml").read_text()
    scopes = [each for each in Scope if each != Scope.ADMIN]
    name = f"no-admin-{method}-{path}".replace("/", "-").lower()
    headers = bearer(make_token(token_file(server.site), name, scopes))
    for given in ({}, headers):
        answer = server.client.request(method, path, json=body, headers=given)
        refused(answer, 403, "scope_required")
    assert (server.site.home / "config.toml").read_text() == before


def test_without_a_core_it_is_503(site: Site) -> None:
    binary = site.root / "codex"
    binary.write_text("#!/bin/sh\nexit 7\n")
    binary.chmod(0o755)
    with start(site, "--codex-bin", str(binary), "--core-wait", "0.2") as server:
        for path in ("/models", "/features", "/skills", "/config", "/mcp-servers"):
            refused(server.client.get(path), 503, "core_unavailable")


def test_a_core_that_does_not_answer_is_503_in_time(site: Site) -> None:
    with start(site, "--request-timeout", "1", "--core-check", "0") as server:
        server.wait_ready()
        core = server.core()
        core.suspend()
        try:
            refused(server.client.get("/models"), 503, "core_timeout")
        finally:
            core.resume()
