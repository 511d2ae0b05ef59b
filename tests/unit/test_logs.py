"""Logging: one form for everybody, ids on every line, no secret in any."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server import logs

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"
KEY = "sk-proj-abcdefgh12345678"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def out() -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level="info", form="json", stream=stream)
    return stream


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_ours_and_the_libraries_lines_have_one_form(out: io.StringIO) -> None:
    logs.get_logger("ours").info("started", port=3032)
    logging.getLogger("some.library").warning("low on %s", "files")
    ours, theirs = lines(out)
    assert (ours["event"], ours["logger"], ours["port"]) == ("started", "ours", 3032)
    assert (theirs["event"], theirs["level"]) == ("low on files", "warning")
    assert set(theirs) == {"event", "level", "logger", "timestamp"}


def test_lines_below_the_level_are_dropped(out: io.StringIO) -> None:
    logs.get_logger("ours").debug("detail")
    logging.getLogger("any").debug("detail")
    assert lines(out) == []


def test_uvicorn_s_access_log_is_silent(out: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /health 200")
    assert out.getvalue() == ""


def test_bound_ids_are_on_every_line_of_the_block_and_gone_after(out: io.StringIO) -> None:
    log = logs.get_logger("ours")
    with logs.bind(request_id="r"), logs.bind(conversation_id="c", turn_id="t"):
        log.info("inside")
        logging.getLogger("library").info("inside")
    log.info("after")
    ids = [{key: line.get(key) for key in ("request_id", "conversation_id")} for line in lines(out)]
    inside = {"request_id": "r", "conversation_id": "c"}
    assert ids == [inside, inside, {"request_id": None, "conversation_id": None}]


def test_a_trace_is_logged_without_the_secret_in_it(out: io.StringIO) -> None:
    try:
        raise ValueError(f"refused: Bearer {JWT}")
    except ValueError:
        logs.get_logger("ours").exception("failed")
        logging.getLogger("library").exception("failed")
    assert all("ValueError: refused: [redacted]" in line["exception"] for line in lines(out))


def test_warnings_are_logged(out: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(level="info", form="json", stream=out)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert lines(out)[0]["logger"] == "py.warnings"


@pytest.mark.parametrize(
    "key",
    ["authorization", "Authorization", "proxy-authorization", "cookie", "Set-Cookie", "token"]
    + ["api_key", "apiKey", "X-Api-Key", "OPENAI_API_KEY", "access_token", "refreshToken"]
    + ["id_token", "password", "client_secret", "CODEX_HTTP_TOKEN"],
)
def test_the_value_of_a_secret_key_is_redacted_at_any_depth(out: io.StringIO, key: str) -> None:
    logs.get_logger("ours").info("x", **{key: "v"}, inner=[{"deep": {key: ["v", {"a": 1}]}}])
    (line,) = lines(out)
    assert line[key] == logs.REDACTED
    assert line["inner"] == [{"deep": {key: logs.REDACTED}}]


def test_what_only_looks_like_a_secret_key_is_kept(out: io.StringIO) -> None:
    logs.get_logger("ours").info("x", input_tokens=5, token_id="a", token=None)
    (line,) = lines(out)
    assert (line["input_tokens"], line["token_id"], line["token"]) == (5, "a", None)


@pytest.mark.parametrize("secret", [f"Bearer {KEY}", "bearer a.b-c", KEY, JWT])
def test_a_secret_in_a_text_is_redacted(out: io.StringIO, secret: str) -> None:
    log = logs.get_logger("ours")
    log.info("got %s", secret, a=[secret], b={secret: 1}, c=secret.encode(), d=ValueError(secret))
    logging.getLogger("library").info("got %s in %r", secret, {"x": secret})
    assert secret not in out.getvalue()
    assert lines(out)[0]["event"] == "got [redacted]"


@pytest.mark.parametrize(
    "text",
    ["cht_%s", "chs_%s and more", "/events?after=1&ticket=%s", "/events?ticket=%s&after=1"]
    + ["http://127.0.0.1:3032/#code=%s", "/auth/callback?code=%s&state=x", "?access_token=%s"]
    + ["Cookie: codex_http_3032=%s", "set-cookie: a=%s; Path=/", "{'ticket': 'chs_%s'}"],
)
def test_our_own_secrets_are_redacted_in_any_text(out: io.StringIO, text: str) -> None:
    secret = "A0-_" * 10 + "xyz"
    logging.getLogger("library").info("got %s", text % secret)
    logs.get_logger("ours").info("x", path=text % secret, ticket=secret)
    assert secret not in out.getvalue()
    assert logs.REDACTED in out.getvalue()


@pytest.mark.parametrize("text", ["exit code=1", "error code=core_unavailable", "max_token=5"])
def test_what_only_looks_like_one_is_kept(text: str) -> None:
    assert logs.redact_text(text) == text


def test_a_structure_that_never_ends_is_cut(out: io.StringIO) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    logs.get_logger("ours").info("x", endless=endless)
    assert logs.REDACTED in out.getvalue()


def test_the_console_form_is_for_people_and_redacts_too() -> None:
    stream = io.StringIO()
    logs.configure(level="debug", form="console", stream=stream)
    try:
        raise ValueError(KEY)
    except ValueError:
        logs.get_logger("ours").exception("failed", token="v", code=KEY)
    assert "[redacted]" in stream.getvalue()
    assert KEY not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_auto_is_json_where_the_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    logs.get_logger("ours").info("x")
    assert lines(stream)[0]["event"] == "x"


def test_a_second_configure_replaces_the_first(out: io.StringIO) -> None:
    other = io.StringIO()
    logs.configure(form="json", stream=other)
    logs.get_logger("ours").info("x")
    assert (out.getvalue(), len(lines(other))) == ("", 1)


@given(st.text("ab.-_ /=:", max_size=60), st.sampled_from([KEY, JWT, f"Bearer {KEY}"]))
def test_a_secret_between_spaces_never_survives(around: str, secret: str) -> None:
    assert secret not in logs.redact_text(f"{around} {secret} {around}")
