"""The seam between conversations and whatever drives an agent.

Only words of this product: thread, turn, message, policy. `codex.py` is the implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, Protocol

import msgspec

from codex_http_server.events import Draft
from codex_http_server.records import RequestId

CoreStateName = Literal["starting", "ready", "restarting", "stopped", "failed"]


class CoreState(msgspec.Struct, frozen=True):
    """The state of the core, as /health shows it."""

    state: CoreStateName
    version: str | None = None
    reason: str | None = None
    adopted: bool = False  # with `ready`: the core is an earlier one, and its turns may go on
    joined: bool = False  # it is Codex's own daemon: never ended, recycled or set up by us
    pid: int | None = None


class Policy(msgspec.Struct, frozen=True):
    """All that a turn runs under. Every turn states it whole: the core keeps overrides."""

    model: str | None
    reasoning_effort: str | None
    approval_policy: Any
    sandbox_policy: dict[str, Any]


class Thread(msgspec.Struct, frozen=True):
    """A thread of the core, with the policy that the core's own configuration gives it."""

    id: str
    policy: Policy


class PastItem(msgspec.Struct, frozen=True):
    """A finished item as the core keeps it: `body` is the core's own."""

    id: str
    type: str | None
    status: str | None
    body: dict[str, Any]
    ended_ms: int


class PastTurn(msgspec.Struct, frozen=True):
    """A turn as the core keeps it, with its finished items, oldest first."""

    id: str
    status: str
    body: dict[str, Any]
    items: list[PastItem]
    parts: tuple[str, ...] = ()  # by which ids the core keeps its items; empty: by its own


class Past(msgspec.Struct, frozen=True):
    """What the core knows of a thread: turns, oldest first, and commands that run."""

    turns: list[PastTurn]
    running: dict[str, dict[str, Any]]  # by item id, the item as far as it is known


class Found(msgspec.Struct, frozen=True):
    """A thread in the core's list, whoever began it."""

    id: str
    cwd: str
    source: str
    name: str | None
    preview: str
    model: str | None
    created_ms: int
    updated: int  # the core's own clock: it rises when somebody goes on with the thread


class FoundPage(msgspec.Struct, frozen=True):
    """A part of the core's list of threads."""

    threads: list[Found]
    cursor: str | None


class Question(msgspec.Struct, frozen=True):
    """A request of the core that wants a decision. `request_id` is the core's own: it is the
    same when the core repeats the question on a new connection, and another core's begin anew."""

    request_id: RequestId
    method: str
    kind: str
    thread_id: str | None
    turn_id: str | None
    item_id: str | None
    params: msgspec.Raw


class Account(msgspec.Struct, frozen=True):
    """Who the core is signed in as."""

    requires_login: bool
    auth_mode: str | None = None
    email: str | None = None
    plan_type: str | None = None
    account_id: str | None = None


class LoginStarted(msgspec.Struct, frozen=True):
    """A login that waits for a person: `url` to open, and the code to type there, if any."""

    id: str
    url: str
    user_code: str | None = None


class LoginRules(msgspec.Struct, frozen=True):
    """What the core's configuration demands of a login."""

    method: str | None = None  # `chatgpt` or `api`; None: either
    workspaces: tuple[str, ...] = ()  # the only ones allowed; empty: any


class Kept(msgspec.Struct, frozen=True):
    """The newest turns that the core has of a thread; `whole`: there are no others."""

    turn_ids: frozenset[str]
    whole: bool


Deletion = Literal["deleted", "kept", "none"]
OnLogin = Callable[[LoginStarted], None]
OnThread = Callable[[Thread], None]
OnTurn = Callable[[str], None]


class Listener(Protocol):
    """Who is told what the core says. Called on the event loop, in order; must not wait."""

    def on_event(self, thread_id: str | None, draft: Draft, will_retry: bool) -> None:
        """Something happened."""
        ...

    def on_pause(self) -> None:
        """All that had arrived has been told: a good moment to write it."""
        ...

    def on_question(self, question: Question) -> None:
        """The core asks, and waits for `Engine.answer`. A question that waits is asked again
        after its thread was resumed on a new connection."""
        ...

    def on_core(self, state: CoreState) -> None:
        """The core changed state. In any state but `ready` it can't be heard; what it had open
        goes on only if the next `ready` says `adopted`."""
        ...


