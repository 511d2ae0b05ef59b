"""How the installed core's protocol compares to the one this server was tested with.

Owns the recorded summary (`protocol.json`: a hash for each method) and the comparison. A newer
core is allowed; /health reports what differs, and unknown notifications pass through.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any, Final

from codex_http_server.engine.lock import read_json, write_private

UNIONS: Final = ("ClientRequest", "ServerRequest", "ServerNotification")
GENERATE: Final = 30.0  # seconds for the core to write its schema (0.3 measured)
LISTED: Final = 20  # methods named in a report; the rest is counted

Summary = dict[str, dict[str, str]]


def recorded() -> dict[str, Any]:
    """The summary of the core that this server was tested with."""
    text = (resources.files("codex_http_server.engine") / "protocol.json").read_text()
    return json.loads(text)


def schemas(binary: Path) -> dict[str, dict[str, Any]]:
    """Ask the core for its schemas, by file name without `.json`. Raises OSError,
    SubprocessError."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(binary), "app-server", "generate-json-schema", "--experimental"]
        subprocess.run(
            [*command, "--out", folder],
            env=os.environ | {"CODEX_HOME": folder},
            check=True,
            capture_output=True,
            timeout=GENERATE,
        )
        return {path.stem: json.loads(path.read_text()) for path in Path(folder).glob("*.json")}


def summarise(binary: Path) -> Summary:
    """Ask the core for its schemas; a hash for each method. Raises OSError, SubprocessError."""
    written = schemas(binary)
    return {union: _methods(written[union]) for union in UNIONS}


def _methods(schema: dict[str, Any]) -> dict[str, str]:
    definitions: dict[str, Any] = schema.get("definitions", {})
    return {
        variant["properties"]["method"]["enum"][0]: _digest(variant, definitions)
        for variant in schema["oneOf"]
    }


def _digest(variant: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A hash of a method's shape: its own schema and all that it refers to."""
    used: dict[str, Any] = {}
    _collect(variant, definitions, used)
    text = json.dumps([variant, used], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _collect(node: Any, definitions: dict[str, Any], used: dict[str, Any]) -> None:
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).rsplit("/", 1)[-1]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        if name in definitions and name not in used:
            used[name] = definitions[name]
            _collect(definitions[name], definitions, used)
        for child in node.values():  # pyright: ignore[reportUnknownVariableType]
            _collect(child, definitions, used)
    elif isinstance(node, list):
        for child in node:  # pyright: ignore[reportUnknownVariableType]
            _collect(child, definitions, used)


def compare(found: Summary, known: Summary) -> dict[str, list[str]]:
    """Methods added, removed and changed against the recorded protocol."""
    report: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    for union in UNIONS:
        new, old = found.get(union, {}), known.get(union, {})
        report["added"] += sorted(new.keys() - old.keys())
        report["removed"] += sorted(old.keys() - new.keys())
        report["changed"] += sorted(m for m in new.keys() & old.keys() if new[m] != old[m])
    return report


def report(binary: Path, cache: Path) -> dict[str, Any]:
    """What /health says of the core's protocol. Blocks; the outcome is kept by binary."""
    stat = binary.stat()
    known = recorded()
    key = [str(binary), stat.st_size, stat.st_mtime_ns, known["version"]]
    kept = read_json(cache) or {}
    if kept.get("key") == key:
        return kept["report"]
    differs = compare(summarise(binary), known["methods"])
    found: dict[str, Any] = {
        "recorded": known["version"],
        "same": not any(differs.values()),
    }
    for name, methods in differs.items():
        if methods:
            found[name] = methods[:LISTED]
            found[f"{name}_count"] = len(methods)
    write_private(cache, {"key": key, "report": found})
    return found
