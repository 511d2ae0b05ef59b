"""JSON that is odd, deep or wrong: each must be refused in words, and none may shake the server."""

from __future__ import annotations

from codex_http_server.testing.attack.answers import Answer
from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.replies import leaks
from codex_http_server.testing.attack.stage import Stage, refuses

# The deepest that is read, and what is done with it, changes within a few levels of each other:
# that is where a reader and a writer disagree.
DEPTHS = (100, 500, 900, *range(930, 996, 3), 1000, 2000, 100_000)


@attack("Brackets in brackets make a reader call itself until it falls over.")
async def deep(stage: Stage) -> Verdict:
    cases: dict[str, bytes] = {}
    for depth in DEPTHS:
        lists = b'{"working_directory":%s%s}' % (b"[" * depth, b"]" * depth)
        objects = b'{"a":' * depth + b"1" + b"}" * depth
        cases[f"{depth:,} lists"] = stage.probe(body=lists)
        cases[f"{depth:,} objects"] = stage.probe(body=objects)
    cases["100,000 that never close"] = stage.probe(body=b"[" * 100_000)
    return await stage.judge(cases, _refused_in_words)


@attack("What the core can't read it never answers: its conversation would be busy for ever.")
async def deep_schemas(stage: Stage) -> Verdict:
    path = "/conversations/00000000-0000-7000-8000-000000000000/messages"
    cases: dict[str, bytes] = {}
    for depth in (120, 126, 128, 250, 256, 500, 900):
        schema = b'{"a":' * depth + b"1" + b"}" * depth
        body = b'{"message":"%s","output_schema":%s}' % (stage.marker.encode(), schema)
        cases[f"{depth} levels"] = stage.request("POST", path, kind="application/json", body=body)
    return await stage.judge(cases, _refused_in_words)


@attack("Numbers that no machine holds could stop the server, or be kept and never read again.")
async def numbers(stage: Stage) -> Verdict:
    digits = b"9" * 100_000
    values = {
        "100,000 digits": digits,
        "5,000 digits": digits[:5000],
        "1e400": b"1e400",
        "-1e400": b"-1e400",
        "NaN": b"NaN",
        "-Infinity": b"-Infinity",
        "1e-100000": b"1e-100000",
        "0x10": b"0x10",
    }
    cases = {
        name: stage.probe(body=b'{"working_directory":%s}' % value)
        for name, value in values.items()
    }
    return await stage.judge(cases, _refused_in_words)


@attack("Text that can be read but not written: kept once, it would break every list it is in.")
async def texts(stage: Stage) -> Verdict:
    here = stage.body()[1:-1]
    bodies = {
        "invalid UTF-8": b'{"working_directory":"\xff\xfe"}',
        "overlong UTF-8": b'{"working_directory":"\xc0\xaf"}',
        "half a surrogate pair": b'{%s,"title":"\\ud800"}' % here,
        "a key of half a pair": b'{%s,"\\udfff":1}' % here,
        "NUL in a path": b'{"working_directory":"/\\u0000"}',
        "a raw NUL": b'{"working_directory":"/\x00"}',
        "a raw line end": b'{"working_directory":"/\n"}',
        "a path of 100,000 characters": b'{"working_directory":"/%s"}' % (b"a" * 100_000),
        "a relative path": b'{"working_directory":"../../etc"}',
        "a home": b'{"working_directory":"~root"}',
        "a title of 1 MB": b'{%s,"title":"%s"}' % (here, b"t" * 1_000_000),
    }
    cases = {name: stage.probe(body=body) for name, body in bodies.items()}
    return await stage.judge(cases, _refused_in_words)


@attack("What is half JSON is read by one program in one way and by the next in another.")
async def half_json(stage: Stage) -> Verdict:
    here = stage.body()
    bodies = {
        "nothing": b"",
        "spaces": b" " * 1000,
        "two documents": here + here,
        "a document and more": here + b"x",
        "a comment": b"/* */" + here,
        "single quotes": here.replace(b'"', b"'"),
        "a comma too much": here[:-1] + b",}",
        "no end": here[:-1],
        "a list": b"[%s]" % here,
        "a text": b'"working_directory"',
        "null": b"null",
        "the same key twice": here[:-1]
        + b', "working_directory": "/%s-2"}' % stage.marker.encode(),
        "an unknown key": here[:-1] + b', "__proto__": {"sandbox": "danger-full-access"}}',
        "a wrong type": b'{"working_directory": {"$ne": null}}',
    }
    cases = {name: stage.probe(body=body) for name, body in bodies.items()}
    return await stage.judge(cases, _refused_in_words)


def _refused_in_words(answer: Answer) -> bool:
    """A 4xx that says what is wrong, and nothing of what is inside."""
    if refuses(answer, 400, 413, 415):
        return answer.status != 0 and not leaks(answer)
    return answer.status == 422 and "code" in answer.json and not leaks(answer)
