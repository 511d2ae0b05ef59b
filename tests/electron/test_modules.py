"""What an Electron app is made of, under plain Node: where its server is, who may call, its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Text
from tests.support.electron import SERVE
from tests.support.prompter import Prompter
from tests.support.shared import site_at
from tests.support.typescript import PACKAGE, build, is_installed, judge, node

pytestmark = [
    pytest.mark.core,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not is_installed(), reason="the npm packages are not installed"),
]


def test_without_electron(tmp_path: Path) -> None:
    build()
    program = PACKAGE / "build" / "tests" / "electron.js"
    with site_at(tmp_path) as site, Prompter(site, program, serves=False) as prompter:
        site.provider.script = lambda request: [Text("It goes on.")]
        own = {"command": [str(SERVE)], "env": site.environment(), "folder": str(tmp_path / "own")}
        results = json.loads(node(str(program), json.dumps(prompter.setting() | own)))
    assert len(results) > 10
    judge(results)
