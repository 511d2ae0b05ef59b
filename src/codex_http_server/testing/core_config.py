"""The config.toml that points a core at the scripted provider and keeps it off the network."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

Setting: TypeAlias = str | int | bool

_TOP: Mapping[str, Setting] = {
    "model": "gpt-5.5",
    "model_provider": "scripted",
    "cli_auth_credentials_store": "file",
    "check_for_update_on_startup": False,
    "web_search": "disabled",
}
_PROVIDER: Mapping[str, Setting] = {
    "name": "scripted",
    "wire_api": "responses",
    "requires_openai_auth": False,
    "request_max_retries": 2,
    "stream_max_retries": 1,
    "stream_idle_timeout_ms": 3000,
}
_TABLES: Mapping[str, Mapping[str, Setting]] = {
    "analytics": {"enabled": False},
    "feedback": {"enabled": False},
    "otel": {"exporter": "none", "trace_exporter": "none", "metrics_exporter": "none"},
    "features": {
        "shell_snapshot": False,
        "apps": False,
        "plugins": False,
        "remote_plugin": False,
        "enable_request_compression": False,
    },
}


def core_config(url: str, overrides: Mapping[str, Setting]) -> str:
    """The text of a config.toml for core 0.163 whose model provider listens at `url` (…/v1).

    An override replaces a key of the provider's table if it is one, else a top-level key.
    Calls meant for chatgpt.com go to the provider as well, which answers them with 404.
    """
    backend = url.removesuffix("/v1") + "/backend-api/"
    top = {**_TOP, "chatgpt_base_url": backend}
    provider = {**_PROVIDER, "base_url": url}
    for key, value in overrides.items():
        (provider if key in provider else top)[key] = value
    tables = {**_TABLES, "model_providers.scripted": provider}
    return _lines(top) + "".join(f"\n[{name}]\n{_lines(keys)}" for name, keys in tables.items())


def _lines(settings: Mapping[str, Setting]) -> str:
    # A JSON string, number or boolean is the same thing in TOML.
    return "".join(f"{key} = {_json(value)}\n" for key, value in settings.items())


def _json(value: Setting) -> str:
    return msgspec.json.encode(value).decode()
