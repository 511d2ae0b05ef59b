"""The adapter: our commands → the core's methods, its notifications → our events.

With past.py, discovery.py and control.py the only file that knows the names of the core's methods.
What each does was measured on the real core; where a line looks odd, its comment says which trap it
avoids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from codex_http_server.engine import neighbours, questions, wire
from codex_http_server.engine.base import (
    Account,
    CoreState,
    Found,
    FoundPage,
    Kept,
    Leftover,
    Listener,
    LoginRules,
    LoginStarted,
    OnLogin,
    OnThread,
    OnTurn,
    Past,
    PastItem,
    PastTurn,
    Policy,
    Terminal,
    Thread,
)
from codex_http_server.engine.control import ThreadControl, refusals, terminal_of
from codex_http_server.engine.core import Core
from codex_http_server.engine.launch import CoreOptions
from codex_http_server.engine.leftovers import end_leftovers
from codex_http_server.engine.past import (
    inner_turn,
    kept_turns,
    read_items,
    read_past,
    read_turns,
)
from codex_http_server.engine.rpc import OnResult, Peer
from codex_http_server.engine.session import Ears
from codex_http_server.engine.tunnel import CoreLine, connect
from codex_http_server.errors import (
    ConversationOpenElsewhere,
    CoreError,
    CoreGone,
    CoreRefused,
    CoreUnavailable,
    TurnNotSteerable,
)
from codex_http_server.logs import get_logger
from codex_http_server.records import RequestId

log = get_logger(__name__)


class _ThreadAnswer(msgspec.Struct):
    thread: dict[str, Any]
    model: str
    approvalPolicy: Any
    sandbox: dict[str, Any]
    reasoningEffort: str | None = None


class _Id(msgspec.Struct):
    id: str


class _TurnId(msgspec.Struct):
    turn: _Id


class _Page(msgspec.Struct):
    data: list[dict[str, Any]]
    nextCursor: str | None = None


class CodexEngine:
    """An `Engine` on one real core. `run` keeps the core alive until `stop`."""

    def __init__(self, options: CoreOptions, listener: Listener, deadline: float) -> None:
        ears = Ears(self._on_notification, self._on_request, listener.on_pause, _plain_question)
        self._core = Core(options, ears, listener.on_core)
        self._listener = listener
        self._deadline = deadline
        self.control = ThreadControl(self._ask, self._ask_any)
        self._places = options.places
        self._passing: set[str] = set()  # threads that only show a policy: nobody hears of them
        self._efforts: dict[str, str] | None = None

    @property
    def state(self) -> CoreState:
        return self._core.state

    @property
    def core_pid(self) -> int | None:
        """The pid of the running core."""
        return self._core.pid

    @property
    def pids(self) -> tuple[int, ...]:
        """The pids of core and keeper: whatever a core starts is below one of them."""
        return self._core.pids

    async def run(self) -> None:
        """See `Core.run`."""
        await self._core.run()

    def stop(self) -> None:
        """See `Core.stop`."""
        self._core.stop()

    @property
    def outdated(self) -> bool:
        return self._core.outdated

    @property
    def started_ms(self) -> int:
        return self._core.started_ms

    @property
    def memory(self) -> int:
        return self._core.memory

    def recycle(self) -> None:
        self._core.recycle()

    async def wait_ready(self) -> None:
        await self._core.peer()

    async def connect(self, key: str) -> CoreLine:
        """A connection of its own to the core, for a client whose WebSocket has this key. Raises
        `CoreUnavailable`."""
        await self._core.peer()
        if self._core.socket is None:
            raise CoreUnavailable("The core has no socket here that a client could join.")
        return await connect(self._core.socket, key)

    # --- what the core says -------------------------------------------------------------

    def _on_notification(self, method: str, params: msgspec.Raw, at_ms: int) -> None:
        notice = wire.notice(method, params, at_ms)
        if notice.thread_id in self._passing:
            return
        try:
            self._listener.on_event(notice.thread_id, notice.draft, notice.will_retry)
        except Exception:  # one event that we fail on must not end the connection
            log.exception("an event could not be taken", type=method)

    def _on_request(self, request_id: RequestId, method: str, params: msgspec.Raw) -> None:
        fact = questions.duty(method)
        if fact is not None:
            self.answer(request_id, fact)
            return
        try:
            self._listener.on_question(questions.question(request_id, method, params))
        except Exception:  # a question must never be left open
            log.exception("a question of the core could not be taken", method=method)
            self.answer(request_id, questions.decline(method))

    def answer(self, request_id: RequestId, answer: Any | None) -> bool:
        peer = self._core.connected
        if peer is None:
            return False
        if answer is None:
            peer.refuse(request_id, -32601, "codex-http-server does not offer this")
        else:
            peer.answer(request_id, answer)
        return True

    # --- what we say --------------------------------------------------------------------

    async def _ask_any(
        self, method: str, params: dict[str, Any], on_result: OnResult | None = None
    ) -> msgspec.Raw:
        """Ask as soon as there is a core."""
        return await self._ask_of(await self._core.peer(), method, params, on_result)

    async def _ask(
        self, method: str, params: dict[str, Any], on_result: OnResult | None = None
    ) -> msgspec.Raw:
        """Ask about a thread that is loaded: only the present core knows it, not the next."""
        peer = self._core.connected
        if peer is None:
            raise CoreUnavailable("The core that has this thread can't be heard any more.")
        return await self._ask_of(peer, method, params, on_result)

    async def _ask_of(
        self, peer: Peer, method: str, params: dict[str, Any], on_result: OnResult | None
    ) -> msgspec.Raw:
        try:
            return await peer.request(method, params, deadline=self._deadline, on_result=on_result)
        except CoreGone as error:
            raise CoreUnavailable(f"The core ended before it answered {method}.") from error
        except CoreError as error:
            if "is draining" in error.message:  # it was told to end, and takes nothing new
                raise CoreUnavailable("The core is ending; the next one is to come.") from error
            raise

    async def _call(
        self, method: str, params: dict[str, Any], on_result: OnResult | None = None
    ) -> msgspec.Raw:
        with refusals():
            return await self._ask(method, params, on_result)

    async def ask(self, method: str, params: dict[str, Any]) -> msgspec.Raw:
        """The core's answer to any method. Raises `CoreError` where it says no."""
        return await self._ask_any(method, params)

    async def start_thread(
        self,
        cwd: str,
        model: str | None,
        on_bound: OnThread,
        tools: Sequence[dict[str, Any]] = (),
    ) -> None:
        # Never `sandbox` here: it would mark the folder as trusted in the user's config.toml.
        params: dict[str, Any] = {"cwd": cwd} | ({"model": model} if model else {})
        if tools:
            params["dynamicTools"] = [{"type": "function"} | tool for tool in tools]
        with refusals():
            await self._ask_any("thread/start", params, lambda r: on_bound(_thread(r)))

    async def resume_thread(self, thread_id: str) -> Thread | None:
        params = {"threadId": thread_id, "excludeTurns": True}
        try:
            return _thread(await self._ask_any("thread/resume", params))
        except CoreError as error:
            # A thread without a turn has no file: after a restart the core has no record.
            if "no rollout found" in error.message or "not found" in error.message:
                return None
            if "active writer" in error.message:
                raise await self._open_elsewhere(thread_id) from error
            raise CoreRefused(error.message, core_code=error.rpc_code) from error

    async def start_turn(
        self,
        *,
        thread_id: str,
        cwd: str,
        message: list[dict[str, Any]],
        policy: Policy,
        submit_id: str,
        output_schema: Any,
        on_bound: OnTurn,
    ) -> None:
        params: dict[str, Any] = {
            "threadId": thread_id,
            "input": message,
            "clientUserMessageId": submit_id,
            "cwd": cwd,
            "model": policy.model,
            "effort": await self._effort(policy),
            "approvalPolicy": policy.approval_policy,
            "sandboxPolicy": policy.sandbox_policy,
        }
        if output_schema is not None:
            params["outputSchema"] = output_schema

        def bound(result: msgspec.Raw) -> None:
            on_bound(msgspec.json.decode(result, type=_TurnId).turn.id)

        await self._call("turn/start", params, bound)

    async def set_policy(self, thread_id: str, cwd: str, policy: Policy) -> None:
        params = {
            "threadId": thread_id,
            "cwd": cwd,
            "model": policy.model,
            "effort": await self._effort(policy),
            "approvalPolicy": policy.approval_policy,
            "sandboxPolicy": policy.sandbox_policy,
        }
        await self._call("thread/settings/update", params)

    async def _effort(self, policy: Policy) -> str | None:
        """Where none is stated, the model's default: to the core none means "as before", which may
        be an override that has ended (measured)."""
        if policy.reasoning_effort is None and self._efforts is None:
            answer = await self._call("model/list", {"includeHidden": True, "limit": 1000})
            models = msgspec.json.decode(answer, type=_Page).data
            self._efforts = {each["model"]: each["defaultReasoningEffort"] for each in models}
        return policy.reasoning_effort or (self._efforts or {}).get(policy.model or "")

    async def steer_turn(
        self,
        thread_id: str,
        turn_id: str,
        message: list[dict[str, Any]],
        submit_id: str,
        on_steered: Callable[[], None],
    ) -> bool:
        params = {
            "threadId": thread_id,
            "expectedTurnId": turn_id,
            "input": message,
            "clientUserMessageId": submit_id,
        }
        try:
            await self._ask("turn/steer", params, lambda _: on_steered())
        except CoreError as error:
            if "activeTurnNotSteerable" in str(error.data) or "not steerable" in error.message:
                raise TurnNotSteerable("The running turn takes no further input.") from error
            if "no active turn" in error.message or "expected active turn" in error.message:
                return False
            raise CoreRefused(error.message, core_code=error.rpc_code) from error
        return True

    async def revert_turn(self, thread_id: str, turn_id: str) -> None:
        where = {"threadId": thread_id}
        try:
            await self._ask("thread/revert", where | {"beforeTurnId": turn_id})
        except CoreError as error:
            if "turn not found" in error.message:
                return
            # A review begins with the turn within it, and only that one has a place (measured).
            with refusals():
                inner = await inner_turn(self._ask, thread_id, turn_id)
                if inner is None:
                    raise
                await self._ask("thread/revert", where | {"beforeTurnId": inner})

    async def kept_turns(self, thread_id: str, known: Collection[str]) -> Kept | None:
        with refusals():
            return await kept_turns(self._ask, thread_id, known)

    async def interrupt_turn(self, thread_id: str, turn_id: str) -> None:
        if await self._interrupted(thread_id, turn_id):
            return
        # A review runs in a turn within its own, and only that one can be interrupted (measured).
        with refusals():
            inner = await inner_turn(self._ask, thread_id, turn_id)
        if inner is not None:
            await self._interrupted(thread_id, inner)

    async def _interrupted(self, thread_id: str, turn_id: str) -> bool:
        try:
            await self._ask("turn/interrupt", {"threadId": thread_id, "turnId": turn_id})
        except CoreError as error:
            log.info("nothing to interrupt", turn_id=turn_id, reason=error.message)
            return False
        return True

    async def end_commands(self, thread_id: str, wanted: Callable[[str], bool]) -> list[Terminal]:
        where = {"threadId": thread_id}
        answer = await self._call("thread/backgroundTerminals/list", where)
        running = map(terminal_of, msgspec.json.decode(answer, type=_Page).data)
        ended = [each for each in running if wanted(each.item_id)]
        for each in ended:
            params = where | {"processId": each.id}
            await self._call("thread/backgroundTerminals/terminate", params)
        return ended

    async def end_leftovers(
        self, thread_id: str, calls: Collection[str], grace: float
    ) -> list[Leftover]:
        return await end_leftovers(thread_id, calls, grace, touch=not self.state.joined)

    async def find_message(self, thread_id: str, submit_id: str) -> str | None:
        cursor: str | None = None
        for _ in range(10):  # newest first, so a message in doubt is on the first page
            params = {"threadId": thread_id, "limit": 100, "sortDirection": "desc"}
            params |= {"cursor": cursor} if cursor else {}
            try:
                answer = await self._ask("thread/items/list", params)
            except CoreError as error:
                if "not supported yet" in error.message:
                    return None  # a thread without a turn has no list, and no message (measured)
                raise CoreRefused(error.message, core_code=error.rpc_code) from error
            page = msgspec.json.decode(answer, type=_Page)
            for entry in page.data:
                item = entry.get("item", entry)
                if item.get("clientId") == submit_id:
                    return str(entry.get("turnId") or item.get("turnId"))
            cursor = page.nextCursor
            if cursor is None:
                break
        return None

    async def read_past(
        self, thread_id: str, wanted: Collection[str], known: Collection[str]
    ) -> Past:
        with refusals():
            return await read_past(self._ask, thread_id, wanted, known)

    async def _open_elsewhere(self, thread_id: str) -> ConversationOpenElsewhere:
        who = await self.writer_of(thread_id) or "Another process"
        return ConversationOpenElsewhere(
            f"{who} has this conversation open, and only one may write to it.",
            hint="Quit that process and send it again, or go on in a fork:"
            " POST /conversations/{id}/fork.",
        )

    async def writer_of(self, thread_id: str) -> str | None:
        joined = self.pids if self.state.joined else ()
        return await asyncio.to_thread(neighbours.writer_of, self._places, thread_id, joined)

    async def found_threads(self, cursor: str | None, *, quick: bool) -> FoundPage:
        params: dict[str, Any] = {
            "limit": 100,  # the core gives no more
            "cursor": cursor,
            "sortKey": "updated_at",
            "sourceKinds": ["cli", "vscode", "exec", "appServer", "unknown"],
            "modelProviders": [],  # of any
            "useStateDbOnly": quick,
        }
        page = msgspec.json.decode(await self._call("thread/list", params), type=_Page)
        return FoundPage([_found(each) for each in page.data], page.nextCursor)

    async def past_turns(self, thread_id: str, known: Collection[str]) -> list[PastTurn]:
        with refusals():
            return await read_turns(self._ask, thread_id, known)

    async def past_items(self, thread_id: str, turn: PastTurn) -> list[PastItem]:
        with refusals():
            return await read_items(self._ask, thread_id, turn.parts or (turn.id,))

    async def resolve_policy(self, cwd: str) -> Policy:
        # Not from thread/resume: it repeats how the thread last ran, which a command line may
        # have loosened (measured). A thread that is never written shows what the files say.
        found: list[Thread] = []

        def bound(result: msgspec.Raw) -> None:
            found.append(_thread(result))
            self._passing.add(found[0].id)

        await self._call("thread/start", {"cwd": cwd, "ephemeral": True}, bound)
        await self._call("thread/unsubscribe", {"threadId": found[0].id})
        return found[0].policy

    async def rename_thread(self, thread_id: str, name: str) -> None:
        await self._call("thread/name/set", {"threadId": thread_id, "name": name})

    async def held_token(self) -> str | None:
        # An old method, the only one that tells which tokens the core would send (measured).
        asked = {"includeToken": True, "refreshToken": False}
        with refusals():
            found = await self._ask_any("getAuthStatus", asked)
        token = msgspec.json.decode(found).get("authToken")
        return token if isinstance(token, str) else None

    async def read_account(self) -> Account:
        with refusals():
            found = await self._ask_any("account/read", {"refreshToken": False})
        answer = msgspec.json.decode(found)
        account: dict[str, Any] = answer.get("account") or {}
        routing: dict[str, Any] = answer.get("workspaceRouting") or {}
        kind = {"apiKey": "apikey"}.get(account.get("type", ""), account.get("type"))
        return Account(
            requires_login=bool(answer["requiresOpenaiAuth"]),
            auth_mode=kind,
            email=account.get("email"),
            plan_type=account.get("planType"),
            account_id=routing.get("chatgptAccountId"),
        )

    async def login_rules(self) -> LoginRules:
        with refusals():
            found = await self._ask_any("config/read", {})
        config: dict[str, Any] = msgspec.json.decode(found)["config"]
        wanted = config.get("forced_chatgpt_workspace_id") or ()
        workspaces = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        return LoginRules(config.get("forced_login_method"), workspaces)

    async def start_login(self, method: str, on_started: OnLogin) -> None:
        kind = {"browser": "chatgpt", "device_code": "chatgptDeviceCode"}[method]
        with refusals():
            await self._ask_any(
                "account/login/start", {"type": kind}, lambda found: on_started(_login(found))
            )

    async def cancel_login(self, login_id: str) -> None:
        await self._call("account/login/cancel", {"loginId": login_id})

    async def use_key(self, api_key: str) -> None:
        with refusals():
            await self._ask_any("account/login/start", {"type": "apiKey", "apiKey": api_key})

    async def logout(self) -> None:
        with refusals():
            await self._ask_any("account/logout", {})

    async def read_rate_limits(self) -> dict[str, Any]:
        # The details of reset credits would cost the backend one more request.
        return await self._read_of_account(
            "account/rateLimits/read", excludeResetCreditDetails=True
        )

    async def read_token_usage(self) -> dict[str, Any]:
        return await self._read_of_account("account/usage/read")

    async def _read_of_account(self, method: str, **params: Any) -> dict[str, Any]:
        with refusals():
            return msgspec.json.decode(await self._ask_any(method, params))


