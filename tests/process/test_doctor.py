"""`codex-http-server doctor`, as a command: each thing that can be wrong is made wrong once."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from codex_http_server import __version__
from codex_http_server.testing.answers import Gate, Text
from tests.support.cli import SCRIPT, run_cli
from tests.support.codex import codex
from tests.support.commands import until
from tests.support.doctor import (
    ALL,
    clockwork,
    examined,
    listening,
    mounted,
    sign_in,
    tree,
)
from tests.support.server import Server, Site, gone, start


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


# --- all is well ----------------------------------------------------------------------------


def test_all_is_well_before_the_first_start(site: Site) -> None:
    found = examined(site)
    assert found.status == 0
    assert found.has("warn") == found.has("fail") == []
    assert found.has("skip") == ["login_service"]
    assert found.body["version"] == __version__
    assert found.body["codex_home"] == str(site.home.resolve())
    assert found["core"]["found"].startswith("codex 0.163.0 at /")
    assert found["config"]["found"].endswith("the core takes it")
    assert found["login"]["found"] == "the provider scripted needs none"
    assert site.provider.url in found["provider"]["found"]
    assert site.provider.requests == []  # it asks for the models, never for an answer


def test_it_changes_nothing(site: Site) -> None:
    """On a home and a state folder that were used. What it needs for itself is temporary."""
    with start(site) as server:
        server.wait_ready()
        site.provider.expect(Text("hello"))
        server.run(server.conversation())
    folders = [site.root / name for name in ("home", "state", "project", "user")]
    before = tree(*folders)
    assert examined(site).status == 0
    assert tree(*folders) == before
    assert list((site.root / "tmp").iterdir()) == []


def test_it_changes_nothing_after_a_server_was_killed(site: Site) -> None:
    with start(site, "--adopt-within", "0") as server:
        server.wait_ready()
        server.conversation()
        keeper = server.keeper()
        server.kill()
        until(lambda: gone(keeper), "the keeper has ended")
    state = site.root / "state"
    before = tree(state)
    found = examined(site)
    assert tree(state) == before
    assert found["server"]["status"] == "warn"
    assert "was killed" in found["server"]["found"]
    assert found["log"]["status"] == "ok"
    assert "was not closed" in found["log"]["found"]


def test_for_people_each_check_has_a_line_and_colour_is_for_terminals(site: Site) -> None:
    given = site.environment()
    done = run_cli("doctor", "--port", "0", "--offline", environment=given)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert [line[6:20].strip() for line in lines[: len(ALL)]] == list(ALL)
    assert all(re.match(r"(ok   |warn |fail |skip ) \w+ +\S", line) for line in lines[: len(ALL)])
    assert lines[-1] == "Nothing is wrong."


def test_what_to_do_stands_below_what_is_wrong(site: Site) -> None:
    done = run_cli("doctor", "--port", "0", "--codex-bin", "/nope", environment=site.environment())
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("fail  core"))
    assert "/nope" in lines[place]
    assert lines[place + 1].strip().startswith("→ Reinstall")
    assert lines[-1] == "1 failed, 0 to look at."


def test_offline_uses_no_network_and_says_so(site: Site) -> None:
    site.provider.close()
    found = examined(site, "--offline")
    assert found.status == 0
    assert found.has("skip") == ["provider", "clock", "login_service"]
    assert found["provider"]["found"] == "offline"


# --- settings, core, home, configuration ----------------------------------------------------


def test_a_settings_file_that_is_broken_hides_nothing_else(site: Site) -> None:
    path = site.root / "settings.toml"
    path.write_text("port = what")
    found = examined(site, "--config", str(path))
    assert found.has("fail") == ["settings"]
    assert str(path) in found["settings"]["found"]
    assert found.body["codex_home"] == str(site.home.resolve())


def test_no_core_binary(site: Site) -> None:
    found = examined(site, "--codex-bin", "/nope/codex")
    assert found.has("fail") == ["core"]
    assert found.has("skip") == ["protocol", "config", "login_service", "sandbox"]
    assert "/nope/codex" in found["core"]["found"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\nexit 3\n", "it exited with 3"),
        ("#!/bin/sh\necho hello\n", "it is no codex"),
        ("not a program", "Exec format error"),
    ],
)
def test_a_core_binary_that_is_none(site: Site, script: str, said: str) -> None:
    binary = site.root / "codex"
    binary.write_text(script)
    binary.chmod(0o755)
    found = examined(site, "--codex-bin", str(binary))
    assert said in found["core"]["found"]
    assert "core" in found.has("fail")


def test_another_version_of_the_core(site: Site) -> None:
    binary = site.root / "codex"
    binary.write_text("#!/bin/sh\necho codex-cli 0.999.0\n")
    binary.chmod(0o755)
    found = examined(site, "--codex-bin", str(binary))
    assert found["core"]["status"] == found["protocol"]["status"] == "warn"
    assert "0.999.0" in found["core"]["found"]
    assert "0.163.0" in found["core"]["advice"]


def test_a_config_that_is_no_toml_is_named_by_its_line_and_not_quoted(site: Site) -> None:
    (site.home / "config.toml").write_text('model = "x"\nkey = "sk-this-is-a-key\n')
    found = examined(site)
    assert "config" in found.has("fail")
    assert "not valid TOML at line 2, column 24" in found["config"]["found"]
    assert "this-is" not in json.dumps(found.body)


def test_a_config_that_the_core_refuses(site: Site) -> None:
    text = site.provider.config(sandbox_mode="work-space")
    (site.home / "config.toml").write_text(text)
    found = examined(site)
    assert found.has("fail") == ["config"]
    assert "unknown variant `work-space`" in found["config"]["found"]
    assert "`sandbox_mode`" in found["config"]["found"]


def test_a_file_that_the_config_names_from_the_home_on_is_found(site: Site) -> None:
    (site.home / "words.md").write_text("Be brief.")
    site.configure(model_instructions_file="words.md")
    assert examined(site)["config"]["status"] == "ok"
    site.configure(model_instructions_file="missing.md")
    found = examined(site)["config"]
    assert found["status"] == "fail"
    assert f"{site.home}/missing.md" in found["found"]


def test_a_home_that_is_not_there_yet(site: Site) -> None:
    found = examined(site, "--codex-home", str(site.root / "new"))
    assert found["home"]["status"] == "warn"
    assert not (site.root / "new").exists()


def test_a_home_that_can_t_be_written(site: Site, tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "ro") as folder:
        found = examined(site, "--codex-home", str(folder))
        assert found["home"]["status"] == "fail"
        assert str(folder) in found["home"]["found"]
        assert "--codex-home" in found["home"]["advice"]
        found = examined(site, "--codex-home", str(folder / "new"))
        assert found["home"]["status"] == "fail"


def test_a_home_by_a_link_says_where_it_really_is(site: Site) -> None:
    link = site.root / "link"
    link.symlink_to(site.home)
    found = examined(site, "--codex-home", str(link))
    assert found["home"]["found"] == f"{link} (really {site.home.resolve()})"
    link.unlink()
    link.symlink_to(site.root / "nowhere")
    assert examined(site, "--codex-home", str(link))["home"]["status"] == "fail"


def test_a_home_that_others_may_write(site: Site) -> None:
    site.home.chmod(0o777)
    found = examined(site)["home"]
    assert found["status"] == "warn"
    assert "chmod go-w" in found["advice"]


# --- neighbours, folders, log, disk ---------------------------------------------------------


def test_a_second_codex_on_the_home_is_named(site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one", gate, "two"]))
    with codex(site, "exec", "--skip-git-repo-check", "a prompt of mine") as other:
        gate.wait_reached()
        found = examined(site)
        gate.open()
        other.wait(20)
    assert found.status == 0
    assert found.has("warn") == ["neighbours"]
    assert f"codex exec (pid {other.pid}, since 20" in found["neighbours"]["found"]
    assert "writes thread" in found["neighbours"]["found"]
    assert "--codex-home" in found["neighbours"]["advice"]
    assert "a prompt of mine" not in json.dumps(found.body)


def test_a_disk_that_is_nearly_full(site: Site, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=50m,mode=700") as folder:
        found = examined(site, "--data-dir", str(folder))
        assert found.has("fail") == ["disk"]
        assert "50.0 MiB free for the log" in found["disk"]["found"]
    with mounted(tmp_path / "small", "size=500m,mode=700") as folder:
        assert examined(site, "--data-dir", str(folder)).has("warn") == ["disk"]
    with mounted(tmp_path / "small", "size=2g,nr_inodes=100,mode=700") as folder:
        assert "more files" in examined(site, "--data-dir", str(folder))["disk"]["found"]


def test_a_data_folder_that_is_no_use(site: Site, tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "ro") as folder:
        for data in (folder, folder / "new"):
            found = examined(site, "--data-dir", str(data))
            assert found.has("fail") == ["state"]
            assert str(folder) in found["state"]["found"]
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    found = examined(site, "--data-dir", str(shared))
    assert found.has("warn") == ["state"]
    assert "chmod 700" in found["state"]["advice"]


def test_a_log_that_is_none_is_damaged_or_belongs_elsewhere(site: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    path = data / "log.db"
    path.write_bytes(b"this is no database" * 100)
    found = examined(site, "--data-dir", str(data))
    assert found.has("fail") == ["log"]
    assert "not an event log" in found["log"]["found"]

    path.unlink()
    with start(site, "--data-dir", str(data)) as server:
        server.wait_ready()
    assert examined(site, "--data-dir", str(data))["log"]["status"] == "ok"
    (tmp_path / "other").mkdir()
    found = examined(site, "--data-dir", str(data), "--codex-home", str(tmp_path / "other"))
    assert f"belongs to the Codex home {site.home.resolve()}" in found["log"]["found"]

    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(4000) + whole[4100:])
    assert "log" in examined(site, "--data-dir", str(data)).has("fail")
    newer = whole[:60] + (9999).to_bytes(4, "big") + whole[64:]
    path.write_bytes(newer)
    found = examined(site, "--data-dir", str(data))
    assert "newer codex-http-server" in found["log"]["found"]


# --- server and port ------------------------------------------------------------------------


def test_a_server_that_runs(server: Server, site: Site) -> None:
    conversation, core = server.conversation(), server.core()
    number = server.url.rpartition(":")[2]
    found = examined(site, "--port", number)
    assert found.status == 0
    assert found.has("warn") == []
    assert server.url in found["server"]["found"]
    assert f"pid {server.process.pid}" in found["server"]["found"]
    assert "takes messages" in found["server"]["found"]
    assert found["port"]["found"].endswith("the server of this home")
    assert found["login"]["found"].endswith("says the server")
    assert "-wal" in found["log"]["found"]
    assert server.core() == core
    site.provider.expect(Text("still here"))
    assert server.run(conversation)["reply"] == "still here"


def test_a_server_that_hangs(server: Server, site: Site) -> None:
    server.process.send_signal(signal.SIGSTOP)
    try:
        found = examined(site)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert found.has("fail") == ["server"]
    assert f"kill {server.process.pid}" in found["server"]["advice"]


def test_a_server_of_another_version_or_without_a_core(site: Site) -> None:
    broken = site.root / "codex"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with start(site, "--codex-bin", str(broken)) as server:
        (record,) = (site.root / "state").glob("*/*/server.json")
        record.write_text(record.read_text().replace(f'"{__version__}"', '"0.0.1"'))
        until(lambda: server.get("/health")["core"]["reason"] is not None, "the core fails")
        found = examined(site)
        assert found.has("fail") == ["server"]
        assert "is version 0.0.1" in found["server"]["found"]
        assert "takes no messages: the core is" in found["server"]["found"]


def test_a_port_that_another_program_has(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        number = door.getsockname()[1]
        found = examined(site, "--port", str(number))
    assert found.has("fail") == ["port"]
    assert f"127.0.0.1 port {number} is taken by " in found["port"]["found"]
    assert "(pid " in found["port"]["found"]
    assert "--port 0" in found["port"]["advice"]
    assert examined(site, "--port", str(number))["port"]["status"] == "ok"


def test_a_port_that_the_server_of_another_home_has(server: Server, tmp_path: Path) -> None:
    number = server.url.rpartition(":")[2]
    other = tmp_path / "other"
    other.mkdir()
    given = server.site.environment() | {"CODEX_HOME": str(other)}
    done = run_cli("doctor", "--json", "--offline", "--port", number, environment=given)
    port = next(each for each in json.loads(done.stdout)["checks"] if each["id"] == "port")
    assert port["status"] == "fail"
    assert f"another codex-http-server ({__version__})" in port["found"]
    assert f"pid {server.process.pid}" in port["found"]


def test_a_server_on_a_unix_socket(site: Site) -> None:
    path = site.root / "s.sock"
    listen = ("--listen", f"unix:{path}")
    assert examined(site, *listen)["port"]["found"] == f"unix:{path} is free"
    serve = [str(SCRIPT), "serve", *listen]
    pipe = subprocess.PIPE
    with subprocess.Popen(serve, env=site.environment(), stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["url"] == f"unix:{path}"
            found = examined(site, *listen)
            assert f"unix:{path} (pid {process.pid})" in found["server"]["found"]
            assert found["port"]["found"].endswith("the server of this home")
            other = site.root / "other"
            other.mkdir()
            found = examined(site, *listen, "--codex-home", str(other))
            assert "taken by another codex-http-server" in found["port"]["found"]
        finally:
            process.terminate()
            process.wait(10)
    path.write_text("in the way")
    assert examined(site, *listen)["port"]["status"] == "fail"
    assert examined(site, "--listen", f"unix:{path}/below")["port"]["status"] == "fail"
    long = site.root / ("x" * 120)
    assert "longer than" in examined(site, "--listen", f"unix:{long}")["port"]["found"]


# --- login ----------------------------------------------------------------------------------


def test_no_login_where_the_provider_needs_one(site: Site) -> None:
    site.configure(requires_openai_auth=True)
    found = examined(site, CODEX_APP_SERVER_LOGIN_ISSUER=site.provider.url)
    assert found.has("fail") == ["login"]
    assert "codex login" in found["login"]["advice"]
    assert found["login_service"]["status"] == "ok"


def test_a_login_that_is_good_and_one_that_is_stale(site: Site) -> None:
    site.configure(requires_openai_auth=True)
    issuer = {"CODEX_APP_SERVER_LOGIN_ISSUER": site.provider.url}
    secrets = [sign_in(site, time.time() + 3600)]
    found = examined(site, **issuer)
    assert found.status == 0
    assert "ChatGPT (me@example.com, pro)" in found["login"]["found"]
    texts = [json.dumps(found.body)]

    secrets.append(sign_in(site, time.time() - 3600))
    before = tree(site.home)
    found = examined(site, **issuer)
    assert found.has("warn") == ["login"]
    assert "ended at 20" in found["login"]["found"]
    assert tree(site.home) == before
    texts.append(json.dumps(found.body))

    secrets.append(sign_in(site, time.time() - 3600, refresh=None))
    found = examined(site, **issuer)
    assert found.has("fail") == ["login"]
    texts.append(json.dumps(found.body))
    for secret in (*secrets, "rt-of-the-test"):
        assert not [text for text in texts if secret in text]
    assert not [call for call in site.provider.other_calls if call.startswith("POST")]


def test_a_login_that_a_running_server_has_not(site: Site) -> None:
    site.configure(requires_openai_auth=True)
    with start(site) as server:
        server.wait_ready()
        found = examined(site, CODEX_APP_SERVER_LOGIN_ISSUER=site.provider.url)
    assert found.has("fail") == ["login"]
    assert "not_signed_in" in found["login"]["found"]


def test_an_api_key_is_a_login_and_is_not_shown(site: Site) -> None:
    site.configure(requires_openai_auth=True)
    path = site.home / "auth.json"
    path.write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "key-of-the-test"}))
    path.chmod(0o644)
    found = examined(site)
    assert found.has("warn") == ["login"]
    assert "signed in with an API key, but" in found["login"]["found"]
    assert "chmod 600" in found["login"]["advice"]
    assert found["login_service"]["status"] == "skip"
    assert "key-of-the-test" not in json.dumps(found.body)


# --- provider, clock, environment -----------------------------------------------------------


def test_a_provider_that_is_down(site: Site) -> None:
    site.configure(base_url=f"http://127.0.0.1:{closed_port()}/v1")
    found = examined(site)
    assert found.has("fail") == ["provider"]
    assert "connection: 127.0.0.1 port" in found["provider"]["found"]
    assert "refused" in found["provider"]["found"]
    assert found["clock"]["status"] == "skip"


@pytest.mark.parametrize(("ahead", "said"), [(600, "10 min behind"), (-600, "10 min ahead of")])
def test_a_clock_that_is_off(site: Site, ahead: float, said: str) -> None:
    with listening(clockwork(ahead)) as port:
        site.configure(base_url=f"http://127.0.0.1:{port}/v1")
        found = examined(site)
    assert found["provider"]["status"] == "ok"  # any answer will do
    assert found.has("warn") == ["clock"]
    assert said in found["clock"]["found"]
    assert "NTP" in found["clock"]["advice"]


def test_a_proxy_that_is_down_is_named_without_its_password(site: Site) -> None:
    site.configure(base_url="http://models.example/v1")
    proxy = f"http://me:the-password@127.0.0.1:{closed_port()}"
    found = examined(site, HTTP_PROXY=proxy)
    assert found.has("fail") == ["provider"]
    assert "proxy: http://127.0.0.1:" in found["provider"]["found"]
    assert "HTTP_PROXY=http://127.0.0.1:" in found["environment"]["found"]
    assert "the-password" not in json.dumps(found.body)


def test_a_key_that_does_not_reach_the_core(site: Site) -> None:
    text = site.provider.config().replace('name = "scripted"', 'name = "scripted"\nenv_key = "KEY"')
    (site.home / "config.toml").write_text(text)
    found = examined(site)
    assert "KEY is not set" in found["provider"]["found"]
    found = examined(site, KEY="the-value")
    assert "not handed to the core" in found["provider"]["found"]
    assert found["provider"]["advice"] == "Start the server with --pass-env KEY"
    assert examined(site, "--pass-env", "KEY", KEY="the-value").status == 0


def test_what_is_misspelt_or_without_effect_in_the_environment(site: Site) -> None:
    found = examined(
        site, CODEX_HTTP_PROT="3", OPENAI_API_KEY="the-value", SSL_CERT_FILE="/nope.pem"
    )
    assert found.has("warn") == ["environment"]
    assert "CODEX_HTTP_PROT is not a setting" in found["environment"]["found"]
    assert "CODEX_HTTP_PORT?" in found["environment"]["advice"]
    assert "OPENAI_API_KEY is set" in found["environment"]["found"]
    assert "SSL_CERT_FILE names /nope.pem" in found["environment"]["found"]
    assert "the-value" not in json.dumps(found.body)
