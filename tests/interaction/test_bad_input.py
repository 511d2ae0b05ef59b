"""What is wrong with a request is said by status, code and field, and nothing is changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from codex_http_server.api.app import document
from codex_http_server.auth.callers import Scope
from codex_http_server.testing.answers import Gate, Text
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.server import Server
from tests.support.shared import server_at

UNKNOWN = "019f0000-0000-7000-8000-000000000000"
MESSAGE_MAX = 1_048_576
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: a refused request leaves nothing behind."""
    with server_at(tmp_path_factory.mktemp("bad"), "--max-body", "4MiB") as running:
        yield running


@pytest.fixture
def untouched(server: Server) -> Iterator[None]:
    """No conversation and no event came into being during the test."""
    before = server.get("/conversations"), server.get("/events")["head"]
    yield
    assert (server.get("/conversations"), server.get("/events")["head"]) == before


@pytest.fixture(scope="module")
def everything(server: Server) -> dict[str, str]:
    """The header of a caller who may do everything, so that only the id is wrong."""
    return bearer(make_token(token_file(server.site), "everything", list(Scope)))


@pytest.fixture(scope="module")
def conversation_id(server: Server) -> str:
    """A conversation that all tests may aim at, before any `untouched` looks."""
    return server.conversation()


def schema_of(operation: dict[str, Any], components: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of an operation's body, if it needs one."""
    body = operation.get("requestBody")
    if not body or not body.get("required"):
        return None
    reference = body["content"]["application/json"]["schema"]["$ref"]
    return components[reference.rsplit("/", 1)[-1]]


def example(schema: dict[str, Any] | None) -> Any:
    """A body that fits, so that only the id is wrong."""
    if schema is None:
        return None
    required = {name: [] for name in schema.get("required", ())}
    fit = {"message": "hello", "decision": "accept", "command": "true", "before_turn_id": "none"}
    return required | {name: fit[name] for name in fit if name in schema["properties"]}


def routes_with_an_id() -> list[tuple[str, str, Any]]:
    """Every route below a conversation, from the document: a new one is tested by being there."""
    described = document()
    components = described["components"]["schemas"]
    return [
        (method, path, example(schema_of(operation, components)))
        for path, operations in described["paths"].items()
        if "{conversation_id}" in path
        for method, operation in operations.items()
    ]


# --- ids, routes, methods -------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body"), routes_with_an_id())
@pytest.mark.usefixtures("untouched")
def test_an_unknown_conversation_is_404(
    server: Server, everything: dict[str, str], method: str, path: str, body: Any
) -> None:
    for wrong in (UNKNOWN, "nonsense", "%00", "%ff", "..%2f..%2fetc"):
        there = path.replace("{conversation_id}", wrong).replace("{submit_id}", UNKNOWN)
        answer = server.client.request(method.upper(), there, json=body, headers=everything)
        expected = "not_found" if "%2f" in wrong else "conversation_not_found"
        refused(answer, 404, expected)


def test_the_document_names_the_routes_that_take_an_id() -> None:
    found = {(method, path.rsplit("}", 1)[-1]) for method, path, _ in routes_with_an_id()}
    assert {("get", "/events"), ("post", "/messages"), ("post", "/interrupt")} <= found


def test_an_unknown_conversation_in_a_filter_is_404(server: Server) -> None:
    answer = server.client.get(f"/events?conversation={UNKNOWN}")
    refused(answer, 404, "conversation_not_found")


@pytest.mark.usefixtures("untouched")
def test_an_unknown_route_is_404(server: Server) -> None:
    for path in ("/nowhere", "/conversations/x/y/z", "/page/nothing.js", "/page/..%2fsecret"):
        refused(server.client.get(path), 404, "not_found")


@pytest.mark.usefixtures("untouched")
def test_a_wrong_method_is_405_and_says_which_are_right(server: Server) -> None:
    for method, path in (("PUT", "/conversations"), ("DELETE", "/health"), ("PATCH", "/events")):
        answer = server.client.request(method, path)
        refused(answer, 405, "method_not_allowed")
        assert "GET" in answer.headers["allow"]


def test_an_unknown_queue_message_is_404(server: Server, conversation_id: str) -> None:
    there = f"/conversations/{conversation_id}/queue/{UNKNOWN}"
    refused(server.client.delete(there), 404, "message_not_found")
    refused(server.client.patch(there, json={"message": "x"}), 404, "message_not_found")


def test_an_interrupt_without_a_turn_is_409(server: Server, conversation_id: str) -> None:
    answer = server.client.post(f"/conversations/{conversation_id}/interrupt")
    refused(answer, 409, "no_running_turn")


def test_reordering_with_other_ids_is_422_and_keeps_the_order(server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    server.site.provider.expect(Text("second"))
    server.site.provider.expect(Text("third"))
    here = server.conversation()
    server.send(here, "runs")
    queued = [server.send(here, text)["submit_id"] for text in ("waits", "waits too")]
    gate.wait_reached()
    for wrong in ([UNKNOWN], [], [queued[0]], [*queued, UNKNOWN], [queued[0], queued[0]]):
        answer = server.client.put(f"/conversations/{here}/queue", json={"order": wrong})
        refused(answer, 422, "invalid_request", "order")
    assert [q["submit_id"] for q in server.get(f"/conversations/{here}/queue")["data"]] == queued
    with server.read(here) as reader:
        gate.open()
        reader.wait(lambda e: len([x for x in reader.events if x["type"] == "turn/completed"]) == 3)


# --- working_directory ----------------------------------------------------------------------


@pytest.mark.usefixtures("untouched")
def test_an_absent_working_directory_is_422(server: Server) -> None:
    answer = server.client.post("/conversations", json={})
    refused(answer, 422, "invalid_request", "working_directory")


@pytest.mark.parametrize(
    "directory", ["", "relative/path", ".", "~", "/no/such/folder", "/a\0b", "/" + "a" * 5000]
)
@pytest.mark.usefixtures("untouched")
def test_an_unusable_working_directory_is_422(server: Server, directory: str) -> None:
    answer = server.client.post("/conversations", json={"working_directory": directory})
    refused(answer, 422, "invalid_working_directory", "working_directory")


@pytest.mark.usefixtures("untouched")
def test_a_file_as_working_directory_is_422(server: Server) -> None:
    file = server.site.project / "file.txt"
    file.write_text("not a folder")
    for path in (file, file / "below"):
        answer = server.client.post("/conversations", json={"working_directory": str(path)})
        refused(answer, 422, "invalid_working_directory", "working_directory")


# --- the body -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", None])
@pytest.mark.usefixtures("untouched")
def test_a_body_that_is_not_called_json_is_415(server: Server, kind: str | None) -> None:
    body = f'{{"working_directory": "{server.site.project}"}}'
    headers = {} if kind is None else {"Content-Type": kind}
    refused(server.client.post("/conversations", content=body, headers=headers), 415, "not_json")


@pytest.mark.parametrize(
    "body", [b"{", b"nonsense", b'{"working_directory": "/', b"\xff\xfe", b"[" * 100_000]
)
@pytest.mark.usefixtures("untouched")
def test_broken_json_is_400(server: Server, body: bytes) -> None:
    answer = server.client.post("/conversations", content=body, headers=JSON)
    refused(answer, 400, "bad_request")


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "7", ""])
@pytest.mark.usefixtures("untouched")
def test_json_that_is_no_object_is_422(server: Server, body: str) -> None:
    answer = server.client.post("/conversations", content=body, headers=JSON)
    refused(answer, 422, "invalid_request", "body")


