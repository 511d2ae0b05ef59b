"""Records what clients get of conversations, as files that both folds are checked with.

`python -m scripts.recordings [name …]` plays the scenes below on a real server, a real core and a
scripted model, and writes tests/recordings/<name>.json: the events as a client got them while they
came (over restarts too), the log as it is at the end (folded), and what the server's snapshots
said on the way. Run it after a change of the core's version or of the events; what comes out is
read before it is committed. Ids and times differ from run to run.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from codex_http_server.client import Client, ConnectionLost, Event
from codex_http_server.testing.answers import Command, Drop, Gate, Patch, Reasoning, Text
from tests.support.commands import Barrier, until
from tests.support.plans import PLANS, planned
from tests.support.server import Server, Site, start

Json = dict[str, Any]
FOLDER: Final = Path(__file__).resolve().parent.parent / "tests" / "recordings"
PATIENCE: Final = 10.0  # seconds for anything that is waited for
PATCH: Final = "*** Begin Patch\n*** Update File: made.txt\n@@\n-one\n+two\n*** End Patch\n"


class Scene:
    """One conversation that is being recorded."""

    def __init__(self, site: Site, server: Server) -> None:
        self.site, self.server = site, server
        self.port = server.url.rpartition(":")[2]
        self.client = Client(server.url, patience=PATIENCE)
        self.talk = self.client.create(site.project)
        self.events: list[Json] = []
        self.snapshots: list[Json] = []
        self._grew = threading.Condition()
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        with suppress(ConnectionLost):  # the scene is over
            for each in self.talk.events():
                assert isinstance(each, Event)
                with self._grew:
                    self.events.append(each.raw)
                    self._grew.notify_all()

    def expect(self, *steps: Any) -> None:
        """What the model says next."""
        self.site.provider.expect(*steps)

    def wait(self, kind: str, **fields: Any) -> Json:
        """The newest event of a type with these fields, once there is one."""
        found: list[Json] = []

        def there() -> bool:
            found[:] = [
                each
                for each in self.events
                if each["type"] == kind and all(each.get(k) == v for k, v in fields.items())
            ]
            return bool(found)

        with self._grew:
            assert self._grew.wait_for(there, PATIENCE), f"no {kind} {fields}"
        return found[-1]

    def ask(self, text: str, **options: Any) -> None:
        """Send a message and wait for the end of its turn, and for what comes right after it."""
        self.talk.send(text, wait=PATIENCE, **options)
        self.look()

    def look(self) -> None:
        """Take a snapshot, once the reader has all that it tells of."""
        found = self.talk.snapshot()
        with self._grew:
            self._grew.wait_for(lambda: any(e.get("seq") == found["seq"] for e in self.events), 10)
        assert any(e.get("seq") == found["seq"] for e in self.events), "the reader missed one"
        self.snapshots.append(dict(found))

    def restart(self, end: Callable[[Server], object]) -> None:
        """End the server and start it again at the same address."""
        end(self.server)
        self.server = start(self.site, "--port", self.port)
        self.server.wait_ready()

    def written(self) -> Json:
        """All of it."""
        log = self.server.events(self.talk.id)
        core = str(self.events[0]["core"])
        return {"core": core, "events": self.events, "log": log, "snapshots": self.snapshots}


# --- the scenes ---------------------------------------------------------------------------------


def work(scene: Scene) -> None:
    """Reasoning, a command, a change, text; two turns; a title."""
    gate = Gate()
    scene.look()
    scene.expect(Reasoning("I look around"), Command("echo one > made.txt && cat made.txt"))
    scene.expect(Patch(PATCH))
    scene.expect(Reasoning("Nearly done"), Text(["It says ", gate, "two now."]))
    scene.talk.send("make it two\nplease")
    scene.wait("item/agentMessage/delta")
    scene.look()
    gate.open()
    scene.wait("turn/completed")
    scene.talk.patch(title="Two")
    scene.expect(Text("And that was it."))
    scene.ask("good")
    scene.talk.archive()
    scene.talk.unarchive()
    scene.look()


def approvals(scene: Scene) -> None:
    """Asked twice: accepted, declined; and once the turn is interrupted instead."""
    for number, decision in enumerate(("accept", "decline", None)):
        path = scene.site.root / f"outside{number}.txt"
        scene.expect(Command(f"touch {path}", escalate=True, justification="to write outside"))
        scene.talk.send("write outside")
        until(lambda: bool(list(scene.talk.approvals())), "it asks")
        scene.look()
        (asked,) = scene.talk.approvals()
        if decision is None:
            turn = scene.talk.interrupt()["turn_id"]
            scene.wait("turn/completed", turn_id=turn)
        else:
            scene.expect(Text(f"So be it: {decision}."))
            scene.talk.answer(asked["approval_id"], decision)
            scene.wait("turn/completed", turn_id=asked["turn_id"])
        scene.look()


def busy(scene: Scene) -> None:
    """A steer, messages that wait, an interrupt in mid-answer."""
    first, second = Gate(), Gate()
    scene.expect(Text(["one ", "two ", first]))
    scene.talk.send("begin")
    scene.wait("item/agentMessage/delta", text="two ")
    scene.expect(Text("after the steer"))
    scene.talk.send("this way", while_busy="steer")
    first.open()
    scene.wait("turn/completed")
    scene.expect(Text(["three ", second]))
    scene.talk.send("go on")
    scene.wait("item/agentMessage/delta", text="three ")
    waiting = scene.talk.send("and then")
    last = scene.talk.send("and at last")
    scene.talk.edit(waiting.submit_id, "and then this")
    scene.look()
    scene.talk.reorder([last.submit_id, waiting.submit_id])
    scene.look()
    scene.talk.take_back(last.submit_id)
    scene.look()
    scene.talk.interrupt(clear_queue=True)
    scene.wait("turn/completed", status="interrupted")
    scene.look()


def broken(scene: Scene) -> None:
    """The model's stream breaks and is tried again; then it fails for good."""
    gate = Gate()
    scene.expect(Reasoning("I thi"), Text(["half an ans", Drop()]))
    scene.expect(gate, Text("The whole answer."))
    scene.talk.send("hello")
    gate.wait_reached()
    scene.wait("error", status="retrying")
    scene.look()
    gate.open()
    scene.wait("turn/completed")
    scene.look()
    scene.talk.send("and now?")  # the model has nothing to say: 400
    scene.wait("turn/completed", status="failed")
    scene.look()


