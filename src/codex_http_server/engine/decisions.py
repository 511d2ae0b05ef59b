"""What may be answered to a question of the core, and what the core is told then. Pure.

Owns the decisions of each kind of question. Names are the core's own where it has them; where
it lists what it offers (`availableDecisions`), that list is it, in its order. Each kind has a
decline that lets the turn go on (measured): it is the default at the deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from codex_http_server.errors import DecisionNotOffered, Invalid
from codex_http_server.records import Decision

Json = dict[str, Any]
NOBODY: Final = "Nobody could be asked."
HIDDEN: Final = "***"
VERIFICATION: Final = "openai/userVerification"  # its answer holds a proof of who the user is

_EDITS: Final = ("accept", "acceptForSession", "decline", "cancel")
# What holds beyond the session, or changes rules.
AMENDMENTS: Final = ("acceptWithExecpolicyAmendment", "applyNetworkPolicyAmendment")
FOR_SESSION: Final = ("acceptForSession", "approved_for_session")
_PERSISTENT: Final = frozenset(AMENDMENTS)


class Given(msgspec.Struct, frozen=True):
    """What a caller answered: a decision, by its id or in the core's form, and its parts."""

    decision: str | Json | None = None
    answers: dict[str, list[str]] | None = None
    content: Json | None = None
    result: Json | None = None


# --- what is offered ------------------------------------------------------------------------


def offered(method: str, request: Any) -> list[Decision]:
    """The decisions for a question; none where no valid answer is known."""
    make = _OFFERS.get(method)
    return [] if make is None else make(_object(request))


def default(decisions: list[Decision]) -> str | None:
    """The decision at the deadline: the decline, never a yes."""
    ids = [each.id for each in decisions]
    return next((no for no in ("decline", "denied") if no in ids), None)


