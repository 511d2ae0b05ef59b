"""What a turn runs under, and who may ask for it. Pure.

The core's resolved configuration decides where nothing is stated. A caller without the scope
`elevate` may tighten that, or loosen it up to the ceiling: workspace-write without network,
asking on request; or whatever the core resolves for that directory, if that is looser.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from codex_http_server.auth.callers import Caller, Scope
from codex_http_server.engine.base import Policy
from codex_http_server.errors import ElevateRequired
from codex_http_server.records import ConversationRecord, Stated

SANDBOXES: Final[dict[str, dict[str, Any]]] = {
    "read-only": {"type": "readOnly", "networkAccess": False},
    "workspace-write": {
        "type": "workspaceWrite",
        "writableRoots": [],
        "networkAccess": False,
        "excludeTmpdirEnvVar": False,
        "excludeSlashTmp": False,
    },
    "danger-full-access": {"type": "dangerFullAccess"},
}
_MODES: Final = {policy["type"]: mode for mode, policy in SANDBOXES.items()}
_SANDBOX_RANK: Final = {"read-only": 0, "workspace-write": 1, "danger-full-access": 2}
_APPROVAL_RANK: Final = {"untrusted": 0, "on-request": 1, "never": 2}


def sandbox_mode(policy: dict[str, Any]) -> str:
    """The core's sandbox policy as the word that this API uses for it."""
    kind = str(policy.get("type", ""))
    return _MODES.get(kind, kind)


def merge(base: Stated, over: Stated) -> Stated:
    """`over` where it says something, else `base`."""
    return Stated(
        model=over.model or base.model,
        reasoning_effort=over.reasoning_effort or base.reasoning_effort,
        approval_policy=over.approval_policy or base.approval_policy,
        sandbox=over.sandbox or base.sandbox,
    )


def resolved(record: ConversationRecord) -> Policy:
    """What the core's own configuration gives this conversation."""
    return Policy(
        model=record.resolved_model,
        reasoning_effort=record.resolved_effort,
        approval_policy=record.resolved_approval,
        sandbox_policy=record.resolved_sandbox,
    )


def effective(record: ConversationRecord, overrides: Stated) -> Policy:
    """The full policy of a turn of this conversation. Nothing is left to what came before."""
    core, stated = resolved(record), merge(record.stated, overrides)
    # A model's default effort is its own: the core's resolved one belongs to its model.
    same_model = stated.model in (None, core.model)
    return Policy(
        model=stated.model or core.model,
        reasoning_effort=stated.reasoning_effort or (core.reasoning_effort if same_model else None),
        approval_policy=stated.approval_policy or core.approval_policy,
        sandbox_policy=_sandbox(stated.sandbox, core.sandbox_policy),
    )


def _sandbox(mode: str | None, core: dict[str, Any]) -> dict[str, Any]:
    if mode is None or mode == sandbox_mode(core):
        return core  # with the writable roots and network of the user's own configuration
    return SANDBOXES[mode]


def check_ceiling(stated: Stated, core: Policy, caller: Caller) -> None:
    """Refuse what only the scope `elevate` may ask for. Raises `ElevateRequired`."""
    for field in _beyond(stated, core, caller):
        raise _elevate(field, getattr(stated, field))


def within_ceiling(stated: Stated, core: Policy, caller: Caller) -> Stated:
    """`stated` without what only the scope `elevate` may ask for."""
    return msgspec.structs.replace(stated, **dict.fromkeys(_beyond(stated, core, caller)))


def _beyond(stated: Stated, core: Policy, caller: Caller) -> list[str]:
    """The fields that are looser than this caller may ask for."""
    if caller.may(Scope.ELEVATE):
        return []
    found: list[str] = []
    allowed = max(1, _SANDBOX_RANK.get(sandbox_mode(core.sandbox_policy), 0))
    if stated.sandbox is not None and _SANDBOX_RANK[stated.sandbox] > allowed:
        found.append("sandbox")
    limit = max(1, _approval_rank(core.approval_policy))
    if stated.approval_policy is not None and _approval_rank(stated.approval_policy) > limit:
        found.append("approval_policy")
    return found


def _approval_rank(policy: Any) -> int:
    """A granular policy asks for some things and not for others: as loose as on-request."""
    return _APPROVAL_RANK.get(policy, 1) if isinstance(policy, str) else 1


def _elevate(field: str, value: Any) -> ElevateRequired:
    return ElevateRequired(
        f"{field} {value!r} is looser than this caller may ask for.",
        hint="Use a token with the scope elevate; or, if you mean it for all work there, set it in"
        " the Codex configuration (config.toml) of this home.",
        field=field,
    )