def plan(scene: Scene) -> None:
    """The agent keeps a plan of its work."""
    gate = Gate()
    scene.expect(planned("First I look.", "in_progress", "pending"))
    scene.expect(planned(None, "completed", "in_progress"), Command("echo two > made.txt"))
    scene.expect(Text(["So far ", gate, "so good."]))
    scene.expect(planned(None, "completed", "completed"))
    scene.expect(Text("Done."))
    scene.talk.send("look, then write")
    scene.wait("item/agentMessage/delta")
    scene.look()
    gate.open()
    scene.wait("turn/completed")
    scene.ask("and now all of it")


def background(scene: Scene) -> None:
    """A command that outlives its turn."""
    barrier = Barrier(scene.site.project)
    scene.expect(Command(barrier.command, yield_ms=300))
    scene.expect(Text("It runs."))
    scene.talk.send("start it")
    barrier.wait_reached()
    scene.wait("turn/completed")
    scene.look()
    barrier.open()
    scene.wait("item/completed", item_type="commandExecution")
    scene.look()


def deaths(scene: Scene) -> None:
    """The server is killed in mid-answer and the turn goes on; then the core is killed."""
    gate, other = Gate(), Gate()
    scene.expect(Text(["before ", gate, "after"]))
    scene.talk.send("hello")
    scene.wait("item/agentMessage/delta", text="before ")
    scene.restart(Server.kill)
    scene.look()
    gate.open()
    scene.wait("turn/completed")
    scene.look()
    scene.expect(Text(["never to ", other, "end"]))
    scene.talk.send("again")
    scene.wait("item/agentMessage/delta", text="never to ")
    scene.server.core().kill()
    scene.wait("turn/completed", status="interrupted")
    scene.look()
    other.open()


SCENES: Final[dict[str, Callable[[Scene], None]]] = {
    each.__name__: each for each in (work, approvals, busy, broken, plan, background, deaths)
}


@contextmanager
def site_in(folder: str) -> Iterator[Site]:
    """Folders and a scripted model."""
    site = Site(Path(folder))
    policy = {"sandbox_mode": "workspace-write", "approval_policy": "on-request"}
    patient = {"stream_idle_timeout_ms": 60_000}  # the model waits for the scenes
    site.configure(**(policy | PLANS | patient))
    try:
        yield site
    finally:
        site.close()


def record(name: str) -> None:
    """Play a scene and write what came."""
    with tempfile.TemporaryDirectory(prefix="recording-") as folder, site_in(folder) as site:
        server = start(site)
        server.wait_ready()
        scene = Scene(site, server)
        try:
            SCENES[name](scene)
            content = json.dumps(scene.written(), indent=0, ensure_ascii=False) + "\n"
        finally:
            scene.client.close()
            scene.server.stop()
    scene.reading.join(PATIENCE * 2)
    (FOLDER / f"{name}.json").write_text(content, encoding="utf-8")
    print(f"{name}: {len(scene.events)} events, {len(scene.snapshots)} snapshots")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SCENES:
        record(wanted)
