"""Uploads: kept, looked at, used, deleted; refused by type, size and number; gone in time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.api import schemas
from codex_http_server.testing.answers import Gate, Text
from tests.support.codes import refused
from tests.support.images import JPEG, PNG, png
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

GONE = "0" * 32
HOUR = 3600


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with room for little."""
    limits = ("--max-upload", "4KiB", "--max-uploads", "10KiB")
    with server_at(tmp_path_factory.mktemp("small"), *limits) as running:
        yield running


def send(server: Server, content: bytes = PNG, kind: str | None = "image/png") -> Any:
    headers = {} if kind is None else {"Content-Type": kind}
    return server.client.post("/uploads", content=content, headers=headers)


def folder(site: Site) -> Path:
    (found,) = (site.root / "state").glob("*/*/uploads")
    return found


def test_an_upload_is_answered_looked_at_and_deleted(small: Server) -> None:
    answer = send(small)
    assert answer.status_code == 201
    view = answer.json()
    schemas.UploadView.model_validate(view)
    assert (view["media_type"], view["size"]) == ("image/png", len(PNG))
    there = answer.headers["location"]
    assert small.get(there) == view
    assert small.client.delete(there).status_code == 204
    refused(small.client.get(there), 404, "upload_not_found")
    refused(small.client.delete(there), 404, "upload_not_found")


def test_an_upload_with_a_key_is_one(small: Server) -> None:
    headers = {"Content-Type": "image/png", "Idempotency-Key": "up-1"}
    one = small.client.post("/uploads", content=PNG, headers=headers)
    two = small.client.post("/uploads", content=PNG, headers=headers)
    assert one.json() == two.json()
    other = small.client.post("/uploads", content=png(7), headers=headers)
    refused(other, 409, "idempotency_key_reused")
    small.client.delete(one.headers["location"])


@pytest.mark.parametrize(
    "kind",
    [None, "", "text/plain", "application/json", "application/x-www-form-urlencoded",
     "multipart/form-data; boundary=x", "image/svg+xml", "image/*", "image/png; x=y",
     "image/png, text/plain", "application/octet-stream"],
)  # fmt: skip
def test_another_type_is_415(small: Server, kind: str | None) -> None:
    refused(send(small, kind=kind), 415, "unsupported_image")


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "image/png"), (b"<svg/>", "image/png"), (PNG, "image/jpeg"), (JPEG, "image/webp"),
     (b'{"a":1}', "image/gif"), (PNG[:7], "image/png")],
)  # fmt: skip
def test_content_of_another_type_is_415(small: Server, content: bytes, kind: str) -> None:
    refused(send(small, content, kind), 415, "unsupported_image")


def test_a_large_upload_is_413(small: Server) -> None:
    refused(send(small, PNG + bytes(4096)), 413, "image_too_large")
    pieces = (PNG, bytes(3000), bytes(3000))  # without a length
    kind = {"Content-Type": "image/png"}
    answer = small.client.post("/uploads", content=iter(pieces), headers=kind)
    refused(answer, 413, "image_too_large")


def test_too_many_uploads_are_507_until_one_is_deleted(small: Server) -> None:
    kept = [send(small, PNG + bytes(3900)) for _ in range(2)]
    assert [answer.status_code for answer in kept] == [201, 201]
    refused(send(small, PNG + bytes(3900)), 507, "uploads_full")
    small.client.delete(kept[0].headers["location"])
    again = send(small, PNG + bytes(3900))
    assert again.status_code == 201
    for answer in (kept[1], again):
        small.client.delete(answer.headers["location"])


@pytest.mark.parametrize("name", [GONE, "nonsense", "..%5c..%5clog.db", "%00", "log.db", "A" * 32])
def test_an_unknown_upload_is_404(small: Server, name: str) -> None:
    refused(small.client.get(f"/uploads/{name}"), 404, "upload_not_found")
    refused(small.client.delete(f"/uploads/{name}"), 404, "upload_not_found")


@pytest.mark.parametrize("name", [GONE, "../log", "/etc/passwd", "a" * 5000])
def test_a_message_with_an_unknown_upload_is_404(small: Server, name: str) -> None:
    path = f"/conversations/{small.conversation()}/messages"
    parts = [{"type": "text", "text": "see"}, {"type": "image", "upload_id": name}]
    answer = small.client.post(path, json={"input": parts})
    refused(answer, 404, "upload_not_found", "input.1.upload_id")


def test_an_expired_upload_is_gone(site: Site) -> None:
    with start(site) as server:
        old, new = send(server), send(server)
        path = folder(site) / f"{old.json()['upload_id']}.png"
        os.utime(path, (0, path.stat().st_mtime - 25 * HOUR))
        refused(server.client.get(old.headers["location"]), 404, "upload_not_found")
        assert server.get(new.headers["location"])["size"] == len(PNG)


def test_an_upload_is_kept_for_a_message_that_waits(site: Site) -> None:
    gate = Gate()
    site.provider.script = lambda _: [Text("seen")]
    with start(site) as server:
        server.wait_ready()
        conversation, kept = server.conversation(), send(server)
        site.provider.expect(Text(["a ", gate]))
        with server.read(conversation) as reader:
            server.send(conversation, "first")
            reader.wait(lambda e: e.get("text") == "a ")
            part = {"type": "image", "upload_id": kept.json()["upload_id"]}
            waiting = server.send(conversation, "look", input=[part])
            refused(server.client.delete(kept.headers["location"]), 409, "upload_in_use")
            path = f"/conversations/{conversation}/queue/{waiting['submit_id']}"
            assert server.client.delete(path).status_code == 204
            assert server.client.delete(kept.headers["location"]).status_code == 204
            gate.open()
            reader.wait_type("turn/completed")
