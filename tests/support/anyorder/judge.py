"""What must be true of a conversation once all is quiet, whatever was done to it."""

from __future__ import annotations

from codex_http_server.testing.reader import Event, short
from tests.support.anyorder.known import Known
from tests.support.anyorder.stage import Stage
from tests.support.approvals import check_once
from tests.support.chaos.letters import Letter
from tests.support.chaos.verdict import check_everything, check_letters, user_messages
from tests.support.chaos.watchers import Watcher
from tests.support.chaos.wire import pause
from tests.support.commands import until
from tests.support.judge import check_reader, check_whole

QUIET = 90.0  # seconds for all turns to end


def come_to_rest(stage: Stage, known: Known) -> None:
    """Say no to every question until nothing runs and nothing waits."""

    def quiet() -> bool:
        for each in stage.ask("GET", f"{known.path}/approvals")[1]["data"]:
            path = f"{known.path}/approvals/{each['approval_id']}"
            stage.ask("POST", path, {"decision": "decline"})
        _, now = stage.ask("GET", f"{known.path}?include=snapshot")
        rests = now["conversation"]["status"] == "idle" and not now["queue"]
        if rests and not now["open_items"]:
            return True
        pause(0.1)
        return False

    until(quiet, f"{known.id} is quiet", QUIET)


def judge(stage: Stage, known: Known) -> None:
    """The log of one conversation, its readers and its messages."""
    assert stage.server is not None
    log = stage.server.events(known.id)
    try:
        check_whole(log)
        check_once(log)
        for after, reader in known.readers:
            _reach(reader, log)
            assert not reader.faults, f"{reader.path}: {reader.faults}"
            check_reader(reader.events, log, after)
        _check_letters(stage, known, log)
    except AssertionError as error:
        around = "\n".join(short(event) for event in log[-120:])
        raise AssertionError(f"{known.id}: {error}\n--- its log:\n{around}") from error


def judge_everything(stage: Stage, everything: Watcher) -> None:
    """The stream of everything has all that the log still holds."""
    found: list[Event] = []
    position = ""
    while True:
        after = f"&after={position}" if position else ""
        _, page = stage.ask("GET", f"/events?limit=2000{after}")
        found += page["data"]
        position = page["next_after"]
        if not page["data"] or position == page["head"]:
            break
    last = found[-1]["position"] if found else None
    until(
        lambda: last is None or any(e.get("position") == last for e in everything.events[-50:]),
        "the reader of everything is here",
    )
    check_everything(everything, found)


def _reach(reader: Watcher, log: list[Event]) -> None:
    head = log[-1]["seq"] if log else 0
    until(lambda: reader.has(head), f"{reader.path}: the reader has all ({reader.faults})")


def _check_letters(stage: Stage, known: Known, log: list[Event]) -> None:
    """Each message is there once, retries apart; one that was changed while it waited is not there
    with its old text."""
    own = [event for event in log if _shown_by(event) not in known.retries]
    shown = {text for _, text in user_messages(own)}
    assert not shown & set(known.changed), "a message was sent with its old text"
    letters: list[Letter] = [x for x in known.letters if x.text not in known.changed]
    check_letters(stage.address.url or "", letters, own)


def _shown_by(event: Event) -> str | None:
    """The submit id of the message that an event shows."""
    return event["data"]["item"].get("clientId") if event["type"] == "item/completed" else None