@pytest.mark.parametrize("value", ["NaN", '"\\ud800"'])
@pytest.mark.usefixtures("untouched")
def test_what_json_can_not_carry_is_refused(
    server: Server, conversation_id: str, value: str
) -> None:
    there = f"/conversations/{conversation_id}/messages"
    schema = f'{{"message": "x", "output_schema": {{"a": {value}}}}}'
    text = f'{{"message": {value}}}'
    part = f'{{"input": [{{"type": "text", "text": {value}}}]}}'
    for body in (schema, text, part):
        answer = server.client.post(there, content=body, headers=JSON)
        code = {400: "bad_request", 422: "invalid_request"}.get(answer.status_code, "none")
        refused(answer, answer.status_code, code)


@pytest.mark.parametrize("depth", [126, 256, *range(900, 960, 5)])
@pytest.mark.usefixtures("untouched")
def test_what_is_too_deep_for_the_core_is_refused(
    server: Server, conversation_id: str, depth: int
) -> None:
    there = f"/conversations/{conversation_id}/messages"
    for value in ('{"a":' * depth + "1" + "}" * depth, "[" * depth + "]" * depth):
        body = f'{{"message": "x", "output_schema": {{"a": {value}}}}}'
        answer = server.client.post(there, content=body, headers=JSON)
        code = {400: "bad_request", 422: "invalid_request"}.get(answer.status_code, "none")
        refused(answer, answer.status_code, code)


def test_what_is_as_deep_as_may_be_is_taken(server: Server) -> None:
    server.site.provider.expect(Text("taken"))
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(96):
        schema = {"a": schema}
    assert server.run(server.conversation(), output_schema=schema)["reply"] == "taken"


