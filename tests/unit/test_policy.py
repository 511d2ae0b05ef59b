"""What a turn runs under, and who may ask for it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from codex_http_server.auth.callers import LOCAL, Caller, Scope
from codex_http_server.conversations.policy import (
    SANDBOXES,
    check_ceiling,
    effective,
    merge,
    sandbox_mode,
    within_ceiling,
)
from codex_http_server.engine.base import Policy
from codex_http_server.errors import ElevateRequired
from codex_http_server.records import ConversationRecord, Stated

OWN_ROOTS = {"type": "workspaceWrite", "writableRoots": ["/data"], "networkAccess": True}
GRANULAR = {"granular": {"sandbox_approval": True}}


CORE = {"model": "m", "effort": "low", "approval": "on-request", "sandbox": OWN_ROOTS}
NOTHING = Stated()


def record(stated: Stated = NOTHING, **resolved: Any) -> ConversationRecord:
    return ConversationRecord(
        id="c",
        thread_id="t",
        working_directory="/",
        stated=stated,
        **{f"resolved_{name}": value for name, value in (CORE | resolved).items()},
    )


def core(sandbox: str, approval: Any = "on-request") -> Policy:
    kinds = SANDBOXES | {"external": {"type": "externalSandbox"}}
    return Policy("m", None, approval, kinds[sandbox])


def refused(stated: Stated, under: Policy) -> bool:
    try:
        check_ceiling(stated, under, LOCAL)
    except ElevateRequired:
        return True
    return False


# --- what a turn runs under ----------------------------------------------------------------


def test_where_nothing_is_stated_the_core_s_configuration_decides() -> None:
    assert effective(record(), Stated()) == Policy("m", "low", "on-request", OWN_ROOTS)


def test_a_turn_s_overrides_come_before_the_conversation_s_and_those_before_the_core_s() -> None:
    stated = Stated(model="m2", reasoning_effort="high", approval_policy="untrusted")
    policy = effective(record(stated), Stated(reasoning_effort="minimal", sandbox="read-only"))
    assert policy == Policy("m2", "minimal", "untrusted", SANDBOXES["read-only"])


def test_another_model_runs_at_its_own_default_effort() -> None:
    assert effective(record(Stated(model="other")), Stated()).reasoning_effort is None
    assert effective(record(Stated(model="m")), Stated()).reasoning_effort == "low"
    assert effective(record(), Stated(model="other")).reasoning_effort is None


def test_the_core_s_own_mode_stated_again_keeps_its_roots_and_network() -> None:
    assert effective(record(), Stated(sandbox="workspace-write")).sandbox_policy == OWN_ROOTS


@pytest.mark.parametrize("mode", SANDBOXES)
def test_another_mode_is_stated_whole_and_without_network(mode: str) -> None:
    policy = effective(record(sandbox={"type": "externalSandbox"}), Stated(sandbox=mode))
    assert sandbox_mode(policy.sandbox_policy) == mode
    assert policy.sandbox_policy.get("networkAccess", False) is False


def test_a_sandbox_this_api_has_no_word_for_keeps_the_core_s() -> None:
    assert sandbox_mode({"type": "externalSandbox"}) == "externalSandbox"
    assert sandbox_mode({}) == ""


def test_merge_takes_each_field_from_the_one_that_states_it() -> None:
    base = Stated("a", "b", "untrusted", "read-only")
    assert merge(base, Stated()) == merge(Stated(), base) == base
    assert merge(base, Stated(model="x")) == Stated("x", "b", "untrusted", "read-only")
    assert merge(base, Stated("1", "2", "never", "4")) == Stated("1", "2", "never", "4")


# --- the ceiling ---------------------------------------------------------------------------

LOOSER_SANDBOX = {
    ("read-only", "danger-full-access"),
    ("workspace-write", "danger-full-access"),
    ("external", "danger-full-access"),
}
LOOSER_APPROVAL = {
    ("untrusted", "never"),
    ("on-request", "never"),
    ("on-failure", "never"),
    ("granular", "never"),
}


@pytest.mark.parametrize(("has", "wanted"), list(product([*SANDBOXES, "external"], SANDBOXES)))
def test_a_sandbox_up_to_workspace_write_or_the_core_s_own_is_free(has: str, wanted: str) -> None:
    assert refused(Stated(sandbox=wanted), core(has)) is ((has, wanted) in LOOSER_SANDBOX)


@pytest.mark.parametrize(
    ("has", "wanted"),
    list(product(["untrusted", "on-request", "on-failure", "never", "granular"], repeat=2)),
)
def test_an_approval_up_to_on_request_or_the_core_s_own_is_free(has: str, wanted: str) -> None:
    stated, own = (GRANULAR if each == "granular" else each for each in (wanted, has))
    looser = (has, wanted) in LOOSER_APPROVAL
    assert refused(Stated(approval_policy=stated), core("read-only", own)) is looser


@pytest.mark.parametrize(("sandbox", "approval"), list(product(SANDBOXES, ["untrusted", "never"])))
def test_who_states_nothing_never_needs_elevate(sandbox: str, approval: str) -> None:
    assert not refused(Stated(model="m", reasoning_effort="high"), core(sandbox, approval))


def test_the_refusal_names_the_field_and_the_way_out() -> None:
    with pytest.raises(ElevateRequired, match=r"sandbox 'danger-full-access' is looser") as error:
        check_ceiling(Stated(sandbox="danger-full-access"), core("read-only"), LOCAL)
    assert error.value.extra == {"field": "sandbox"}
    assert "config.toml" in str(error.value.hint)


def test_a_caller_with_elevate_may_ask_for_anything() -> None:
    caller = Caller("token:ci", "token", frozenset({Scope.DRIVE, Scope.ELEVATE}))
    stated = Stated(sandbox="danger-full-access", approval_policy="never")
    check_ceiling(stated, core("read-only"), caller)


def test_what_may_not_be_asked_for_is_not_inherited_and_all_else_is() -> None:
    loose = Stated("m", "high", "never", "danger-full-access")
    under = core("workspace-write")
    assert within_ceiling(loose, under, LOCAL) == Stated("m", "high", None, None)
    assert within_ceiling(loose, core("danger-full-access", "never"), LOCAL) == loose
    assert within_ceiling(Stated(sandbox="read-only"), under, LOCAL).sandbox == "read-only"
    assert (
        within_ceiling(loose, under, Caller("high", "token", frozenset({Scope.ELEVATE}))) == loose
    )
