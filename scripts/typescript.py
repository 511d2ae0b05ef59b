"""Makes and checks the TypeScript client: `python -m scripts.typescript generate` and `check`.

`generate` writes clients/typescript/src/generated from openapi.json, or with `--check` only
compares; `check` builds the package and checks it as its users get it, and the types of web/, the
page that the server serves. Where the npm packages are not installed, all say so and are content.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clients" / "typescript"
GENERATED = PACKAGE / "src" / "generated"
NODE = Path(sys.prefix) / "bin" / "node"
PAGE = ROOT / "web"
TSC = "node_modules/typescript/lib/tsc.js"
GENERATOR = "node_modules/@hey-api/openapi-ts/bin/run.js"
LIMIT = 300  # seconds


def node(*arguments: str, **environment: str) -> int:
    """Run a program of the package; its exit status."""
    command = [str(NODE), *arguments]
    env = os.environ | environment
    return subprocess.run(command, cwd=PACKAGE, env=env, timeout=LIMIT, check=False).returncode


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def generate(*, check: bool) -> int:
    """Write src/generated, or with `check` compare it; 1 where it differs."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "generated"
        status = node(GENERATOR, "--file", "openapi-ts.config.mjs", GENERATED_INTO=str(made))
        if status != 0:
            return status
        wanted, found = contents(made), contents(GENERATED)
    if wanted == found:
        return 0
    name = GENERATED.relative_to(ROOT)
    if check:
        print(f"{name}: differs from openapi.json; run `make gen`")
        return 1
    _write(wanted, found.keys() - wanted.keys())
    print(f"{name}: written")
    return 0


def _write(wanted: dict[str, bytes], too_many: set[str]) -> None:
    for name, content in wanted.items():
        (GENERATED / name).parent.mkdir(parents=True, exist_ok=True)
        (GENERATED / name).write_bytes(content)
    for name in too_many:
        (GENERATED / name).unlink()


def check() -> int:
    """Check the package, and the types of the page."""
    status = node("scripts/check.mjs")
    if not (PAGE / "node_modules").exists():
        print("web: left out, its npm packages are not installed")
        return status
    return status or node(TSC, "-p", str(PAGE))


def main(arguments: list[str]) -> int:
    """See the head of this file."""
    if not (PACKAGE / "node_modules").exists():
        print("clients/typescript: left out, its npm packages are not installed")
        return 0
    match arguments:
        case ["generate"]:
            return generate(check=False)
        case ["generate", "--check"]:
            return generate(check=True)
        case ["check"]:
            return check()
        case _:
            print("usage: python -m scripts.typescript generate [--check] | check")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