@pytest.mark.usefixtures("untouched")
def test_a_body_over_the_limit_is_413(server: Server) -> None:
    answer = server.client.post("/conversations", content=b" " * (4 << 20) + b"{", headers=JSON)
    refused(answer, 413, "body_too_large")


@pytest.mark.usefixtures("untouched")
def test_a_chunked_body_over_the_limit_is_413(server: Server) -> None:
    chunks = (b" " * 65536 for _ in range(65))
    answer = server.client.post("/conversations", content=chunks, headers=JSON)
    refused(answer, 413, "body_too_large")


@pytest.mark.usefixtures("untouched")
def test_a_body_that_only_claims_to_be_too_large_is_413_at_once(server: Server) -> None:
    place = urlsplit(server.url)
    assert place.hostname
    with socket.create_connection((place.hostname, place.port or 0), timeout=10) as line:
        line.sendall(
            b"POST /conversations HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert line.recv(12) == b"HTTP/1.1 413"


# --- messages -------------------------------------------------------------------------------


def test_a_message_over_the_limit_is_413_and_nothing_is_sent(
    server: Server, conversation_id: str
) -> None:
    before = server.get(f"/conversations/{conversation_id}")
    there = f"/conversations/{conversation_id}/messages"
    parts = [{"type": "text", "text": "x" * MESSAGE_MAX}, {"type": "text", "text": "y"}]
    for body in ({"message": "x" * (MESSAGE_MAX + 1)}, {"input": parts}):
        refused(server.client.post(there, json=body), 413, "message_too_large")
    assert server.get(f"/conversations/{conversation_id}") == before


def test_a_message_of_exactly_the_limit_reaches_the_model_whole(server: Server) -> None:
    text = "é" * MESSAGE_MAX
    before = len(server.site.provider.requests)
    server.site.provider.expect(Text("long"))
    answer = server.run(server.conversation(), text)
    assert answer["reply"] == "long"
    assert text in server.site.provider.wait_request(before + 1).user_text


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("message", {"message": 5}),
        ("message", {"message": ["x"]}),
        ("body", {}),
        ("body", {"message": ""}),
        ("body", {"message": None, "input": []}),
        ("input", {"input": "text"}),
        ("input.0", {"input": [{"type": "smell"}]}),
        ("input.0.text.text", {"input": [{"type": "text"}]}),
        ("input.0.local_image.path", {"input": [{"type": "local_image", "path": ""}]}),
        ("while_busy", {"message": "x", "while_busy": "wait"}),
        ("output_schema", {"message": "x", "output_schema": []}),
        ("approval_policy", {"message": "x", "approval_policy": "sometimes"}),
        ("sandbox", {"message": "x", "sandbox": "none"}),
        ("model", {"message": "x", "model": ""}),
        ("reasoning_effort", {"message": "x", "reasoning_effort": 3}),
        ("mesage", {"message": "x", "mesage": "x"}),
        ("working_directory", {"message": "x", "working_directory": "/tmp"}),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_wrong_field_of_a_message_is_422_and_named(
    server: Server, conversation_id: str, field: str, body: dict[str, Any]
) -> None:
    answer = server.client.post(f"/conversations/{conversation_id}/messages", json=body)
    refused(answer, 422, "invalid_request", field)


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("title", {"title": 5}),
        ("title", {"title": ""}),
        ("title", {"title": "x" * 201}),
        ("model", {"model": {}}),
        ("sandbox", {"sandbox": "readonly"}),
        ("approval_policy", {"approval_policy": True}),
        ("approval_deadline", {"approval_deadline": False}),
        ("approval_deadline", {"approval_deadline": "5"}),
        ("cwd", {"cwd": "/tmp"}),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_wrong_field_of_a_conversation_is_422_and_named(
    server: Server, conversation_id: str, field: str, more: dict[str, Any]
) -> None:
    made = {"working_directory": str(server.site.project)} | more
    refused(server.client.post("/conversations", json=made), 422, "invalid_request", field)
    answer = server.client.patch(f"/conversations/{conversation_id}", json=more)
    refused(answer, 422, "invalid_request", field)


@pytest.mark.parametrize(
    "body",
    [{"clear_queue": "perhaps"}, {"clear_queue": 0}, {"clear_queue": "true"}, {"clear": True}],
)
def test_a_wrong_field_of_an_interrupt_is_422(
    server: Server, conversation_id: str, body: dict[str, Any]
) -> None:
    answer = server.client.post(f"/conversations/{conversation_id}/interrupt", json=body)
    refused(answer, 422, "invalid_request", next(iter(body)))


def test_an_unknown_model_is_passed_on_and_a_refusal_of_the_model_ends_the_turn(
    server: Server,
) -> None:
    """The core takes any model; whoever serves it refuses it. That is what the turn says."""
    here = server.conversation(model="no-such-model")
    answer = server.run(here, "hello")  # nothing is scripted: the provider answers 400
    assert server.site.provider.requests[-1].body["model"] == "no-such-model"
    assert answer["turn"]["status"] == "failed"
    assert answer["reply"] is None
    assert server.get(f"/conversations/{here}")["status"] == "idle"


# --- query and headers ----------------------------------------------------------------------


def opened(server: Server, path: str, headers: dict[str, str], **query: str) -> httpx.Response:
    """The answer; read to its end only if it is no stream, which has none."""
    with server.client.stream("GET", path, params=query, headers=headers) as answer:
        if answer.status_code != 200:
            answer.read()
        else:
            pytest.fail(f"accepted: {path} {query} {headers}")
    return answer


BAD_SEQS = ("x", "-1", "1.5", "1e3", "0x10", "²", "", " ", "9" * 19, "latest ", "null")


@pytest.mark.parametrize("after", BAD_SEQS)
def test_a_bad_after_is_400(server: Server, conversation_id: str, after: str) -> None:
    there = f"/conversations/{conversation_id}/events"
    for accept in ("application/json", "text/event-stream"):
        for path in (there, "/events"):
            answer = opened(server, path, {"Accept": accept}, after=after)
            refused(answer, 400, "bad_cursor")


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "abc-", "9" * 19])
def test_a_bad_last_event_id_is_400_and_wins_over_a_good_after(
    server: Server, conversation_id: str, given: str
) -> None:
    headers = {"Last-Event-ID": given, "Accept": "text/event-stream"}
    for path in (f"/conversations/{conversation_id}/events", "/events"):
        answer = opened(server, path, headers, after="latest")
        refused(answer, 400, "bad_cursor")


