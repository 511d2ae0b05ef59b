"""The settings: their order, their values, and the words of their errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.errors import SettingsError
from codex_http_server.settings import Settings, resolve
from codex_http_server.settings.kinds import show_size, size


@pytest.fixture(autouse=True)
def _no_file_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "codex_http_server.settings.sources.default_file", lambda: tmp_path / "usual.toml"
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_nothing_given_leaves_the_defaults() -> None:
    assert resolve({}, {}) == Settings(codex_home=Path.home() / ".codex")


def test_a_flag_beats_the_environment_which_beats_the_file(config: Path) -> None:
    config.write_text("port = 1\nhost = 'one'\nheartbeat = 1\n")
    environ = {"CODEX_HTTP_PORT": "2", "CODEX_HTTP_HOST": "two", "CODEX_HTTP_CONFIG": str(config)}
    settings = resolve({"port": "3"}, environ)
    assert (settings.port, settings.host, settings.heartbeat) == (3, "two", 1.0)


def test_the_config_flag_beats_its_variable(config: Path, tmp_path: Path) -> None:
    config.write_text("port = 1\n")
    settings = resolve({"config": str(config)}, {"CODEX_HTTP_CONFIG": str(tmp_path / "absent")})
    assert settings.port == 1


def test_the_usual_file_is_read_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "usual.toml").write_text("port = 7\n")
    assert resolve({}, {}).port == 7
    assert resolve({}, {}, read_file=False).port == 3032


def test_an_empty_variable_counts_as_not_set() -> None:
    assert resolve({}, {"CODEX_HTTP_PORT": "", "CODEX_HOME": ""}).port == 3032


def test_the_home_is_codex_s_own_unless_one_is_named() -> None:
    environ = {"CODEX_HOME": "/a"}
    assert resolve({}, environ).codex_home == Path("/a").absolute()
    environ["CODEX_HTTP_CODEX_HOME"] = "/b"
    assert resolve({}, environ).codex_home == Path("/b").absolute()


def test_a_relative_path_starts_where_it_was_written(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    config.write_text("codex_home = 'home'\n")
    settings = resolve({"config": str(config), "data_dir": "data"}, {})
    assert (settings.codex_home, settings.data_dir) == (tmp_path / "home", work / "data")


def test_a_path_may_start_at_the_user_s_home() -> None:
    assert resolve({"data_dir": "~/data"}, {}).data_dir == Path.home() / "data"


def test_several_values_come_repeated_comma_separated_or_as_a_list(config: Path) -> None:
    config.write_text("pass_env = ['A', 'B']\n")
    flags = {"config": str(config), "allow_origin": ["app://foux", "http://a"]}
    settings = resolve(flags, {"CODEX_HTTP_ALLOW_HOST": "a.example, B.example,,a.example"})
    assert settings.allow_origin == ("app://foux", "http://a")
    assert settings.allow_host == ("a.example", "b.example")
    assert settings.pass_env == ("A", "B")


@pytest.mark.parametrize(
    ("text", "count"),
    [("1024", 1024), ("16MiB", 16 << 20), ("1.5 kib", 1536), ("2MB", 2_000_000), ("1GiB", 1 << 30)],
)
def test_a_size_is_read_with_its_unit(text: str, count: int) -> None:
    assert resolve({"max_body": text}, {}).max_body == count


@given(st.integers(1, 1 << 30))
def test_a_size_is_read_as_it_is_shown(count: int) -> None:
    assert size(1, 1 << 30).parse(show_size(count)) == count


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://App.Example", "https://app.example"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("https://a:443", "https://a"),
        ("http://[::1]:80", "http://[::1]"),
        ("app://foux", "app://foux"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(text: str, origin: str) -> None:
    assert resolve({"allow_origin": [text]}, {}).allow_origin == (origin,)


@pytest.mark.parametrize(
    "text",
    ["*", "null", "a.example", "http://", "http://a/", "http://a/b", "http://u@a", "http://a:0"]
    + ["http://a:99999", "http://*.a", "http://[::g]", "file:///x", "http://a?b", "http://a b"],
)
def test_what_is_no_exact_origin_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--allow-origin"):
        resolve({"allow_origin": [text]}, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("host", "http://a"),
        ("host", "a:1"),
        ("host", ""),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "1.5"),
        ("port", "٣"),
        ("data_dir", ""),
        ("data_dir", "a\0b"),
        ("codex_bin", "~nobody-of-this-name/x"),
        ("allow_host", "*"),
        ("allow_host", "a:80"),
        ("pass_env", "A B"),
        ("pass_env", "CODEX_HTTP_TOKEN"),
        ("log_level", "loud"),
        ("max_body", "16 apples"),
        ("max_body", "1"),
        ("max_body", "99GiB"),
        ("heartbeat", "0"),
        ("heartbeat", "nan"),
        ("heartbeat", "1e3"),
        ("request_timeout", "inf"),
        ("max_streams", "0"),
        ("max_streams_per_caller", "0"),
        ("max_requests_per_caller", "0"),
        ("max_connections", "7"),
        ("listen", "/run/x"),
        ("listen", "tcp:3032"),
        ("listen", "unix:"),
        ("item_limit", "-1"),
    ],
)
def test_a_bad_value_is_refused_with_the_setting_and_the_source(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as flag:
        resolve({name: text}, {})
    assert "--" + name.replace("_", "-") in flag.value.detail
    assert "It takes " in flag.value.detail
    if text:
        with pytest.raises(SettingsError, match="CODEX_HTTP_" + name.upper()):
            resolve({}, {"CODEX_HTTP_" + name.upper(): text})


@pytest.mark.parametrize(
    "line",
    ["port = true", "port = 1.5", "port = [1]", "port = {a = 1}", "allow_origin = [1]"]
    + ["allow_origin = 1979-05-27", "max_body = '1'", "log_level = 3"],
)
def test_a_bad_value_in_the_file_is_refused_with_the_file(config: Path, line: str) -> None:
    config.write_text(line)
    with pytest.raises(SettingsError) as error:
        resolve({"config": str(config)}, {})
    assert f"{line.partition(' ')[0]} in {config}" in error.value.detail


def test_an_unknown_key_is_refused_and_the_near_one_named(config: Path) -> None:
    config.write_text("poort = 1\n")
    with pytest.raises(SettingsError) as error:
        resolve({"config": str(config)}, {})
    assert f"poort in {config}" in error.value.detail
    assert error.value.hint == "Did you mean port?"


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2\n"])
def test_a_file_that_is_not_toml_is_refused(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    with pytest.raises(SettingsError, match="not valid TOML"):
        resolve({"config": str(config)}, {})


def test_a_named_file_that_is_absent_or_a_folder_is_refused(config: Path, tmp_path: Path) -> None:
    for path in (config, tmp_path):
        with pytest.raises(SettingsError, match="can't be read"):
            resolve({}, {"CODEX_HTTP_CONFIG": str(path)})


def test_a_socket_is_listened_on_at_a_path(config: Path) -> None:
    assert resolve({"listen": "unix:/run/x"}, {}).listen == Path("/run/x")
    assert resolve({"listen": "unix:///run/x"}, {}).listen == Path("/run/x")
    assert resolve({"listen": "unix:x"}, {}).listen == Path.cwd() / "x"
    config.write_text("listen = 'unix:x'\n")
    assert resolve({"config": str(config)}, {}).listen == config.parent / "x"


@pytest.mark.parametrize("name", ["host", "port"])
def test_a_socket_rules_out_an_address_that_is_as_strong_or_stronger(
    name: str, config: Path
) -> None:
    config.write_text("listen = 'unix:/run/x'\n")
    with pytest.raises(SettingsError, match="two places") as error:
        resolve({"config": str(config), name: "1"}, {})
    assert f"--{name} and listen in {config}" in error.value.detail
    with pytest.raises(SettingsError, match=f"CODEX_HTTP_{name.upper()} and CODEX_HTTP_LISTEN"):
        resolve({}, {f"CODEX_HTTP_{name.upper()}": "1", "CODEX_HTTP_LISTEN": "unix:/run/x"})


def test_a_socket_stands_before_a_weaker_address(config: Path) -> None:
    config.write_text("port = 1\nhost = '127.0.0.1'\n")
    settings = resolve({"config": str(config), "listen": "unix:/run/x"}, {"CODEX_HTTP_PORT": "2"})
    assert settings.listen == Path("/run/x")


def test_a_long_bad_value_does_not_fill_the_screen() -> None:
    with pytest.raises(SettingsError) as error:
        resolve({"port": "9" * 10_000}, {})
    assert len(error.value.detail) < 300


# --- flags and lists of paths ---------------------------------------------------------------


@pytest.mark.parametrize("word", ["true", "yes", "on", "1", "TRUE"])
def test_a_flag_is_on_by_any_word_for_it(word: str) -> None:
    assert resolve({}, {"CODEX_HTTP_REQUIRE_TOKEN": word}).require_token
    assert resolve({"require_token": word}, {}).require_token


def test_a_flag_in_the_file_is_a_boolean_and_the_command_line_may_undo_it(config: Path) -> None:
    config.write_text("require_token = true\n")
    assert resolve({"config": str(config)}, {}).require_token
    assert not resolve({"config": str(config), "require_token": "False"}, {}).require_token


def test_a_flag_takes_nothing_else(config: Path) -> None:
    with pytest.raises(SettingsError, match="true or false"):
        resolve({}, {"CODEX_HTTP_REQUIRE_TOKEN": "maybe"})
    config.write_text("port = true\n")
    with pytest.raises(SettingsError):
        resolve({"config": str(config)}, {})


def test_several_paths_start_where_they_were_written(config: Path, tmp_path: Path) -> None:
    config.write_text('root = ["work", "/srv", "~/x", "work"]\n')
    found = resolve({"config": str(config)}, {}).root
    assert found == (tmp_path / "work", Path("/srv"), Path.home() / "x")
    assert resolve({"root": ["/a", "/b"]}, {}).root == (Path("/a"), Path("/b"))
