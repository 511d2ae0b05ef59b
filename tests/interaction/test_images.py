"""Images, skills and mentions of messages: what is let through, and what the model gets."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.requests import is_user_message
from tests.support.codes import refused
from tests.support.images import GIF, JPEG, PNG, WEBP, data_url, png
from tests.support.judge import check_whole
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.lent


@pytest.fixture(autouse=True)
def talkative(site: Site) -> None:
    site.provider.script = lambda _: [Text("seen")]


def shown(site: Site) -> list[Any]:
    """What the model was last sent by the user, part by part."""
    request = site.provider.requests[-1]
    last = [item for item in request.input if is_user_message(item)][-1]
    content: Any = last["content"]
    return [part.get("text") or part["image_url"] for part in content]


def post(server: Server, conversation: str, *parts: dict[str, Any], **body: Any) -> Any:
    path = f"/conversations/{conversation}/messages?wait=20"
    return server.client.post(path, json={"input": list(parts)} | body)


def image(content: bytes = PNG, kind: str = "image/png") -> dict[str, Any]:
    return {"type": "image", "url": data_url(content, kind)}


def local(path: object) -> dict[str, Any]:
    return {"type": "local_image", "path": str(path)}


def uploaded(server: Server, content: bytes = PNG, kind: str = "image/png") -> dict[str, Any]:
    answer = server.client.post("/uploads", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    return {"type": "image", "upload_id": answer.json()["upload_id"]}


# --- what the model gets --------------------------------------------------------------------


def test_parts_reach_the_model_in_their_order(server: Server, site: Site) -> None:
    (site.project / "shot.png").write_bytes(png(2))
    parts = (
        image(png(1)),
        {"type": "text", "text": "between"},
        local(site.project / "shot.png"),
        uploaded(server, png(3)),
        {"type": "text", "text": "last"},
    )
    conversation = server.conversation()
    assert post(server, conversation, *parts, message="first").status_code == 200
    seen = [each for each in shown(site) if not each.startswith(("<image", "</image"))]
    urls = [data_url(png(n)) for n in (1, 2, 3)]
    assert seen == ["first", urls[0], "between", urls[1], urls[2], "last"]
    log = server.events(conversation)
    check_whole(log)
    item = next(e["data"]["item"] for e in log if e.get("item_type") == "userMessage")
    kinds = [part["type"] for part in item["content"]]
    assert kinds == ["text", "image", "text", "localImage", "localImage", "text"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [(JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp"), (PNG, "image/png")],
)
def test_every_kind_of_image_is_taken(server: Server, content: bytes, kind: str) -> None:
    for part in (image(content, kind), uploaded(server, content, kind)):
        assert post(server, server.conversation(), part).status_code == 200


def test_a_relative_path_counts_from_the_working_directory(server: Server, site: Site) -> None:
    (site.project / "deep").mkdir()
    (site.project / "deep" / "shot.png").write_bytes(PNG)
    assert post(server, server.conversation(), local("deep/../deep/shot.png")).status_code == 200
    assert data_url(PNG) in shown(site)


def test_a_link_inside_the_project_is_followed(server: Server, site: Site) -> None:
    (site.project / "shot.png").write_bytes(PNG)
    (site.project / "link.png").symlink_to("shot.png")
    assert post(server, server.conversation(), local("link.png")).status_code == 200
    assert data_url(PNG) in shown(site)


def test_an_image_below_a_root_is_taken(site: Site) -> None:
    (site.root / "user" / "shot.png").write_bytes(PNG)
    with start(site, "--root", str(site.root / "user"), "--root", str(site.project)) as server:
        server.wait_ready()
        part = local(site.root / "user" / "shot.png")
        assert post(server, server.conversation(), part).status_code == 200
    assert data_url(PNG) in shown(site)


def test_a_skill_of_the_project_is_read_to_the_model(server: Server, site: Site) -> None:
    skill = site.project / ".agents" / "skills" / "knot" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: knot\ndescription: Ties knots.\n---\nOver, under, through.\n")
    parts = (
        {"type": "text", "text": "tie it"},
        {"type": "skill", "name": "knot", "path": str(skill)},
    )
    assert post(server, server.conversation(), *parts).status_code == 200
    assert "Over, under, through." in str(site.provider.requests[-1].input)


def test_a_mention_stands_in_the_item(server: Server, site: Site) -> None:
    (site.project / "notes.md").write_text("notes")
    path = str(site.project / "notes.md")
    mention = {"type": "mention", "name": "notes.md", "path": path}
    conversation = server.conversation()
    assert post(server, conversation, mention, message="read notes.md").status_code == 200
    log = server.events(conversation)
    item = next(e["data"]["item"] for e in log if e.get("item_type") == "userMessage")
    assert item["content"][1] == mention
    assert shown(site) == ["read notes.md"]


def test_an_image_alone_has_a_preview(server: Server) -> None:
    conversation = server.conversation()
    assert post(server, conversation, image()).status_code == 200
    assert server.get(f"/conversations/{conversation}")["preview"] == "[image]"


# --- on its way -----------------------------------------------------------------------------


def test_images_wait_in_the_queue_survive_a_restart_and_are_sent_once(site: Site) -> None:
    gate = Gate()
    (site.project / "shot.png").write_bytes(png(2))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text(["a ", gate]))
        with server.read(conversation) as reader:
            server.send(conversation, "first")
            reader.wait(lambda e: e.get("text") == "a ")
            parts = [image(png(1)), local("shot.png"), uploaded(server, png(3))]
            server.send(conversation, "look", input=parts)
            queue = server.get(f"/conversations/{conversation}/queue")["data"]
            kinds = [part["type"] for part in queue[0]["input"]]
            assert kinds == ["text", "image", "localImage", "localImage"]
        server.kill()
    gate.open()
    with start(site) as server, server.read(conversation) as reader:
        reader.wait(lambda _: sum(e["type"] == "turn/completed" for e in list(reader.events)) == 2)
    seen = [each for each in shown(site) if not each.startswith(("<image", "</image"))]
    assert seen == ["look", *(data_url(png(n)) for n in (1, 2, 3))]
    sent = [r for r in site.provider.requests if r.user_text.startswith("look")]
    assert len(sent) == 1


def test_an_image_can_be_steered_into_a_turn(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["a ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation, "first")
        reader.wait(lambda e: e.get("text") == "a ")
        path = f"/conversations/{conversation}/messages"
        parts = [uploaded(server, png(3)), image(png(1))]
        answer = server.post(path, {"input": parts, "while_busy": "steer"}, 202)
        assert answer["status"] == "steered"
        gate.open()
        reader.wait_type("turn/completed", status="completed")
    seen = [each for each in shown(site) if not each.startswith(("<image", "</image"))]
    assert seen == [data_url(png(3)), data_url(png(1))]


def test_a_waiting_message_is_edited_to_another_image(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["a ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation, "first")
        reader.wait(lambda e: e.get("text") == "a ")
        one = server.send(conversation, "next", input=[image(png(1))])
        path = f"/conversations/{conversation}/queue/{one['submit_id']}"
        wrong = server.client.patch(path, json={"input": [local("/etc/passwd")]})
        refused(wrong, 403, "outside_roots", "input.0.path")
        big = server.client.patch(path, json={"message": "so", "input": [image(png(2, 400))]})
        assert big.status_code == 200
        url = server.get(f"/conversations/{conversation}/queue")["data"][0]["input"][1]["url"]
        assert len(url) < 300 < len(data_url(png(2, 400)))  # the queue is told with each change
        gate.open()
        reader.wait(lambda _: sum(e["type"] == "turn/completed" for e in list(reader.events)) == 2)
    assert shown(site) == ["so", data_url(png(2, 400))]


def test_a_known_key_is_answered_when_its_image_is_gone(server: Server, site: Site) -> None:
    (site.project / "shot.png").write_bytes(PNG)
    conversation = server.conversation()
    path, key = f"/conversations/{conversation}/messages?wait=20", {"Idempotency-Key": "k-image"}
    body = {"input": [local("shot.png")]}
    first = server.post(path, body, 200, headers=key)
    (site.project / "shot.png").unlink()
    assert server.post(path, body, 200, headers=key)["submit_id"] == first["submit_id"]


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/x.png",
        "http://127.0.0.1/x.png",
        "file:///etc/passwd",
        "nonsense:",
        "data:text/html;base64,PGI+",
        "data:image/png;base64,AAAA",
        "data:image/png;base64,!!!!",
        "data:image/png;base64,",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/jpeg;base64," + base64.b64encode(PNG).decode(),
        data_url(PNG)[:-1],
    ],
)
def test_an_image_that_is_none_is_422(server: Server, site: Site, url: str) -> None:
    conversation = server.conversation()
    text = {"type": "text", "text": "and"}
    answer = post(server, conversation, text, {"type": "image", "url": url})
    refused(answer, 422, "invalid_image", "input.1.url")
    assert server.get(f"/conversations/{conversation}")["preview"] == ""
    assert not site.provider.requests


def test_paths_that_lead_out_are_403_and_nothing_is_said_of_them(
    server: Server, site: Site
) -> None:
    outside = site.root / "outside.png"
    outside.write_bytes(PNG)
    (site.project / "link.png").symlink_to(outside)
    (site.project / "folder").symlink_to(site.root)
    (site.project / "chain.png").symlink_to("link.png")
    conversation = server.conversation()
    out = [outside, site.root / "absent.png", "../outside.png", "link.png", "chain.png",
           "folder/outside.png", f"{site.project}/../outside.png", f"{site.project}x/y.png",
           "/proc/self/root" + str(outside), f"/proc/self/cwd/{outside}", "/dev/zero",
           "/etc/passwd", site.home / "auth.json"]  # fmt: skip
    details: set[str] = set()
    for path in out:
        answer = post(server, conversation, local(path), message="see")
        details.add(refused(answer, 403, "outside_roots", "input.0.path")["detail"])
    assert len(details) == 1
    assert not site.provider.requests


def test_what_is_no_image_file_is_422(server: Server, site: Site) -> None:
    (site.project / "text.png").write_text("a text")
    (site.project / "empty.png").write_bytes(b"")
    (site.project / "folder.png").mkdir()
    os.mkfifo(site.project / "pipe.png")
    (site.project / "pipe-link.png").symlink_to("pipe.png")
    (site.project / "loop.png").symlink_to("loop.png")
    (site.project / "locked.png").write_bytes(PNG)
    conversation = server.conversation()
    names = ["text.png", "empty.png", "folder.png", "pipe.png", "pipe-link.png", "loop.png",
             "absent.png", "a\0b.png", "n" * 300 + ".png", "%2e%2e/outside.png", "."]  # fmt: skip
    for name in names:
        answer = post(server, conversation, local(name))
        refused(answer, 422, "invalid_image", "input.0.path")
    assert not site.provider.requests


def test_a_large_image_is_413(server: Server, site: Site) -> None:
    with (site.project / "large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(20 * 1024 * 1024 + 1)
    answer = post(server, server.conversation(), local("large.png"))
    refused(answer, 413, "image_too_large", "input.0.path")


def test_images_are_too_large_together(server: Server, site: Site) -> None:
    with (site.project / "large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(18 * 1024 * 1024)
    answer = post(server, server.conversation(), *[local("large.png")] * 3)
    refused(answer, 413, "image_too_large", "input.2.path")


def test_more_images_than_may_be_are_422(server: Server) -> None:
    answer = post(server, server.conversation(), *[image()] * 51)
    refused(answer, 422, "invalid_request", "input")


def test_an_image_has_a_url_or_an_upload(server: Server) -> None:
    for part in ({"type": "image"}, {"type": "image", "url": data_url(PNG), "upload_id": "x"}):
        answer = post(server, server.conversation(), part)
        refused(answer, 422, "invalid_request", "input.0.image")


# --- overrides end with their turn ----------------------------------------------------------


def test_overrides_and_the_schema_end_with_their_turn(server: Server, site: Site) -> None:
    conversation = server.conversation()
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    over = {"model": "gpt-5.4", "reasoning_effort": "low", "sandbox": "read-only",
            "approval_policy": "untrusted", "output_schema": schema}  # fmt: skip
    server.run(conversation, "before")
    server.run(conversation, "with", **over)
    server.run(conversation, "after")
    before, under, after = [request.body for request in site.provider.requests]
    assert under["model"] == "gpt-5.4"
    assert "'effort': 'low'" in str(under["reasoning"])
    assert str(schema["properties"]) in str(under["text"])
    for name in ("model", "reasoning", "text"):
        assert after.get(name) == before.get(name), name
    policies = [e["policy"] for e in server.events(conversation) if e["type"] == "turn/started"]
    assert policies[0] == policies[2] != policies[1]
    told = [_permissions(request.input) for request in site.provider.requests]
    assert "read-only" in told[1]
    assert "workspace-write" in told[2]


def _permissions(items: Any) -> str:
    """What the model was last told about its permissions."""
    texts = [str(item.get("content")) for item in items if item.get("role") == "developer"]
    return [text for text in texts if "sandbox_mode" in text][-1]


@pytest.mark.own
def test_files_do_not_leave_the_data_folder_readable(server: Server, site: Site) -> None:
    uploaded(server)
    (folder,) = (site.root / "state").glob("*/*/uploads")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [Path(each).stat().st_mode & 0o777 for each in folder.iterdir()] == [0o600]