@pytest.mark.parametrize("cursor", ["x", "5", "", UNKNOWN + "0"])
def test_a_bad_cursor_of_the_list_is_400(server: Server, cursor: str) -> None:
    answer = server.client.get("/conversations", params={"cursor": cursor})
    refused(answer, 400, "bad_cursor")


@pytest.mark.parametrize(
    ("path", "name", "values"),
    [
        ("/conversations", "limit", ("0", "-1", "201", "x", "1.5", "")),
        ("/conversations", "status", ("busy", "")),
        ("/conversations", "archived", ("perhaps",)),
        ("/conversations", "q", ("x" * 201,)),
        ("/events", "limit", ("0", "2001", "x")),
        ("/events", "wait", ("-1", "61", "x", "nan", "inf")),
        ("/events", "heartbeat", ("0", "-1", "301", "nan")),
        ("/events", "account", ("perhaps",)),
        ("/models", "hidden", ("perhaps",)),
        ("/skills", "reload", ("perhaps",)),
        ("/config", "layers", ("perhaps",)),
        ("/conversations/{id}", "include", ("everything",)),
        ("/conversations/{id}/items", "limit", ("0", "201", "x")),
        ("/conversations/{id}/items", "before", ("0", "-1", "x", "9" * 20)),
        ("/conversations/{id}/events", "limit", ("0", "2001", "x")),
        ("/conversations/{id}/events", "wait", ("-1", "61", "x", "nan", "inf")),
    ],
)
def test_a_bad_query_value_is_422_and_named(
    server: Server, conversation_id: str, path: str, name: str, values: tuple[str, ...]
) -> None:
    for value in values:
        answer = server.client.get(path.replace("{id}", conversation_id), params={name: value})
        refused(answer, 422, "invalid_request", name)


@pytest.mark.parametrize("wait", ["-1", "601", "x", "nan"])
@pytest.mark.usefixtures("untouched")
def test_a_bad_wait_is_422_and_the_message_is_not_sent(
    server: Server, conversation_id: str, wait: str
) -> None:
    there = f"/conversations/{conversation_id}/messages?wait={wait}"
    answer = server.client.post(there, json={"message": "x"})
    refused(answer, 422, "invalid_request", "wait")


@pytest.mark.parametrize("key", ["", "x" * 256])
@pytest.mark.usefixtures("untouched")
def test_an_empty_or_overlong_idempotency_key_is_400(
    server: Server, conversation_id: str, key: str
) -> None:
    made = {"working_directory": str(server.site.project)}
    sent = f"/conversations/{conversation_id}/messages"
    for path, body in (("/conversations", made), (sent, {"message": "x"})):
        answer = server.client.post(path, json=body, headers={"Idempotency-Key": key})
        refused(answer, 400, "bad_request")


