"""Tokens: guessed, misspelled, or put where they do not belong."""

from __future__ import annotations

import base64
import secrets

from codex_http_server.testing.attack.attacks import Verdict, attack, broken, held, hole, skipped
from codex_http_server.testing.attack.stage import Stage, refuses

GUESSES = 40
WRONG = (400, 401, 431)
ENOUGH = (403, 429)  # refused for who it is, or for how often


def guess(prefix: str = "cht_") -> str:
    """A token in the form of the real ones."""
    return prefix + secrets.token_urlsafe(32)


@attack(
    "Anything in the header would do, or a wrong token would leave its sender with what one"
    " without a token may."
)
async def wrong_tokens(stage: Stage) -> Verdict:
    basic = base64.b64encode(b"admin:admin").decode()
    values = {
        "a guess": f"Bearer {guess()}",
        "a guess, lower case": f"bearer {guess()}",
        "a word": "Bearer token",
        "null": "Bearer null",
        "undefined": "Bearer undefined",
        "nothing": "",
        "no token": "Bearer",
        "a space": "Bearer ",
        "no scheme": guess(),
        "Basic": f"Basic {basic}",
        "another scheme": f"Token {guess()}",
        "two words": f"Bearer {guess()} {guess()}",
        "two in one": f"Bearer {guess()}, Bearer {guess()}",
        "beyond ASCII": "Bearer cht_\xe9\xff",
        "NUL in it, escaped": "Bearer cht_%00",
        "a hash": f"Bearer {secrets.token_hex(32)}",
        "a ticket": f"Bearer {guess('chs_')}",
        "a page's secret": f"Bearer {guess('chp_')}",
        "alg none": "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZXMiOlsiYWRtaW4iXX0.",
        "a path": "Bearer ../../tokens.json",
        "20,000 characters": f"Bearer {'t' * 20_000}",
    }
    cases = {name: stage.probe(f"Authorization: {it}", token="") for name, it in values.items()}
    two = (f"Authorization: Bearer {guess()}", f"Authorization: Bearer {guess()}")
    cases["two headers"] = stage.probe(*two, token="")
    return await stage.refused(cases, *WRONG)


@attack("Of two tokens one is checked, and the other may count.")
async def a_wrong_token_beside_a_right_one(stage: Stage) -> Verdict:
    if not stage.driver:
        return skipped("no token with read and drive was given: --tokens")
    right, wrong = f"Authorization: Bearer {stage.driver}", f"Authorization: Bearer {guess()}"
    cases = {
        "right, then wrong": stage.probe(right, wrong, token=""),
        "wrong, then right": stage.probe(wrong, right, token=""),
        "both in one": stage.probe(f"{right}, Bearer {guess()}", token=""),
        "with a tail": stage.probe(f"{right}x", token=""),
        "without its end": stage.probe(right[:-1], token=""),
        "as Basic": stage.probe(right.replace("Bearer", "Basic"), token=""),
    }
    return await stage.refused(cases, *WRONG)


@attack("A token in an address stands in histories, logs and Referer headers.")
async def tokens_in_addresses(stage: Stage) -> Verdict:
    queries = {
        "token": f"token={guess()}",
        "access_token": f"access_token={guess()}",
        "behind another": f"limit=1&token={guess()}",
        "empty": "token=",
        "without a value": "access_token",
        "in disguise": f"%74oken={guess()}",
        "in disguise too": f"access%5ftoken={guess()}",
    }
    cases = {name: stage.get(f"/conversations?{query}") for name, query in queries.items()}
    cases["stream"] = stage.get(f"/events?token={guess()}", "Accept: text/event-stream")
    kind, body = "application/json", stage.body()
    path = f"/conversations?access_token={guess()}"
    cases["POST"] = stage.request("POST", path, kind=kind, body=body)
    return await stage.refused(cases, *WRONG, head_only=True)


@attack("Whoever may guess without end finds a token at last, unseen.", alone=True)
async def guessing(stage: Stage) -> Verdict:
    statuses: list[int] = []
    for _ in range(GUESSES):
        data = stage.probe(f"Authorization: Bearer {guess()}", token="")
        answer = await stage.ask(data)
        statuses.append(answer.status)
        if not refuses(answer, 401):
            return broken("a guess was let in", hole("a guess", data, answer))
        if answer.status == 429:
            break
    if statuses[-1] not in ENOUGH:
        return broken(f"{GUESSES} wrong tokens, and no end to it: {statuses[-1]}")
    return held() if stage.who == "nobody" else await _still_welcome(stage)


async def _still_welcome(stage: Stage) -> Verdict:
    """Guessing must not lock out the one who need not guess."""
    data = stage.probe()
    answer = await stage.ask(data)
    if refuses(answer):
        return broken("the honest caller is locked out", hole("after it", data, answer))
    return held()
