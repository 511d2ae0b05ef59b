"""Whole numbers in bodies: what JSON Schema calls an integer is taken, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from codex_http_server.api.routes.mcp import BeginMcpLogin


@pytest.mark.parametrize("given", [300, 300.0])
def test_an_integer_may_be_written_in_any_way(given: Any) -> None:
    taken = BeginMcpLogin.model_validate({"timeout": given}).timeout
    assert (taken, type(taken)) == (300, int)


@pytest.mark.parametrize("given", [300.5, "300", True, None, 0.0, 3601.0])
def test_what_is_none_or_out_of_bounds_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        BeginMcpLogin.model_validate({"timeout": given})
