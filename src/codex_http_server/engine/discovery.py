"""What the core offers: models, features, skills, configuration, MCP servers.

Owns the core's methods about them and what their refusals mean. Answers are the core's own
objects. Starts nothing but what the core starts for an answer: a look at the MCP servers runs
them, so that looks at the same time are one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, cast

import msgspec

from codex_http_server.errors import (
    ConfigVersionConflict,
    CoreError,
    CoreRefused,
    McpServerNotFound,
    SkillNotFound,
)

Json = dict[str, Any]
Ask = Callable[[str, Json], Awaitable[msgspec.Raw]]

PAGE: Final = 100
PAGES_MOST: Final = 50  # of one list; a core that goes on for ever is left there
AT_ONCE: Final = 16  # of the requests that may be with the core: turns keep the rest
USER: Final = "user"  # the layer of the configuration that can be written


class Edit(NamedTuple):
    """One change of the configuration. `merge`: `replace` or `upsert`."""

    key_path: str
    value: Any
    merge: str


class Written(NamedTuple):
    """A configuration that was written. `overridden`: what keeps it from being in effect."""

    version: str
    file: str
    overridden: Any


class Discovery:
    """Asks the core by `ask`, which may raise what requests to the core raise."""

    def __init__(self, ask: Ask) -> None:
        self._ask_core = ask
        self._room = asyncio.Semaphore(AT_ONCE)
        self._looks: dict[str, asyncio.Task[list[Json]]] = {}

    async def ask(self, method: str, params: Json) -> Any:
        """The core's answer to any method. Raises `CoreError` where it says no."""
        async with self._room:
            return msgspec.json.decode(await self._ask_core(method, params))

    # --- models, features, skills -----------------------------------------------------------

    async def models(self, *, hidden: bool) -> list[Json]:
        """All models of the catalogue; with `hidden` those that a picker does not show, too."""
        return await self._pages("model/list", {"includeHidden": hidden})

    async def features(self) -> list[Json]:
        """All features of this core, and whether they are on."""
        return await self._pages("experimentalFeature/list", {})

    async def skills(self, directory: str | None, *, again: bool = False) -> Json:
        """`{skills, errors}` as seen in a directory. `again`: the core reads the disk anew."""
        params: Json = {"cwds": [directory] if directory else [], "forceReload": again}
        with _refusals():
            found: list[Json] = (await self.ask("skills/list", params))["data"]
        return found[0] if found else {"skills": [], "errors": []}

    async def enable_skill(self, path: str, directory: str | None, *, enabled: bool) -> bool:
        """Turn a skill on or off; what it is then. The core takes any path, so it is looked for."""
        known: list[Json] = (await self.skills(directory))["skills"]
        if all(each["path"] != path for each in known):
            raise SkillNotFound(
                f"There is no skill {path[:300]!r} here.",
                hint="GET /skills lists them; name the working_directory of a project's skill.",
            )
        with _refusals():
            found = await self.ask("skills/config/write", {"path": path, "enabled": enabled})
        return bool(found["effectiveEnabled"])

    async def files(self, directory: str, query: str) -> list[Json]:
        """At most 50 files and directories below a directory whose path fits, as the core finds
        them: it follows links to anywhere, and leaves out what .gitignore names (measured)."""
        params: Json = {"query": query, "roots": [directory], "cancellationToken": None}
        with _refusals():
            found: Json = await self.ask("fuzzyFileSearch", params)
        return found["files"]

    # --- configuration ----------------------------------------------------------------------

    async def config(self, directory: str | None) -> Json:
        """`{config, origins, layers, requirements}` as in effect in a directory. With secrets."""
        params: Json = {"includeLayers": True, "cwd": directory}
        with _refusals():
            found: Json = await self.ask("config/read", params)
            required: Json = await self.ask("configRequirements/read", {})
        return found | {"requirements": required.get("requirements")}

    async def write_config(
        self, edits: Sequence[Edit], expected: str | None, *, reload: bool
    ) -> Written:
        """Change the user's config.toml, all edits or none. `expected`: only that version of it.
        `reload`: threads that are loaded take over what they can. Raises
        `ConfigVersionConflict`."""
        changes = [
            {"keyPath": each.key_path, "value": each.value, "mergeStrategy": each.merge}
            for each in edits
        ]
        params: Json = {"edits": changes, "expectedVersion": expected, "reloadUserConfig": reload}
        with _refusals():
            found: Json = await self.ask("config/batchWrite", params)
        return Written(found["version"], found["filePath"], found.get("overriddenMetadata"))

    # --- MCP servers ------------------------------------------------------------------------

    async def mcp_servers(self, name: str | None = None) -> list[Json]:
        """The MCP servers of the configuration, each asked for what it has; or the one of that
        name. Raises `McpServerNotFound`."""
        look = self._looks.get(name or "")
        if look is None:
            look = self._looks[name or ""] = asyncio.create_task(self._look_at(name))
            look.add_done_callback(self._looked)
        found = await asyncio.shield(look)  # who leaves does not end it for the others
        if name is not None and not found:
            raise _no_server(name)
        return found

    def _looked(self, look: asyncio.Task[list[Json]]) -> None:
        self._looks = {key: each for key, each in self._looks.items() if each is not look}
        if not look.cancelled():
            look.exception()  # told to whoever still waits; nobody need

    async def _look_at(self, name: str | None) -> list[Json]:
        return await self._pages("mcpServerStatus/list", {"serverName": name} if name else {})

    async def reload_mcp(self) -> None:
        """Have the core read the configuration of the MCP servers anew, for all threads."""
        with _refusals():
            await self.ask("config/mcpServer/reload", {})

    async def login_mcp(self, name: str, scopes: Sequence[str] | None, seconds: int) -> str:
        """Begin to sign in to an MCP server; the address to open. Its end is an event. Raises
        `McpServerNotFound`."""
        params: Json = {"name": name, "timeoutSecs": seconds}
        params |= {"scopes": list(scopes)} if scopes is not None else {}
        try:
            found: Json = await self.ask("mcpServer/oauth/login", params)
        except CoreError as error:
            if "No MCP server named" in error.message:
                raise _no_server(name) from error
            raise CoreRefused(error.message, core_code=error.rpc_code) from error
        return str(found["authorizationUrl"])

    async def _pages(self, method: str, params: Json) -> list[Json]:
        """The pages of a list, joined."""
        found: list[Json] = []
        more: Json = {"limit": PAGE}
        for _ in range(PAGES_MOST):
            with _refusals():
                page: Json = await self.ask(method, params | more)
            found += page["data"]
            if not page.get("nextCursor"):
                break
            more["cursor"] = page["nextCursor"]
        return found


def version_of(config: Json) -> tuple[str | None, str | None]:
    """Version and file of the layer that can be written; None where there is no such file."""
    layers: list[Json] = config.get("layers") or []
    for layer in layers:
        if layer["name"].get("type") == USER:
            return layer["version"], layer["name"].get("file")
    return None, None


@contextmanager
def _refusals() -> Generator[None]:
    """What the core refuses is refused to our caller, in the core's words."""
    try:
        yield
    except CoreError as error:
        code = cast("Json", error.data or {}).get("config_write_error_code")
        if code == "configVersionConflict":
            raise ConfigVersionConflict(
                "The configuration is no longer of the version that you expected.",
                hint="Read it again (GET /config) and make your change to that.",
            ) from error
        more: Json = {"core_reason": code} if code else {}
        raise CoreRefused(error.message, core_code=error.rpc_code, **more) from error


def _no_server(name: str) -> McpServerNotFound:
    return McpServerNotFound(
        f"There is no MCP server {name[:100]!r} in the configuration.",
        hint="GET /mcp-servers lists them; POST /mcp-servers/reload reads the configuration anew.",
    )
