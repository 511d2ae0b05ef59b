"""Who comes late sees in the snapshot what those see who were there from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.testing.answers import Drop, Gate, Text
from codex_http_server.testing.reader import Event
from tests.support.plans import PLANS, planned
from tests.support.server import Server, Site, start
from tests.support.shared import site_at
from tests.support.signin import LoginSite

pytestmark = pytest.mark.core

TRIES = 5  # of a stream that breaks, before the core gives up


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The core offers its model the tool for plans, and tries again more than once."""
    with site_at(tmp_path) as made:
        made.configure(**PLANS, stream_max_retries=TRIES)
        yield made


def snapshot(server: Server, conversation: str) -> dict[str, Any]:
    return server.get(f"/conversations/{conversation}?include=snapshot")


def is_retry(number: int) -> Any:
    """Whether an event says that this retry begins."""

    def test(event: Event) -> bool:
        said = event["data"].get("error", {}).get("message", "")
        return event.get("status") == "retrying" and f"{number}/{TRIES}" in said

    return test


# --- plans --------------------------------------------------------------------------------------


def test_the_newest_plan_of_a_turn_is_there_while_it_runs_and_after(
    server: Server, site: Site
) -> None:
    here, gate = server.conversation(), Gate()
    site.provider.expect(planned("First I look.", "in_progress", "pending"))
    site.provider.expect(planned(None, "completed", "in_progress"))
    site.provider.expect(gate, Text("Written."))
    with server.read(here) as reader:
        server.send(here)
        gate.wait_reached()
        (turn,) = snapshot(server, here)["turns"]
        assert turn["status"] == "inProgress"
        assert turn["plan"] == {
            "explanation": None,
            "steps": [
                {"step": "Step 1", "status": "completed"},
                {"step": "Step 2", "status": "inProgress"},
            ],
        }
        gate.open()
        reader.wait_type("turn/completed")
    (ended,) = snapshot(server, here)["turns"]
    (listed,) = server.get(f"/conversations/{here}/turns")["data"]
    assert ended["plan"] == listed["plan"] == turn["plan"]


def test_a_turn_without_a_plan_has_none(server: Server, site: Site) -> None:
    here = server.conversation()
    site.provider.expect(Text("Hello."))
    server.run(here)
    assert [each["plan"] for each in snapshot(server, here)["turns"]] == [None]


# --- retries ------------------------------------------------------------------------------------


def test_a_retry_is_there_while_it_goes_on_and_gone_when_the_turn_goes_on(
    server: Server, site: Site
) -> None:
    here, gate, end = server.conversation(), Gate(), Gate()
    site.provider.expect(Text(["half an ", Drop()]))
    site.provider.expect(Drop())
    site.provider.expect(gate, Text(["whole ", end, "answer"]))
    with server.read(here) as reader:
        sent = server.send(here)
        told = reader.wait(is_retry(2))
        gate.wait_reached()
        assert snapshot(server, here)["retrying"] == {
            "turn_id": sent["turn_id"],
            "message": f"Reconnecting... 2/{TRIES}",
            "error": told["data"]["error"],
        }
        gate.open()
        end.wait_reached()
        reader.wait_type("item/agentMessage/delta", text="whole ")
        assert snapshot(server, here)["retrying"] is None
        end.open()
        reader.wait_type("turn/completed", status="completed")


def test_a_retry_ends_with_its_turn_whose_error_stands_with_it(server: Server, site: Site) -> None:
    here = server.conversation()
    site.provider.script = lambda _: [Drop()]
    with server.read(here) as reader:
        server.send(here)
        reader.wait(is_retry(1))
        ended = reader.wait_type("turn/completed", status="failed")
    found = snapshot(server, here)
    assert found["retrying"] is None
    (turn,) = found["turns"]
    assert turn["status"] == "failed"
    assert "stream disconnected" in turn["turn"]["error"]["message"]
    assert turn["turn"]["error"] == ended["data"]["turn"]["error"]


def test_an_interrupt_ends_a_retry(server: Server, site: Site) -> None:
    here, gate = server.conversation(), Gate()
    site.provider.expect(Drop())
    site.provider.expect(gate, Text("never said"))
    with server.read(here) as reader:
        server.send(here)
        gate.wait_reached()
        assert snapshot(server, here)["retrying"]
        server.post(f"/conversations/{here}/interrupt")
        reader.wait_type("turn/completed", status="interrupted")
        assert snapshot(server, here)["retrying"] is None
    gate.open()


def test_plan_and_retry_outlive_the_server(site: Site) -> None:
    gate = Gate()
    site.provider.expect(planned("So.", "in_progress", "pending"))
    site.provider.expect(Drop())
    site.provider.expect(gate, Text("at last"))
    with ExitStack() as stack:
        first = stack.enter_context(start(site))
        first.wait_ready()
        here = first.conversation()
        with first.read(here) as reader:
            first.send(here)
            reader.wait(is_retry(1))
            gate.wait_reached()
        before = snapshot(first, here)
        first.kill()
        second = stack.enter_context(start(site))
        second.wait_ready()
        after = snapshot(second, here)
        assert after["retrying"] == before["retrying"] is not None
        assert after["turns"] == before["turns"]
        assert after["turns"][0]["plan"]["explanation"] == "So."
        with second.read(here) as reader:
            gate.open()
            reader.wait_type("turn/completed", status="completed")
        assert snapshot(second, here)["retrying"] is None


# --- what is told already -----------------------------------------------------------------------


def test_how_full_the_context_is_follows_from_the_snapshot(server: Server, site: Site) -> None:
    here = server.conversation()
    site.provider.expect(Text("Hello."))
    server.run(here)
    usage = snapshot(server, here)["usage"]
    context = server.get(f"/conversations/{here}/usage")["context"]
    assert usage["last"]["totalTokens"] == context["used"] > 0
    assert usage["modelContextWindow"] == context["window"] > context["used"]


def test_a_login_that_dies_is_in_the_snapshot_until_somebody_signs_in(
    signed_in_site: LoginSite,
) -> None:
    site = signed_in_site
    site.provider.script = lambda _: [Text("Hello.")]
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        server.run(here)
        assert well(snapshot(server, here)) == (True, None)
        site.issuer.ledger.revoke_all()
        with server.read(here, "?after=latest") as reader:
            server.send(here)
            told = reader.wait_type("auth/required")
            reader.wait(lambda e: e["type"] == "queue/changed" and e["data"]["put"])
            assert well(snapshot(server, here)) == (False, told["data"]["code"])
            login = server.post("/auth/login", {"method": "device_code"}, 201)
            site.issuer.approve_device(login["user_code"])
            reader.wait_type("turn/completed", status="completed")
        assert well(snapshot(server, here)) == (True, None)


def well(found: dict[str, Any]) -> tuple[bool, str | None]:
    """What a snapshot says of the login."""
    return found["account"]["authenticated"], found["account"]["reason"]
