"""The engine on a real core, over each transport: one seam, the same behaviour."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from codex_http_server.engine.base import CoreState, Policy, Question, Thread
from codex_http_server.engine.codex import CodexEngine
from codex_http_server.engine.launch import CoreOptions
from codex_http_server.engine.process import find_core
from codex_http_server.engine.questions import decline
from codex_http_server.errors import CoreRefused, CoreUnavailable
from codex_http_server.events import Draft
from codex_http_server.places import places
from codex_http_server.testing.answers import Command, Text
from tests.support.server import Site

PATIENCE = 20.0
WRITE = {"type": "workspaceWrite", "writableRoots": [], "networkAccess": False}


class Recorder:
    """A listener that keeps everything."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.states: list[CoreState] = []
        self.questions: list[Question] = []
        self.turns: list[str] = []
        self.threads: list[Thread] = []
        self.engine: CodexEngine | None = None
        self._changed = asyncio.Event()

    def on_event(self, thread_id: str | None, draft: Draft, will_retry: bool) -> None:
        self.drafts.append(draft)
        self._changed.set()

    def on_pause(self) -> None:
        """Nothing is written here."""

    def on_question(self, question: Question) -> None:
        self.questions.append(question)
        assert self.engine is not None
        assert self.engine.answer(question.request_id, decline(question.method))

    def on_core(self, state: CoreState) -> None:
        self.states.append(state)
        self._changed.set()

    async def wait(self, kind: str) -> Draft:
        async with asyncio.timeout(PATIENCE):
            while True:
                for draft in self.drafts:
                    if draft.type == kind:
                        return draft
                self._changed.clear()
                await self._changed.wait()

    async def wait_state(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE):
            while [s.state for s in self.states].count(name) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running(
    site: Site, transport: str, binary: Path | None = None
) -> AsyncIterator[tuple[CodexEngine, Recorder]]:
    where = places(site.home, None, site.root / "state")
    recorder = Recorder()
    options = CoreOptions(binary or find_core(None), where, (), 10.0, transport=transport)
    engine = recorder.engine = CodexEngine(options, recorder, 20.0)
    task = asyncio.create_task(engine.run())
    try:
        yield engine, recorder
    finally:
        engine.stop()
        async with asyncio.timeout(6):
            await task
    assert engine.state.state == "stopped"


@pytest.fixture(autouse=True)
def temporary_folder(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(site.root / "tmp"))
    monkeypatch.setenv("HOME", str(site.root / "user"))


async def start_turn(
    engine: CodexEngine, recorder: Recorder, site: Site, text: str
) -> tuple[str, str]:
    await engine.start_thread(str(site.project), None, recorder.threads.append)
    thread = recorder.threads[-1]
    await engine.start_turn(
        thread_id=thread.id,
        cwd=str(site.project),
        message=[{"type": "text", "text": text, "text_elements": []}],
        policy=Policy(thread.policy.model, None, "on-request", WRITE),
        submit_id="submit-1",
        output_schema=None,
        on_bound=recorder.turns.append,
    )
    return thread.id, recorder.turns[-1]


@pytest.mark.parametrize("transport", ["socket", "stdio"])
async def test_a_turn_runs_from_start_to_end(site: Site, transport: str) -> None:
    site.provider.expect(Command("echo hi > made.txt"))
    site.provider.expect(Text("done"))
    async with running(site, transport) as (engine, recorder):
        thread_id, turn_id = await start_turn(engine, recorder, site, "go")
        ended = await recorder.wait("turn/completed")
        assert (ended.turn_id, ended.status) == (turn_id, "completed")
        assert await engine.find_message(thread_id, "submit-1") == turn_id
        assert await engine.find_message(thread_id, "never-sent") is None
        assert (await engine.read_account()).requires_login is False
    assert (site.project / "made.txt").read_text() == "hi\n"
    assert engine.state.version == "0.163.0"


@pytest.mark.parametrize("transport", ["socket", "stdio"])
async def test_a_dead_core_is_started_again(site: Site, transport: str) -> None:
    site.provider.expect(Text("before"))
    async with running(site, transport) as (engine, recorder):
        thread_id, _ = await start_turn(engine, recorder, site, "go")
        await recorder.wait("turn/completed")
        assert engine.core_pid is not None
        os.kill(engine.core_pid, signal.SIGKILL)
        await recorder.wait_state("ready", 2)
        assert [s.state for s in recorder.states] == ["ready", "restarting", "ready"]
        again = await engine.resume_thread(thread_id)
        assert again is not None
        assert again.id == thread_id
        assert await engine.resume_thread("01a2049a-0000-7000-8000-000000000000") is None


async def test_a_core_that_lived_long_is_started_again_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_http_server.engine.core.STEADY", 0.0)
    monkeypatch.setattr("codex_http_server.engine.core.PAUSES", (0.01, 600.0))
    async with running(site, "socket") as (engine, recorder):
        for life in (1, 2, 3):
            await recorder.wait_state("ready", life)
            assert engine.core_pid is not None
            os.kill(engine.core_pid, signal.SIGKILL)
        await recorder.wait_state("ready", 4)
    assert "failed" not in [state.state for state in recorder.states]


async def test_a_cold_start_that_fails_is_tried_again(site: Site) -> None:
    counter = site.root / "tries"
    wrapper = site.root / "codex"
    wrapper.write_text(
        "#!/bin/sh\n"
        f'echo x >> "{counter}"\n'
        f'if [ "$(wc -l < "{counter}")" -lt 3 ]; then\n'
        '  echo "Error: failed to initialize sqlite state runtime" >&2; exit 1\n'
        "fi\n"
        f'exec "{find_core(None)}" "$@"\n'
    )
    wrapper.chmod(0o755)
    async with running(site, "socket", wrapper) as (engine, recorder):
        await engine.wait_ready()
        assert [s.state for s in recorder.states] == ["restarting", "restarting", "ready"]
        assert "sqlite state runtime" in str(recorder.states[0].reason)


async def test_a_core_that_never_starts_is_a_failed_state_with_its_reason(site: Site) -> None:
    wrapper = site.root / "codex"
    wrapper.write_text("#!/bin/sh\necho 'no such luck' >&2; exit 7\n")
    wrapper.chmod(0o755)
    async with running(site, "socket", wrapper) as (engine, recorder):
        await recorder.wait_state("failed")
        assert "no such luck" in str(engine.state.reason)
        with pytest.raises(CoreUnavailable):
            await engine.wait_ready()


async def test_the_core_says_no_as_core_refused(site: Site) -> None:
    async with running(site, "socket") as (engine, _):
        await engine.wait_ready()
        with pytest.raises(CoreRefused):
            await engine.rename_thread("not-a-thread", "name")


async def test_a_thread_without_a_turn_holds_no_message(site: Site) -> None:
    async with running(site, "socket") as (engine, recorder):
        await engine.start_thread(str(site.project), None, recorder.threads.append)
        assert await engine.find_message(recorder.threads[-1].id, "submit-1") is None


async def test_notifications_keep_the_cores_bytes(site: Site) -> None:
    site.provider.expect(Text("done"))
    async with running(site, "socket") as (engine, recorder):
        await start_turn(engine, recorder, site, "go")
        ended = await recorder.wait("turn/completed")
    assert msgspec.json.decode(ended.data)["turn"]["status"] == "completed"
