"""The configuration is shown without its secrets, wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.engine.configview import holds_redacted, without_secrets
from codex_http_server.logs import REDACTED


@pytest.mark.parametrize(
    "value",
    [
        {"experimental_bearer_token": "hunter2"},
        {"api-key": "hunter2"},
        {"clientSecret": "hunter2"},
        {"aws": {"secret_access_key": "hunter2"}},
        {"password": ["hunter2", {"deep": "hunter2"}]},
        {"http_headers": {"X-Any": "hunter2"}},
        {"env": {"ANYTHING": "hunter2"}},
        {"shell_environment_policy": {"set": {"A": "hunter2"}}},
        {"query_params": {"key": "hunter2"}},
        {"otel": {"exporter": {"otlp-http": {"headers": {"x": "hunter2"}}}}},
        {"url": "https://user:hunter2@example.org/x"},
        {"url": "https://hunter2@example.org/x"},
        {"url": "https://example.org/mcp?exaApiKey=hunter2&b=hunter2#x"},
        {"args": ["-y", "server", "--api-key", "hunter2"]},
        {"args": ["--api-key=hunter2"]},
        {"args": ["--token", "hunter2", "--verbose"]},
        {"notify": ["curl", "-H", "Authorization: Bearer hunter2hunter2"]},
        {"layers": [{"config": {"mcp_servers": {"a": {"env": {"B": "hunter2"}}}}}]},
        {"env": {"NESTED": {"deeper": ["hunter2", 17]}}},
    ],
)
def test_a_secret_is_not_shown(value: Any) -> None:
    shown = without_secrets(value)
    assert "hunter2" not in str(shown)
    assert REDACTED in str(shown)
    assert holds_redacted(shown)


@pytest.mark.parametrize(
    "value",
    [
        {"model": "gpt-5.5", "model_auto_compact_token_limit": 1000, "hide": False, "x": None},
        {"bearer_token_env_var": "MY_TOKEN", "env_key": "OPENAI_API_KEY"},
        {"env_http_headers": {"X-Key": "NAME_OF_A_VARIABLE"}},
        {"args": ["-y", "@scope/server", "--port", "80", "--token-limit", "5"]},
        {"base_url": "https://example.org:8443/v1/path"},
        {"experimental_bearer_token": None, "env": {}, "env_vars": ["A"]},
        {"tool_output_token_limit": 5, "mcp_oauth_credentials_store": "auto"},
    ],
)
def test_what_is_none_is_left_as_it_is(value: Any) -> None:
    assert without_secrets(value) == value
    assert not holds_redacted(value)


def test_the_names_of_headers_and_variables_stay() -> None:
    shown = without_secrets({"http_headers": {"X-Key": "a"}, "env": {"TOKEN": "b"}})
    assert shown == {"http_headers": {"X-Key": REDACTED}, "env": {"TOKEN": REDACTED}}
