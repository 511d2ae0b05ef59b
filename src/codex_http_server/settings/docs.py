"""docs/settings.md, from the table.

Owns the words around the table. `scripts/gen` writes the file.
"""

from __future__ import annotations

from codex_http_server.settings.table import CONFIG_ENV, SETTINGS, TOKEN_ENV, Setting

INTRODUCTION = f"""\
# Settings

A setting is looked for in this order, and the first place that has it decides:

1. the flag on the command line;
2. the environment variable (an empty one counts as not set);
3. the settings file: `--config FILE`, else `{CONFIG_ENV}`, else `config.toml` in the folder
   `codex-http-server` of the platform's configuration folder (`~/.config` on Linux), if it exists;
4. the default.

A value that is not allowed stops the start and names the setting, the place and what is allowed.
So does a key of the file that is no setting.

| setting | flag | environment | default | takes | what it is |
|---|---|---|---|---|---|
"""

CLOSING = f"""
`{TOKEN_ENV}` is no setting: it is a token with all scopes but `admin`, at least 16 characters,
and stands in the environment only ([security](concepts/security.md#tokens)). The server takes it
out of its environment when it starts.

Settings that take several values are repeated as flags, separated by commas in the environment,
and lists in the file. A relative path starts at the present folder, in the file at the folder of
the file.

```toml
# config.toml
port = 4000
allow_origin = ["https://app.example", "app://foux"]
require_token = true
max_body = "32MiB"
heartbeat = 5
```
"""


def settings_markdown() -> str:
    """The whole page, one row per setting."""
    return INTRODUCTION + "".join(_row(row) for row in SETTINGS) + CLOSING


def _row(row: Setting) -> str:
    cells = (f"`{row.name}`", f"`{row.flag}`", f"`{row.env}`", row.shown, row.kind.allowed)
    return "| " + " | ".join((*cells, row.help)) + " |\n"
