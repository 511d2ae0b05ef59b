"""States in which a message is not taken: the queue is full, the disk is full, a stop, a turn
that takes no input. Each says so, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from codex_http_server.engine.rpc import Peer
from codex_http_server.engine.transport import connect_socket
from codex_http_server.testing.answers import Gate, Text
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.judge import check_reader, check_whole
from tests.support.server import PATIENCE, Server, Site, start


def test_a_server_that_stops_takes_no_message(site: Site) -> None:
    site.provider.expect(Text(["one ", Gate()]))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            core = server.core()
            core.suspend()  # so that the stop takes its time
            server.process.send_signal(signal.SIGTERM)
            path = f"/conversations/{conversation}/messages"
            answers: list[httpx.Response] = []

            def is_stopping() -> bool:
                answers.append(server.client.post(path, json={"message": f"late {len(answers)}."}))
                return answers[-1].status_code == 503

            until(is_stopping, "the server refuses messages", 2)
            refused(answers[-1], 503, "stopping")
            late = f"late {len(answers) - 1}."  # those before it came before the signal
            assert server.process.wait(8) == 0
            reader.wait_end()
    with start(site) as server:
        log = server.events(conversation)
        check_whole(log)
        queue = server.get(f"/conversations/{conversation}/queue")
        assert late not in json.dumps([log, queue])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_507_and_all_goes_on_when_there_is_room(
    site: Site, small_disk: Path
) -> None:
    with start(site, "--data-dir", str(small_disk)) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.script = lambda _: [Text("fine")]
        assert server.run(conversation)["reply"] == "fine"
        path = f"/conversations/{conversation}/messages"
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            _fill(file.fileno())
        answers: list[httpx.Response] = []

        def is_full() -> bool:  # the log may still have room in pages that it holds already
            answers.append(server.client.post(path, json={"message": "x" * 20_000}))
            return answers[-1].status_code == 507

        until(is_full, "the log is full")
        refused(answers[-1], 507, "storage_full")
        ready = server.client.get("/ready")
        assert ready.status_code == 503
        assert "event log" in str(ready.json()["reasons"])
        ballast.unlink()
        until(lambda: server.client.get("/ready").status_code == 200, "the log is well again")
        assert server.run(conversation, "and now?")["reply"] == "fine"
        check_whole(server.events(conversation))


def _fill(descriptor: int) -> None:
    for size in (65536, 4096, 512, 1):
        try:
            while os.write(descriptor, b"\0" * size):
                pass
        except OSError:
            continue


def test_a_turn_that_takes_no_input_says_so(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("something to sum up"))
    server.run(conversation)
    gate = Gate()
    site.provider.expect(Text(["sum ", gate]))
    thread = server.get(f"/conversations/{conversation}")["thread_id"]
    asyncio.run(_compact(site, thread))  # as another client of the same core would
    with server.read(conversation) as reader:
        gate.wait_reached()
        reader.wait(lambda e: e["type"] == "turn/started" and e["seq"] > 15)
        path = f"/conversations/{conversation}/messages"
        body = {"message": "wait", "while_busy": "steer"}
        refused(server.client.post(path, json=body), 409, "turn_not_steerable")
        gate.open()
        reader.wait(lambda e: len([x for x in reader.events if x["type"] == "turn/completed"]) == 2)
    check_whole(server.events(conversation))


async def _compact(site: Site, thread_id: str) -> None:
    (record,) = (site.root / "state").rglob("core.json")
    peer = Peer(lambda *_: None, lambda *_: None)
    transport = await connect_socket(
        json.loads(record.read_text())["socket"], peer.receive, peer.lost
    )
    peer.attach(transport)
    client = {"name": "another", "title": None, "version": "1"}
    capabilities = {"experimentalApi": True}
    await peer.request(
        "initialize", {"clientInfo": client, "capabilities": capabilities}, deadline=PATIENCE
    )
    peer.notify("initialized")
    await peer.request("thread/compact/start", {"threadId": thread_id}, deadline=PATIENCE)
    transport.close()


def test_what_waits_for_a_full_disk_is_bounded_and_only_deltas_are_left_out(
    site: Site, small_disk: Path
) -> None:
    site.configure(stream_idle_timeout_ms=60_000, sandbox_mode="read-only")
    flood, rest = Gate(), Gate()
    pieces = [f"{number:03d}{'x' * 400} " for number in range(600)]
    text = ["begin ", flood, *pieces, rest, "end"]
    arguments = ("--data-dir", str(small_disk), "--log-backlog", "65536")
    with start(site, *arguments) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text(text))
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "begin ")
            ballast = small_disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                _fill(file.fileno())
            flood.open()
            rest.wait_reached()
            until(lambda: "the log is full" in "".join(server.log), "the turn is interrupted")
            ballast.unlink()
            gap = reader.wait_type("item/gap")
            assert gap["data"]["reason"] == "log_full"
            reader.wait_type("turn/completed", status="interrupted")
        log = server.events(conversation)
        check_whole(log)
        check_reader(reader.events, log)
        (end,) = [e for e in log if e["type"] == "item/discarded"]
        assert "".join(text[:1] + pieces) == end["data"]["item"]["text"]  # nothing of it is lost
        assert sum(len(e["data"]["delta"]) for e in log if e["type"].endswith("delta")) < 200_000


def test_what_is_refused_for_a_full_disk_is_not_done_to_the_queue(
    site: Site, small_disk: Path
) -> None:
    gate = Gate()
    site.configure(stream_idle_timeout_ms=60_000)
    site.provider.expect(Text(["one ", gate]))
    with start(site, "--data-dir", str(small_disk)) as server:
        server.wait_ready()
        conversation = server.conversation()
        queue = f"/conversations/{conversation}/queue"
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            ids = [server.send(conversation, text)["submit_id"] for text in ("first", "second")]
            before = server.get(queue)["data"]
            ballast = small_disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                _fill(file.fileno())
            long = {"message": "x" * 20_000}
            path = f"/conversations/{conversation}/messages"
            until(lambda: server.client.post(path, json=long).status_code == 507, "no room", 60)
            calls = [
                server.client.delete(f"{queue}/{ids[0]}"),
                server.client.patch(f"{queue}/{ids[1]}", json={"message": "other"}),
                server.client.put(queue, json={"order": ids[::-1]}),
            ]
            assert [answer.status_code for answer in calls] == [507, 507, 507]
            assert server.get(queue)["data"][:2] == before
            ballast.unlink()
            until(lambda: server.client.get("/ready").status_code == 200, "the log is well again")
            server.post(f"/conversations/{conversation}/interrupt", {"clear_queue": True}, 202)
            reader.wait_type("turn/completed", status="interrupted")
        assert server.get(queue)["data"] == []
        check_whole(server.events(conversation))