# --- who calls ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3032", "127.0.0.1.evil.example", "", "[::2]:80"]
)
@pytest.mark.usefixtures("untouched")
def test_another_host_name_is_421(server: Server, host: str) -> None:
    body = {"working_directory": str(server.site.project)}
    for method, path in (("GET", "/health"), ("POST", "/conversations"), ("GET", "/nowhere")):
        answer = server.client.request(method, path, json=body, headers={"Host": host})
        refused(answer, 421, "host_not_allowed")


def test_this_machine_may_be_called_by_all_its_names(server: Server) -> None:
    port = urlsplit(server.url).port
    for host in ("localhost", f"LocalHost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert server.client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://127.0.0.1:3032", "null", "http://localhost:1", "file://", ""],
)
@pytest.mark.usefixtures("untouched")
def test_a_foreign_origin_is_403_with_every_method(server: Server, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    body = {"working_directory": str(server.site.project)}
    for method, path in (
        ("GET", "/conversations"),
        ("POST", "/conversations"),
        ("OPTIONS", "/conversations"),
        ("DELETE", "/conversations"),
    ):
        answer = server.client.request(method, path, json=body, headers=headers)
        refused(answer, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


def test_the_servers_own_origin_may_call(server: Server) -> None:
    assert server.client.get("/health", headers={"Origin": server.url}).status_code == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"]
)
@pytest.mark.usefixtures("untouched")
def test_a_request_through_a_proxy_is_403(server: Server, header: str) -> None:
    body = {"working_directory": str(server.site.project)}
    for method, path in (("GET", "/health"), ("POST", "/conversations")):
        answer = server.client.request(method, path, json=body, headers={header: "10.0.0.1"})
        refused(answer, 403, "forwarded_not_allowed")


LOOSE = [{"sandbox": "danger-full-access"}, {"approval_policy": "never"}]


@pytest.mark.parametrize("loose", LOOSE)
def test_loosening_the_sandbox_is_403_at_creation_on_change_and_on_a_message(
    server: Server, loose: dict[str, str]
) -> None:
    here = server.conversation()
    before = server.get(f"/conversations/{here}"), server.get("/conversations")
    made = {"working_directory": str(server.site.project)} | loose
    for answer in (
        server.client.post("/conversations", json=made),
        server.client.patch(f"/conversations/{here}", json=loose | {"title": "changed"}),
        server.client.post(f"/conversations/{here}/messages", json=loose | {"message": "x"}),
    ):
        found = refused(answer, 403, "elevate_required")
        assert found["hint"]
    assert (server.get(f"/conversations/{here}"), server.get("/conversations")) == before


def test_a_core_that_can_not_read_its_configuration_refuses_in_its_own_words(
    server: Server, tmp_path: Path
) -> None:
    before = server.get("/conversations")
    config = server.site.home / "config.toml"
    good = config.read_text()
    config.write_text("this is = = not TOML\n")
    try:
        answer = server.client.post("/conversations", json={"working_directory": str(tmp_path)})
    finally:
        config.write_text(good)
    assert "config" in refused(answer, 422, "core_refused")["detail"]
    assert server.get("/conversations") == before


def test_after_all_this_the_server_works(server: Server) -> None:
    server.site.provider.expect(Text("fine"))
    assert server.run(server.conversation())["reply"] == "fine"
    assert httpx.get(server.url + "/ready").status_code == 200


def test_a_caller_is_told_what_to_do(server: Server, untouched: None) -> None:
    """The hints that a stranger meets first."""
    post = server.client.post

    def hint(answer: httpx.Response) -> str:
        return answer.json()["hint"]

    typed = post("/conversations", json={"working_directory": "/", "titel": "x"})
    refused(typed, 422, "invalid_request", field="titel")
    assert hint(typed) == "Did you mean title for titel?"
    optional = post("/interrupt", json={"holt": True})
    assert hint(optional) == "Did you mean hold for holt?"
    quoted = post("/conversations", content=b"{'a': 1}", headers=JSON)
    assert "line 1, column 2" in refused(quoted, 400, "bad_request")["detail"]
    assert "single quotes" in hint(quoted)
    assert "GET /conversations" in hint(server.client.get(f"/conversations/{UNKNOWN}"))
    assert "/openapi.json" in hint(server.client.get("/convesations"))
    assert hint(server.client.put("/conversations")) == "There is GET, POST."
    shell = post(f"/conversations/{UNKNOWN}/shell", json={"command": "ls"})
    assert "token create --scope read,drive,approve,elevate`" in hint(shell)