def _object(value: Any) -> Json:
    """A JSON object; an empty one where a newer core has something else."""
    return cast(Json, value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _plain(decision: Any) -> Json:
    return {"decision": decision}


def _command(request: Json) -> list[Decision]:
    found = [_named(each) for each in _list(request.get("availableDecisions"))]
    found = found or [Decision(name, _plain(name)) for name in _EDITS]
    if all(each.id != "decline" for each in found):
        # The core takes a decline that it does not list, and the turn goes on (measured); its
        # `cancel` ends the turn, so it can't be what happens when nobody answers.
        found.append(Decision("decline", _plain("decline"), offered=False))
    return _distinct(found)


def _named(decision: Any) -> Decision:
    """One of `availableDecisions`: a name, or an object whose one key is the name."""
    if isinstance(decision, str):
        return Decision(decision, _plain(decision), elevate=decision in _PERSISTENT)
    name = str(next(iter(_object(decision)), "unknown"))
    rule = _object(_object(_object(decision).get(name)).get("network_policy_amendment"))
    action = rule.get("action")
    # An object carries what is to be remembered; one that we do not know is taken for that too.
    return Decision(f"{name}:{action}" if action else name, _plain(decision), elevate=True)


def _distinct(found: list[Decision]) -> list[Decision]:
    """The decisions, each with an id of its own."""
    seen: dict[str, int] = {}
    distinct: list[Decision] = []
    for each in found:
        count = seen[each.id] = seen.get(each.id, 0) + 1
        unique = each.id if count == 1 else f"{each.id}:{count}"
        distinct.append(msgspec.structs.replace(each, id=unique))
    return distinct


def _file_change(request: Json) -> list[Decision]:
    # With `grantRoot` a yes opens a whole folder, and not for this change only.
    wide = request.get("grantRoot") is not None
    return [
        Decision(name, _plain(name), elevate=wide and name.startswith("accept")) for name in _EDITS
    ]


def _permissions(request: Json) -> list[Decision]:
    wanted = _object(request.get("permissions"))
    return [
        Decision("accept", {"permissions": wanted, "scope": "turn"}),
        Decision("acceptForSession", {"permissions": wanted, "scope": "session"}),
        Decision("decline", {"permissions": {}}),
    ]


def _question(_: Json) -> list[Decision]:
    return [
        Decision("answer", {"answers": {}}, takes="answers"),
        Decision("decline", {"answers": {}}),
    ]


def _elicitation(request: Json) -> list[Decision]:
    told = _object(request.get("_meta")).get("persist")
    persist = [told] if isinstance(told, str) else _list(told)
    yes: Json = {"action": "accept"}
    found = [Decision("accept", yes, takes="content" if _has_form(request) else None)]
    for word, name in (("session", "acceptForSession"), ("always", "acceptAlways")):
        if word in persist:
            answer = yes | {"_meta": {"persist": word}}
            found.append(Decision(name, answer, elevate=word == "always"))
    return [*found, *(Decision(name, {"action": name}) for name in ("decline", "cancel"))]


def _has_form(request: Json) -> bool:
    """Whether a yes brings something along. A form of the openai kinds may have any shape."""
    if request.get("mode") != "form":
        return request.get("mode") != "url"
    return bool(_schema(request).get("properties"))


def _schema(request: Json) -> Json:
    return _object(request.get("requestedSchema"))


def _tool_call(_: Json) -> list[Decision]:
    text = {"type": "inputText", "text": "No client has run this tool."}
    return [
        Decision("result", {}, takes="result"),
        Decision("decline", {"success": False, "contentItems": [text]}),
    ]


def _legacy(_: Json) -> list[Decision]:
    names = ("approved", "approved_for_session", "abort")
    no = Decision("denied", _plain({"denied": {"rejection": NOBODY}}))
    return [*(Decision(name, _plain(name)) for name in names), no]


_OFFERS: Final[Mapping[str, Callable[[Json], list[Decision]]]] = {
    "item/commandExecution/requestApproval": _command,
    "item/fileChange/requestApproval": _file_change,
    "item/permissions/requestApproval": _permissions,
    "item/tool/requestUserInput": _question,
    "item/tool/call": _tool_call,
    "mcpServer/elicitation/request": _elicitation,
    "execCommandApproval": _legacy,
    "applyPatchApproval": _legacy,
}

# --- what was chosen ------------------------------------------------------------------------


def choose(decisions: list[Decision], given: Given) -> Decision:
    """The decision that a caller made. Raises `DecisionNotOffered`."""
    wanted = given.decision if given.decision is not None else _implied(given)
    for each in decisions:
        if wanted in (each.id, each.answer.get("decision", each.id)):
            return each
    ids = [each.id for each in decisions]
    said = "No decision was given" if wanted is None else f"{str(wanted)[:200]!r} is not offered"
    raise DecisionNotOffered(
        f"{said}; this approval takes {', '.join(ids)}.",
        offered=ids,
        errors=[{"field": "decision", "message": "must be one of those offered"}],
    )


def _implied(given: Given) -> str | None:
    """What the parts of an answer say without a decision."""
    if given.answers is not None:
        return "answer"
    return "result" if given.result is not None else None


def compose(decision: Decision, given: Given, request: Any) -> Json:
    """What the core is told. Raises `Invalid`, naming the field that does not fit."""
    found = _object(request)
    parts = {"answers": given.answers, "content": given.content, "result": given.result}
    for field, value in parts.items():
        if value not in (None, {}) and field != decision.takes:  # an empty form is none
            raise _invalid(field, f"does not go with the decision {decision.id}")
    if decision.takes is None:
        return decision.answer
    part = parts[decision.takes]
    if part is None:
        raise _invalid(decision.takes, f"must be given with the decision {decision.id}")
    match decision.takes:
        case "answers":
            return {"answers": _answers(given.answers or {}, found)}
        case "content":
            _check_content(part, found)
            return decision.answer | {"content": part}
        case "result":
            return part


def _answers(answers: dict[str, list[str]], request: Json) -> Json:
    known = [str(question.get("id")) for question in _questions(request)]
    if not answers:
        raise _invalid("answers", "must answer a question; to answer none, decline")
    for name in answers:
        if name not in known:
            raise _invalid(f"answers.{name}", f"is no question here; there are {', '.join(known)}")
    return {name: {"answers": texts} for name, texts in answers.items()}


def _questions(request: Json) -> list[Json]:
    return [_object(question) for question in _list(request.get("questions"))]


def _check_content(content: Json, request: Json) -> None:
    """What the form requires must be there; the rest is for the server that asked to check."""
    for name in _list(_schema(request).get("required")):
        if name not in content:
            raise _invalid(f"content.{name}", "is required by the form")


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}.", errors=[{"field": field, "message": message}])


def asked_for(answer: Any) -> Json:
    """The rule that an answer to the core has it remember: `pattern`, or `host` and `action`;
    nothing where it is none."""
    decision = _object(_object(answer).get("decision"))
    command = _object(decision.get(AMENDMENTS[0]))
    host = _object(_object(decision.get(AMENDMENTS[1])).get("network_policy_amendment"))
    return host or {"pattern": command.get("execpolicy_amendment")}


def shown(answer: Json, request: Any) -> Json:
    """An answer as it may be kept and seen: what the question calls secret is hidden."""
    found = _object(request)
    if "content" in answer and found.get("mode") == VERIFICATION:
        return answer | {"content": HIDDEN}
    secret = {each.get("id") for each in _questions(found) if each.get("isSecret")}
    given = _object(answer.get("answers"))
    if not secret & given.keys():
        return answer
    hidden = {"answers": [HIDDEN]}
    return {"answers": {name: hidden if name in secret else said for name, said in given.items()}}
