"""The environment: what the core gets of it, what is misspelt, what has no effect."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codex_http_server.doctor.case import Case
from codex_http_server.doctor.results import Result, bare, ok, warn, worst
from codex_http_server.settings import CONFIG_ENV, ENV_PREFIX, SETTINGS

PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
CA_FILES: Final = ("SSL_CERT_FILE", "CODEX_CA_CERTIFICATE")
# The core's app-server takes its login from the home only (measured with 0.163).
KEYS: Final = ("CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_API_KEY")
OTHERS: Final = (CONFIG_ENV, f"{ENV_PREFIX}TOKEN")  # read by this program and no settings


def environment(case: Case) -> list[Result]:
    """Proxies, certificates, names of ours that we do not know, keys without effect."""
    return [worst([_proxies(case), *_strange(case), *_certificates(case), *_keys(case)])]


def _proxies(case: Case) -> Result:
    given = {name: case.environ.get(name) or case.environ.get(name.lower()) for name in PROXIES}
    shown = [f"{name}={bare(value)}" for name, value in given.items() if value]
    return ok("environment", ", ".join(shown) or "no proxy")


def _strange(case: Case) -> Iterator[Result]:
    known = [row.env for row in SETTINGS] + list(OTHERS)
    for name in sorted(case.environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            advice = f"Did you mean {near[0]}?" if near else "docs/settings.md has all of them."
            yield warn("environment", f"{name} is not a setting.", advice)


def _certificates(case: Case) -> Iterator[Result]:
    for name in CA_FILES:
        path = case.environ.get(name)
        if path and not Path(path).is_file():
            advice = f"Correct {name}, or unset it: without it no certificate is trusted."
            yield warn("environment", f"{name} names {path}, which is not there.", advice)


def _keys(case: Case) -> Iterator[Result]:
    for name in KEYS:
        if case.environ.get(name) and name not in case.settings.pass_env:
            advice = f"To use it as the login: printenv {name} | codex login --with-api-key"
            yield warn("environment", f"{name} is set, but it is no login here.", advice)