class Terminal(msgspec.Struct, frozen=True):
    """A command that a thread runs in the background. `id` is the core's name for it."""

    id: str
    item_id: str
    command: str
    directory: str
    pid: int | None = None  # of the operating system, where the core tells


How = Literal["terminated", "killed", "left"]


class Leftover(msgspec.Struct, frozen=True):
    """A process, and what became of it: it ended when asked to, was killed, or was left alone."""

    pid: int
    item_id: str
    command: str
    how: How


class Control(Protocol):
    """What is done with a thread as a whole. Raises as `Engine`."""

    async def archive(self, thread_id: str) -> bool:
        """Put a thread away; it is unloaded and its commands end. False if there is none."""
        ...

    async def unarchive(self, thread_id: str) -> bool:
        """Take a thread back. False if it is not archived."""
        ...

    async def fork(
        self, thread_id: str, last_turn_id: str, cwd: str, on_forked: Callable[[str], None]
    ) -> None:
        """A new thread in this directory that begins with what this one had up to a turn, whoever
        has it open. `on_forked` gets its id before its first event arrives. Raises `TurnNotFound`,
        and `ConversationBusy` where that turn runs."""
        ...

    async def newest_turns(self, thread_id: str) -> list[str]:
        """The ids of the newest turns, newest first; the one that runs is among them."""
        ...

    async def delete(self, thread_id: str) -> Deletion:
        """Delete a thread with what it runs; `kept`, and put away, where forks need it."""
        ...

    async def compact(self, thread_id: str) -> None:
        """Begin a turn that replaces what the model has read by a summary of it. Its id comes with
        its first event."""
        ...

    async def review(
        self, thread_id: str, cwd: str, target: dict[str, Any], on_bound: OnTurn
    ) -> None:
        """Begin a turn that reviews changes in the thread's directory; `target` in the core's own
        words. `on_bound` gets its id before its first event arrives, which may be an error in
        place of a start."""
        ...

    async def shell(self, thread_id: str, command: str, timeout_ms: int | None) -> None:
        """Begin a turn that runs a command without sandbox. Its id comes with its first event."""
        ...

    async def loaded(self) -> list[str]:
        """The threads that the core has in memory, whoever loaded them; 1000 at most."""
        ...

    async def active(self) -> list[str]:
        """The loaded threads that have a turn running, whoever began it."""
        ...

    async def terminals(self, thread_id: str) -> list[Terminal]:
        """The commands that a loaded thread runs for the model, in a turn or after it."""
        ...

    async def end_terminal(self, thread_id: str, terminal_id: str) -> bool:
        """End one, with all that it started; its item's end comes as an event. False if there is
        none of this id."""
        ...


