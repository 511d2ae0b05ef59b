"""What must be true once all is quiet: of the log, of every reader, of every message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from codex_http_server.testing.reader import Event, short
from tests.support.chaos.letters import Letter
from tests.support.chaos.model import Model
from tests.support.chaos.talks import Talk, of
from tests.support.chaos.watchers import Watcher
from tests.support.chaos.wire import call
from tests.support.judge import check_reader, check_whole


def judge(talk: Talk, log: list[Event], everything: Watcher, model: Model, kept: str) -> None:
    """One conversation: its log, its readers, what the model said in it and the core has kept."""
    check_whole(log)
    check_log_texts(log, model, kept)
    for after, reader in talk.readers:
        assert not reader.faults, f"{reader.path}: {reader.faults}"
        _check(reader.events, log, after, model)
    _check(of(everything.events, talk.id), log, 0, model)


def _check(events: list[Event], log: list[Event], after: int, model: Model) -> None:
    check_reader(events, log, after)
    check_heard(events, model)


def check_everything(reader: Watcher, log: Sequence[Event]) -> None:
    """The stream of everything: positions rise, and all that the log holds has come."""
    assert not reader.faults, reader.faults
    places = [place(event) for event in reader.events if "position" in event]
    assert places == sorted(set(places)), "positions do not rise"
    missing = {place(event) for event in log} - set(places)
    assert not missing, [short(e) for e in log if place(e) in missing][:10]


def place(event: Event) -> int:
    """The number in a position."""
    return int(str(event["position"]).rsplit("-", 1)[1])


# --- texts ----------------------------------------------------------------------------------------


def check_log_texts(log: list[Event], model: Model, kept: str) -> None:
    """Finished messages are what the model said, whole; a completed turn has all of them."""
    by_turn: dict[str, list[str]] = {}
    for event in log:
        item = event["data"].get("item") if event["type"].startswith("item/") else None
        if not item or event.get("item_type") != "agentMessage":
            continue
        if event["type"] == "item/completed":
            mark = str(item["text"]).split(".", 1)[0]
            said = model.said.get(mark)
            assert said is not None, f"the model never said {item['text']!r}"
            assert item["text"] == said.text, f"{item['text']!r} is not {said.text!r}"
            by_turn.setdefault(str(event["turn_id"]), []).append(said.text)
        else:
            check_part(str(item.get("text", "")), model)
    twice = [t for texts in by_turn.values() for t, count in Counter(texts).items() if count > 1]
    assert not twice, f"said once and logged twice: {twice}"
    _check_completed_turns(log, by_turn, model, kept)


def _check_completed_turns(
    log: list[Event], by_turn: dict[str, list[str]], model: Model, kept: str
) -> None:
    """A turn that completed has every text that the model said in it to the end, and that the
    core has kept: a slow answer may be too slow for the core, which then asks again."""
    messages: dict[str, list[str]] = {}
    for turn_id, text in user_messages(log):
        messages.setdefault(turn_id, []).append(text)
    for event in log:
        if event["type"] != "turn/completed" or event["status"] != "completed":
            continue
        turn_id = str(event["turn_id"])
        asked = messages.get(turn_id, [])
        said = model.by_message.get(asked[0], []) if len(asked) == 1 else []  # no steer cut it off
        wanted = [s.text for s in said if s.whole and s.text in kept]
        lost = set(wanted) - set(by_turn.get(turn_id, []))
        assert not lost, f"turn {turn_id} completed without {lost}"


def check_part(text: str, model: Model) -> None:
    """A text with holes: words of one answer, in their order."""
    words = text.split()
    if not words:
        return
    said = model.said.get(words[0].split(".", 1)[0])
    assert said is not None, f"the model never said {text!r}"
    rest = iter(said.words)
    assert all(word in rest for word in words), f"{text!r} is no part of {said.text!r}"


def check_heard(events: list[Event], model: Model) -> None:
    """What a reader heard of each message is part of one answer."""
    heard: dict[str, str] = {}
    for event in events:
        if event["type"] == "item/agentMessage/delta":
            key = f"{event['turn_id']}/{event['item_id']}"
            heard[key] = heard.get(key, "") + event["text"]
    for text in heard.values():
        check_part(text, model)


# --- messages -------------------------------------------------------------------------------------


def user_messages(log: list[Event]) -> list[tuple[str, str]]:
    """Turn and text of every message that a turn shows."""
    return [
        (str(event["turn_id"]), "".join(part.get("text", "") for part in _content(event)))
        for event in log
        if event["type"] == "item/completed" and event.get("item_type") == "userMessage"
    ]


def _content(event: Event) -> list[Any]:
    return event["data"]["item"].get("content") or []


def check_letters(url: str, letters: Sequence[Letter], log: list[Event]) -> Counter[str]:
    """Every message is there once; not at all only if it was refused, taken back or cut off."""
    shown = Counter(text for _, text in user_messages(log))
    twice = [text for text, count in shown.items() if count > 1]
    assert not twice, f"messages that the log shows twice: {twice}"
    ends = {str(e["turn_id"]): e["status"] for e in log if e["type"] == "turn/completed"}
    back = {t for e in log if e["type"] == "conversation/reverted" for t in e["data"]["turn_ids"]}
    fates: Counter[str] = Counter()
    for letter in letters:
        fate = _fate(url, letter, ends, back)
        there = shown[letter.text] == 1
        assert there or fate in ("refused", "removed", "interrupted", "failed"), (
            f"{letter} is {fate} and not in the log"
        )
        assert not (there and fate in ("refused", "removed")), f"{letter} is {fate} and in the log"
        fates[fate] += 1
    return fates


def _fate(url: str, letter: Letter, ends: dict[str, str], back: set[str]) -> str:
    """What became of a message, by its key. `back`: turns that were taken back, for a retry say."""
    if letter.status >= 400:
        assert letter.status == 409, f"{letter} was refused"
        return "refused"
    status, body = call(url, "POST", f"{letter.path}?wait=5", letter.body, letter.text)
    assert status == 200, f"{letter} is not done: {status} {body}"
    if body["status"] == "removed":
        assert letter.taken_back is not None, f"{letter} is removed, and nobody did it: {body}"
        return "removed"
    if letter.taken_back == 204:
        return f"taken back, and {body['status']}"
    turn = body["turn"] or {}
    assert body["turn_id"] in ends, f"{letter} has a turn that never ended: {body}"
    ended = turn.get("status", ends[body["turn_id"]] if body["turn_id"] in back else None)
    assert ended == ends[body["turn_id"]], f"{letter}: {turn} but {ends}"
    return str(ended)