async def _plain_question(peer: Peer, deadline: float) -> None:
    """The cheapest one: it costs the core 0.1 ms."""
    await peer.request("thread/loaded/list", {"limit": 1}, deadline=deadline)


def _thread(result: msgspec.Raw) -> Thread:
    answer = msgspec.json.decode(result, type=_ThreadAnswer)
    policy = Policy(
        model=answer.model,
        reasoning_effort=answer.reasoningEffort,
        approval_policy=answer.approvalPolicy,
        sandbox_policy=answer.sandbox,
    )
    return Thread(str(answer.thread["id"]), policy)


def _found(thread: dict[str, Any]) -> Found:
    source = thread.get("source")
    return Found(
        id=str(thread["id"]),
        cwd=str(thread.get("cwd") or ""),
        source=source if isinstance(source, str) else "unknown",
        name=thread.get("name"),
        preview=str(thread.get("preview") or ""),
        model=thread.get("model"),
        created_ms=int(thread.get("createdAt") or 0) * 1000,
        updated=int(thread.get("updatedAt") or 0),
    )


def _login(result: msgspec.Raw) -> LoginStarted:
    found: dict[str, Any] = msgspec.json.decode(result)
    url = found.get("authUrl") or found["verificationUrl"]
    return LoginStarted(found["loginId"], url, found.get("userCode"))
