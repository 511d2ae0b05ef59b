"""What of our environment a core may see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.engine.environment import core_environment


def passed(*names: str, extra: tuple[str, ...] = ()) -> set[str]:
    """Those of the names that pass, without CODEX_HOME."""
    return set(core_environment(dict.fromkeys(names, "v"), "/home", extra)) - {"CODEX_HOME"}


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE"]
    + ["SSH_AUTH_SOCK", "CODEX_API_KEY", "CODEX_CA_CERTIFICATE", "SYSTEMROOT"],
)
def test_what_programs_need_passes(name: str) -> None:
    assert passed(name) == {name}


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL", "PYTHONPATH"]
    + ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "path", "XPATH", "PATHX", "", "MY_CODEX_X", "LCX"],
)
def test_anything_else_does_not(name: str) -> None:
    assert passed(name) == set()


def test_what_the_user_names_passes() -> None:
    assert passed("OPENAI_API_KEY", "OTHER", extra=("OPENAI_API_KEY", "ABSENT")) == {
        "OPENAI_API_KEY"
    }


@given(st.text(max_size=12))
def test_our_own_configuration_never_passes_not_even_when_named(rest: str) -> None:
    name = f"CODEX_HTTP_{rest}"
    assert passed(name, extra=(name,)) == set()


def test_the_home_is_the_one_given_whatever_was_set() -> None:
    assert core_environment({"CODEX_HOME": "/old"}, "/new", ()) == {"CODEX_HOME": "/new"}
    assert core_environment({}, "/new", ()) == {"CODEX_HOME": "/new"}


def test_values_pass_as_they_are_and_ours_is_not_changed() -> None:
    ours = {"PATH": "/a:/b", "CODEX_HTTP_TOKEN": "secret"}
    theirs = core_environment(ours, "/home", ())
    assert theirs == {"PATH": "/a:/b", "CODEX_HOME": "/home"}
    assert ours == {"PATH": "/a:/b", "CODEX_HTTP_TOKEN": "secret"}
