"""Commands in any order, with restarts in between, and the promises hold: hypothesis chooses.

The choices of a failed run are printed by hypothesis (`reproduce_failure`).
ANYORDER_EXAMPLES=<n> plays more of them, ANYORDER_STEPS=<n> longer ones.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.anyorder.judge import come_to_rest, judge, judge_everything
from tests.support.anyorder.known import Known
from tests.support.anyorder.stage import Stage
from tests.support.chaos.letters import Letter
from tests.support.chaos.watchers import Stream

pytestmark = pytest.mark.core

EXAMPLES = int(os.environ.get("ANYORDER_EXAMPLES", "6"))
STEPS = int(os.environ.get("ANYORDER_STEPS", "30"))
MOST = 4  # conversations
KILLS = 2  # of the core in one example: one that dies often rests longer and longer


class AnyOrder(RuleBasedStateMachine):
    """One server and its conversations."""

    talks = Bundle("talks")

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.everything = Stream(self.stage.address, "/events")
        self.live: list[Known] = []
        self.dead: list[str] = []
        self.kills = self.number = 0

    # --- conversations ------------------------------------------------------------------------

    def _begin(self) -> Known:
        body = {"working_directory": str(self.stage.site.project)}
        self.number += 1
        status, made = self.stage.ask("POST", "/conversations", body, f"c{self.number}")
        assert status == 201, made
        talk = Known(made["id"], self.stage)
        self.live.append(talk)
        self._send(talk, "ask", "queue")
        self._send(talk, "hold", "queue")
        return talk

    @initialize(target=talks)
    def first(self) -> Known:
        """There is always one."""
        return self._begin()

    @precondition(lambda self: len(self.live) < MOST)
    @rule(target=talks)
    def begin(self) -> Known:
        """A new conversation."""
        return self._begin()

    @rule(talk=talks, over_a_restart=st.booleans())
    def put_away_and_take_back(self, talk: Known, over_a_restart: bool) -> None:
        """Archived, it takes nothing; what is busy is not archived."""
        status, answer = self.stage.ask("POST", f"{talk.path}/archive")
        if status != 200:
            assert answer["code"] == "conversation_busy", answer
            return
        if over_a_restart:
            self.restart("kill")
        status, answer = self.stage.ask("POST", f"{talk.path}/messages", {"message": "say no"})
        assert (status, answer["code"]) == (409, "conversation_archived"), answer
        status, answer = self.stage.ask("POST", f"{talk.path}/unarchive")
        assert status == 200, answer
        assert not answer["archived"]

    @precondition(lambda self: len(self.live) > 1)
    @rule(talk=consumes(talks))
    def delete(self, talk: Known) -> None:
        """Delete one, whatever it does."""
        talk.end()
        self.live.remove(talk)
        self.dead.append(talk.id)
        status, answer = self.stage.ask("DELETE", f"{talk.path}?force=true")
        assert status == 200, answer

    # --- messages -----------------------------------------------------------------------------

    @rule(
        talk=talks,
        kind=st.sampled_from(["say", "say", "hold", "hold", "ask", "ask", "run", "fail"]),
        busy=st.sampled_from(["queue", "queue", "queue", "steer", "interrupt", "reject"]),
    )
    def send(self, talk: Known, kind: str, busy: str) -> None:
        """A message, taken once however often it is sent."""
        self._send(talk, kind, busy)

    def _send(self, talk: Known, kind: str, busy: str) -> None:
        self.number += 1
        letter = Letter(talk.id, f"{kind} {self.number}", busy)
        letter.status, letter.answer = self.stage.ask("POST", letter.path, letter.body, letter.text)
        talk.letters.append(letter)
        if letter.status == 409:
            assert letter.answer["code"] == "conversation_busy", letter
        else:
            assert letter.status == 202, letter

    @rule(talk=talks, how=st.sampled_from(["turn", "take back", "change"]))
    def rearrange(self, talk: Known, how: str) -> None:
        """Do something to the queue."""
        waiting = [
            each["submit_id"] for each in self.stage.ask("GET", f"{talk.path}/queue")[1]["data"]
        ]
        if how == "turn":
            order = waiting[::-1]
            status, answer = self.stage.ask("PUT", f"{talk.path}/queue", {"order": order})
            assert status in (200, 409, 422), answer
        elif waiting and how == "take back":
            letter = talk.letter(waiting[-1])
            status, answer = self.stage.ask("DELETE", f"{talk.path}/queue/{waiting[-1]}")
            assert status in (204, 404), answer
            if letter is not None:
                letter.taken_back = status
        elif waiting:
            self._change(talk, waiting[-1])

    def _change(self, talk: Known, submit_id: str) -> None:
        letter = talk.letter(submit_id)
        if letter is None:
            return
        self.number += 1
        text = f"say {self.number} in place of another"
        path = f"{talk.path}/queue/{submit_id}"
        status, answer = self.stage.ask("PATCH", path, {"message": text})
        assert status in (200, 404), answer
        if status == 200:  # its old text must be nowhere now, its new one once
            talk.changed[letter.text] = text

    @rule(talk=talks, clear=st.booleans())
    def interrupt(self, talk: Known, clear: bool) -> None:
        """End the turn, and perhaps what waits."""
        if clear:
            for letter in talk.letters:
                letter.taken_back = letter.taken_back or 0
        status, answer = self.stage.ask("POST", f"{talk.path}/interrupt", {"clear_queue": clear})
        assert status == 202 or answer["code"] == "no_running_turn", answer

    @rule(talk=talks, anyway=st.booleans())
    def retry(self, talk: Known, anyway: bool) -> None:
        """Send the last turn's messages again."""
        self.number += 1
        key = f"r{self.number}"
        status, answer = self.stage.ask("POST", f"{talk.path}/retry", {"anyway": anyway}, key)
        if status == 202:
            talk.retries.add(answer["submit_id"])
        else:
            assert status == 409, answer

    # --- approvals ----------------------------------------------------------------------------

    @rule(talk=talks, decision=st.sampled_from(["accept", "decline", "cancel"]))
    def answer(self, talk: Known, decision: str) -> None:
        """Two clients answer at once: one is heard, and the other is told what was decided."""
        waiting = self.stage.ask("GET", f"{talk.path}/approvals")[1]["data"]
        if not waiting:
            return
        path = f"{talk.path}/approvals/{waiting[0]['approval_id']}"
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(self.stage.ask, "POST", path, {"decision": each})
                for each in (decision, "decline")
            ]
            answers: list[Any] = [each.result() for each in both]
        taken = [body for status, body in answers if status == 200]
        late = [body for status, body in answers if status == 409]
        assert len(taken) <= 1, answers
        assert len(taken) + len(late) == len(answers), answers
        assert all(body["code"] == "approval_ended" for body in late), answers

    # --- what happens to all of it ------------------------------------------------------------

    @rule()
    def let_go(self) -> None:
        """The model goes on where it was held."""
        self.stage.let_go()

    @rule(talk=talks)
    def cut_readers(self, talk: Known) -> None:
        """Connections break."""
        for _, reader in talk.readers:
            reader.cut()
        self.everything.cut()

    @precondition(lambda self: self.number < 200)
    @rule(talk=talks)
    def join(self, talk: Known) -> None:
        """A reader comes late, with a snapshot."""
        status, snapshot = self.stage.ask("GET", f"{talk.path}?include=snapshot")
        assert status == 200, snapshot
        if len(talk.readers) < MOST:
            talk.join(snapshot["seq"])

    @rule(how=st.sampled_from(["stop", "kill", "kill"]))
    def restart(self, how: str) -> None:
        """The server ends, in order or not, and another one begins."""
        self.stage.stop() if how == "stop" else self.stage.kill()
        self.stage.begin()

    @precondition(lambda self: self.kills < KILLS)
    @rule()
    def kill_core(self) -> None:
        """kill -9 of the core."""
        self.kills += 1
        self.stage.kill_core()

    # --- the end ------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All comes to rest and is judged."""
        try:
            self.stage.let_go(for_good=True)
            for talk in self.live:
                come_to_rest(self.stage, talk)
            for talk in self.live:
                judge(self.stage, talk)
            judge_everything(self.stage, self.everything)
            for gone in self.dead:
                assert self.stage.ask("GET", f"/conversations/{gone}")[0] == 404
        except BaseException:
            print("\n".join(self.stage.told[-200:]))
            raise
        finally:
            self.stage.address.url = None
            self.everything.end()
            for talk in self.live:
                talk.end()
            self.stage.close()
        print(dict(sorted(self.stage.counts.items())))


@pytest.mark.timeout(120 + 90 * EXAMPLES)
def test_whatever_is_asked_in_whatever_order_the_promises_hold() -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate],  # what depends on time can't be made smaller
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