class Engine(Protocol):
    """Commands to the core. All raise `CoreUnavailable` where it does not come up in time,
    `CoreTimeout` where it does not answer, `CoreRefused` where it says no."""

    @property
    def state(self) -> CoreState:
        """The present state; never waits."""
        ...

    @property
    def control(self) -> Control:
        """Threads as a whole."""
        ...

    async def wait_ready(self) -> None:
        """Wait until the core is ready, at most the configured time, else `CoreUnavailable`."""
        ...

    async def start_thread(
        self,
        cwd: str,
        model: str | None,
        on_bound: OnThread,
        tools: Sequence[dict[str, Any]] = (),
    ) -> None:
        """A new thread, with `tools` that its clients run. `on_bound` gets it before the
        thread's first event arrives; a `ServerError` that it raises is raised here."""
        ...

    async def resume_thread(self, thread_id: str) -> Thread | None:
        """Load a stored thread and listen to it; None if the core has no record of it."""
        ...

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
        """Start a turn. `on_bound` gets its id before the turn's first event arrives."""
        ...

    async def set_policy(self, thread_id: str, cwd: str, policy: Policy) -> None:
        """Have the next turn run under this, where it can't be said with the turn."""
        ...

    async def steer_turn(
        self,
        thread_id: str,
        turn_id: str,
        message: list[dict[str, Any]],
        submit_id: str,
        on_steered: Callable[[], None],
    ) -> bool:
        """Give the running turn more input; False if that turn is not the running one.

        `on_steered` runs before any event that follows the core's yes.

        Raises `TurnNotSteerable` for a turn that takes none.
        """
        ...

    async def revert_turn(self, thread_id: str, turn_id: str) -> None:
        """Have the thread forget this turn and all after it. No error if there is no such turn."""
        ...

    async def kept_turns(self, thread_id: str, known: Collection[str]) -> Kept | None:
        """The newest turns, at least back to the first of `known`; None where the core has no
        list of them."""
        ...

    async def interrupt_turn(self, thread_id: str, turn_id: str) -> None:
        """Ask the turn to end; its end comes as an event. No error if it has ended already."""
        ...

    async def end_commands(self, thread_id: str, wanted: Callable[[str], bool]) -> list[Terminal]:
        """End running commands of the thread, those whose item id is `wanted`; which. Their ends
        come as events."""
        ...

    async def end_leftovers(
        self, thread_id: str, calls: Collection[str], grace: float
    ) -> list[Leftover]:
        """End processes of these commands that outlived them, by SIGKILL after `grace` seconds.
        Those of a core that was joined are looked at only."""
        ...

    def answer(self, request_id: RequestId, answer: Any | None) -> bool:
        """Answer a question that came over the present connection; None: refuse it with an
        error. False if there is no connection now."""
        ...

    async def find_message(self, thread_id: str, submit_id: str) -> str | None:
        """The id of the stored turn that holds the message with this submit id, or None."""
        ...

    async def read_past(
        self, thread_id: str, wanted: Collection[str], known: Collection[str]
    ) -> Past:
        """The `wanted` turns and those that are newer than all `known` ones. Call it on a
        resumed thread: what comes later is heard."""
        ...

    # --- threads that others began, or went on with: none of these loads a thread ----------

    async def found_threads(self, cursor: str | None, *, quick: bool) -> FoundPage:
        """Threads that people began, last changed first. `quick`: without a look for files that
        the core's database does not know yet."""
        ...

    async def past_turns(self, thread_id: str, known: Collection[str]) -> list[PastTurn]:
        """The turns that are newer than all `known` ones, oldest first, without items."""
        ...

    async def past_items(self, thread_id: str, turn: PastTurn) -> list[PastItem]:
        """The finished items of a turn, oldest first."""
        ...

    async def resolve_policy(self, cwd: str) -> Policy:
        """What the core's configuration gives a new thread in this directory."""
        ...

    async def writer_of(self, thread_id: str) -> str | None:
        """The process besides us that has the thread open, in words; None if there is none."""
        ...

    @property
    def outdated(self) -> bool:
        """Whether the core was taken over from a server that started it in another way, or
        from another version of this one."""
        ...

    @property
    def started_ms(self) -> int:
        """When the core's process was started, within a second; 0 where there is none."""
        ...

    @property
    def memory(self) -> int:
        """Bytes of memory that the core holds; 0 where there is none."""
        ...

    def recycle(self) -> None:
        """Stop the core and start a new one, at once. What is open in it is lost."""
        ...

    async def rename_thread(self, thread_id: str, name: str) -> None:
        """Give the thread a title in the core too."""
        ...

    async def held_token(self) -> str | None:
        """The access token or API key that the core holds. A secret: to be compared, not kept."""
        ...

    async def read_account(self) -> Account:
        """Who the core is signed in as."""
        ...

    async def login_rules(self) -> LoginRules:
        """What the configuration demands of a login."""
        ...

    async def start_login(self, method: str, on_started: OnLogin) -> None:
        """Begin a `browser` or `device_code` login. `on_started` gets it before the event that
        ends it arrives. A login that is pending in the core ends."""
        ...

    async def cancel_login(self, login_id: str) -> None:
        """End a pending login. No error if it has ended already."""
        ...

    async def use_key(self, api_key: str) -> None:
        """Sign in with an API key, at once; the core does not look whether it is good."""
        ...

    async def logout(self) -> None:
        """Sign out: the tokens are revoked, `auth.json` is removed, running turns fail."""
        ...

    async def read_rate_limits(self) -> dict[str, Any]:
        """The rate limits of the account, in the core's own words. It asks the backend, and
        refuses where nobody is signed in with ChatGPT."""
        ...

    async def read_token_usage(self) -> dict[str, Any]:
        """The account's tokens by day, in the core's own words; as `read_rate_limits`."""
        ...
