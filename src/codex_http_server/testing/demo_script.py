"""The "model" of the offline demo: plain requests, recognised by their form, done with real tools.

It keeps no state. What is left to do follows from the request: the user's last message says
which plan, the number of tools that answered since then says which step of it.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import TypeAlias

from codex_http_server.testing.answers import Command, Reasoning, Step
from codex_http_server.testing.demo_words import (
    Outcome,
    add_file,
    append_line,
    outcome,
    quoted,
    replace_in,
    say,
)
from codex_http_server.testing.requests import ModelRequest

MAX_TOOL_CALLS = 6

Steps: TypeAlias = Sequence[Step]
Done: TypeAlias = Sequence[Outcome]
Plan: TypeAlias = Callable[[re.Match[str], Done], Steps]

HELP = """\
I am a short script, not a model: this demo works without an account and without a network. \
The Codex core, its tools and its sandbox are real. I understand:

- show me what you can do
- list the files
- create a file notes.txt with some text
- add a line one more to notes.txt
- replace some to other in notes.txt
- show notes.txt
- run echo hello
- run echo hello outside the sandbox (which the server declines)

For the real thing, sign in with `codex login` and start `codex-http-server`."""

_HELLO = "demo_hello.sh"
_HELLO_TEXT = 'echo "Hello from a file that was written a moment ago."'


def demo_script(request: ModelRequest) -> Steps:
    """The next response of the scripted model; at most six tool calls for one message."""
    done = [outcome(result.output) for result in request.results]
    if len(done) >= MAX_TOOL_CALLS:
        return [say(f"I stop here: {len(done)} tool calls for one message are enough.")]
    asked = request.user_text.strip()
    for form, plan in _PLANS:
        found = form.search(asked)
        if found:
            return plan(found, done)
    return [say(HELP)]


def _list(_: re.Match[str], done: Done) -> Steps:
    if not done:
        return [Reasoning("**Looking around**\n\nA listing shows what is here."), Command("ls -la")]
    if not done[0].worked:
        return _sorry("The listing did not work", done[0])
    return [say(f"I looked into the folder:\n\n{quoted(done[0].output)}")]


def _show(found: re.Match[str], done: Done) -> Steps:
    name = _name(found)
    if not done:
        return [_read(name)]
    if not done[0].worked:
        return _sorry(f"I cannot read `{name}`", done[0])
    return [say(f"This is `{name}`:\n\n{quoted(done[0].output)}")]


def _run(found: re.Match[str], done: Done) -> Steps:
    command = _plain(found["command"])
    if not done:
        return [Command(command)]
    return [say(_told(command, done[0]))]


def _run_outside(found: re.Match[str], done: Done) -> Steps:
    command = _plain(found["command"])
    if not done:
        reason = "You asked to run this outside the sandbox. Shall I?"
        return [Command(command, escalate=True, justification=reason)]
    return [say(_told(command, done[0]))]


def _create(found: re.Match[str], done: Done) -> Steps:
    name = _name(found)
    if not done:
        content = found["text"]
        return [add_file(name, _plain(content) if content else "Written by the demo.")]
    if not done[0].worked:
        return _sorry(f"I could not write `{name}`", done[0])
    return [say(f"Done: `{name}` is written.")]


def _append(found: re.Match[str], done: Done) -> Steps:
    name, line = _name(found), _plain(found["text"])
    if len(done) == 1 and done[0].worked:
        return [append_line(name, line)]
    return _edit(name, done)


def _replace(found: re.Match[str], done: Done) -> Steps:
    name, old, new = _name(found), _plain(found["old"]), _plain(found["new"])
    if len(done) == 1 and done[0].worked:
        patch = replace_in(name, done[0].output, old, new)
        return [patch or say(f"There is no `{old}` in `{name}`, so I changed nothing.")]
    return _edit(name, done)


def _edit(name: str, done: Done) -> Steps:
    """What every change of a file has around it: the file is read first, the end is told."""
    if not done:
        return [_read(name)]
    if not done[0].worked:
        return _sorry(f"I cannot read `{name}`", done[0])
    if not done[-1].worked:
        return _sorry(f"I could not change `{name}`", done[-1])
    return [say(f"Done: `{name}` is changed.")]


def _tour(_: re.Match[str], done: Done) -> Steps:
    if done and not done[-1].worked:
        return _sorry("This step did not work, so I end the tour", done[-1])
    if not done:
        plan = "**Planning a small tour**\n\nLook around, write a script, run it, tell the result."
        return [Reasoning(plan), say("First I look around."), Command("ls -la")]
    if len(done) == 1:
        return [say("Now I write a small script."), add_file(_HELLO, _HELLO_TEXT)]
    if len(done) == 2:
        return [say("And I run it."), Command(f"sh {_HELLO}")]
    heard = quoted(done[-1].output)
    told = f"I looked around, wrote `{_HELLO}` and ran it. It said:\n\n{heard}\n\n"
    return [say(told + "Say `help` to see what else I understand.")]


def _read(name: str) -> Command:
    return Command(f"cat -- {shlex.quote(name)}")


def _told(command: str, ran: Outcome) -> str:
    if ran.exit_code is None:
        return f"`{command}` gave no exit code (refused, or still running):\n\n{quoted(ran.output)}"
    return f"`{command}` ended with exit code {ran.exit_code}:\n\n{quoted(ran.output)}"


def _sorry(what: str, failed: Outcome) -> Steps:
    return [say(f"{what}. The tool said:\n\n{quoted(failed.output)}")]


def _name(found: re.Match[str]) -> str:
    return _plain(found["name"])


def _plain(words: str) -> str:
    """Without the quotes or backticks around it, and the blanks around those."""
    words = words.strip()
    if len(words) > 1 and words[0] == words[-1] and words[0] in "\"'`":
        return words[1:-1]
    return words


def _form(pattern: str) -> re.Pattern[str]:
    name = r"""(?P<name>"[^"\n]+"|'[^'\n]+'|`[^`\n]+`|[^\s"'`?!]*[^\s"'`?!.,])"""
    return re.compile(pattern.replace("NAME", name), re.IGNORECASE | re.DOTALL)


# The first form that is found counts, so the more particular ones stand first.
_PLANS: Sequence[tuple[re.Pattern[str], Plan]] = (
    (_form(r"\bwhat (?:can you|you can) do\b|^look around\b"), _tour),
    (_form(r"^(?:please )?run (?P<command>.+?),? outside (?:of )?the sandbox\W*$"), _run_outside),
    (_form(r"^(?:please )?run (?P<command>.+)$"), _run),
    (
        _form(
            r"\b(?:create|write|make) (?:an? |the )?(?:new )?file (?:called |named )?NAME"
            r"(?:\s+(?:with|containing|saying)(?: the)?(?: (?:text|content))?[: ]\s*(?P<text>.+))?"
        ),
        _create,
    ),
    (_form(r"\badd (?:an? |the )?line (?P<text>.+?) to (?:the file )?NAME[.!]?$"), _append),
    (
        _form(
            r"\b(?:change|replace) (?P<old>.+?) (?:to|with|by) (?P<new>.+)"
            r" in (?:the file )?NAME[.!]?$"
        ),
        _replace,
    ),
    (_form(r"\blist\b.*\b(?:files|folder|directory)\b|\bwhat files\b|^ls$"), _list),
    (_form(r"^(?:please )?(?:show|read|open|cat)(?: me)?(?: the)?(?: file)? NAME[.!?]?$"), _show),
)
