"""The page's session: how it begins, and what its cookie gives to whom."""

from __future__ import annotations

from typing import Any, cast

from codex_http_server.testing.attack.answers import Answer
from codex_http_server.testing.attack.attacks import Verdict, attack, skipped
from codex_http_server.testing.attack.stage import Stage, refuses
from codex_http_server.testing.attack.tokens import guess

NONE = "this server has no sessions"
MORE = {"elevate", "admin"}  # what nobody has for nothing


async def _has_sessions(stage: Stage) -> bool:
    return (await stage.ask(stage.get("/session"))).status != 404


def _begin(stage: Stage, code: str, *headers: str, **given: Any) -> bytes:
    body = b'{"code":"%s"}' % code.encode()
    filled: dict[str, Any] = {"kind": "application/json", "body": body, **given}
    return stage.request("POST", "/session", *headers, **filled)


@attack("A code that can be guessed gives a page everything that the user may allow.")
async def guessed_codes(stage: Stage) -> Verdict:
    if not await _has_sessions(stage):
        return skipped(NONE)
    codes = (guess("chc_"), "x", "0" * 64, "../server.json", "..", "%00", "c" * 190)
    cases = {code[:16]: _begin(stage, code) for code in codes}
    cases["no code"] = _begin(stage, "", body=b"{}")
    return await stage.judge(cases, lambda it: refuses(it, 400, 422) and not it.all("set-cookie"))


@attack("A page of another origin, or of another port of this machine, could begin a session.")
async def sessions_of_other_pages(stage: Stage) -> Verdict:
    if not await _has_sessions(stage):
        return skipped(NONE)
    code = guess("chc_")
    cases = {
        "a foreign page": _begin(stage, code, "Origin: http://evil.example"),
        "another port": _begin(stage, code, "Origin: http://127.0.0.1:1"),
        "of the same site": _begin(stage, code, "Sec-Fetch-Site: same-site"),
        "a form": _begin(stage, code, kind="text/plain"),
        "an address": stage.get(f"/session?code={code}", "Origin: http://evil.example"),
    }
    return await stage.refused(cases, 400, 415)


@attack("Whoever can set a cookie (a page of any port of this machine) would be the user's page.")
async def forged_cookies(stage: Stage) -> Verdict:
    if not await _has_sessions(stage):
        return skipped(NONE)
    name = f"codex_http_{stage.target.port}"
    cookies = {
        "a guess": f"{name}={guess('chp_')}",
        "nothing": f"{name}=",
        "a token": f"{name}={guess()}",
        "many": "; ".join(f"{name}={guess('chp_')}" for _ in range(50)),
        "another name": f"session={guess('chp_')}",
        "quotes": f'{name}="{guess("chp_")}"',
    }
    cases = {
        case: stage.get("/session", f"Cookie: {cookie}", token="")
        for case, cookie in cookies.items()
    }
    return await stage.judge(cases, _no_more)


def _no_more(answer: Answer) -> bool:
    scopes = answer.json.get("scopes")
    named = set(cast("list[str]", scopes)) if isinstance(scopes, list) else set[str]()
    return refuses(answer, 400) or (answer.good and not named & MORE)


@attack("A caller without `elevate` would get the agent out of its sandbox.", who=("caller",))
async def more_than_it_may(stage: Stage) -> Verdict:
    """Nothing is run: at worst there is a new conversation without a turn."""
    if stage.token and any("elevate" in each.scopes for each in stage.tokens
                           if each.secret == stage.token):  # fmt: skip
        return skipped("the caller's token has the scope elevate")
    wishes: dict[str, dict[str, Any]] = {
        "without a sandbox": {"sandbox": "danger-full-access"},
        "without questions": {"approval_policy": "never", "sandbox": "danger-full-access"},
    }
    here = {"working_directory": "/", "title": stage.marker}
    cases = {name: stage.probe(body=stage.body(**here, **wish)) for name, wish in wishes.items()}
    return await stage.refused(cases)
