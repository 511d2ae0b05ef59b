"""MCP servers: what they offer, how they stand, signing in to one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse, Response

from codex_http_server.api.bodies import Body, Whole
from codex_http_server.api.schemas import CoreList, McpServerLogin
from codex_http_server.api.services import Use
from codex_http_server.clock import now_ms, rfc3339
from codex_http_server.logs import get_logger, redact_value

router = APIRouter(tags=["discovery"])
log = get_logger(__name__)

ScopeName = Annotated[str, Field(min_length=1, max_length=200)]


class BeginMcpLogin(Body):
    """How to sign in; all of it may be left out."""

    scopes: list[ScopeName] | None = Field(
        default=None, max_length=100, description="Else those that the server names."
    )
    timeout: Whole = Field(default=300, ge=1, le=3600, description="Seconds that a person has.")


@router.get("/mcp-servers", response_model=CoreList)
async def list_mcp_servers(services: Use) -> JSONResponse:
    """The MCP servers of the configuration: tools, resources, whether a login is needed, and why
    one does not start (`toolsError`). The core starts them to find out."""
    return JSONResponse({"data": redact_value(await services.discovery.mcp_servers())})


@router.get("/mcp-servers/{server_name}", response_model=CoreList)
async def get_mcp_server(server_name: str, services: Use) -> JSONResponse:
    """One MCP server: `data` holds it alone. The others are not started."""
    return JSONResponse({"data": redact_value(await services.discovery.mcp_servers(server_name))})


@router.post("/mcp-servers/reload", status_code=204)
async def reload_mcp_servers(services: Use) -> Response:
    """Read the configuration of the MCP servers anew, for conversations that are loaded too: they
    have the new servers from their next turn on."""
    await services.discovery.reload_mcp()
    log.info("the MCP servers are read anew")
    return Response(status_code=204)


@router.post("/mcp-servers/{server_name}/login", status_code=202, response_model=McpServerLogin)
async def sign_in_to_mcp_server(
    server_name: str, services: Use, body: BeginMcpLogin | None = None
) -> JSONResponse:
    """Begin to sign in to an MCP server with OAuth; open `url` in a browser on the server's
    machine. The core keeps the tokens."""
    wanted = body or BeginMcpLogin()
    expires = now_ms() + wanted.timeout * 1000
    url = await services.discovery.login_mcp(server_name, wanted.scopes, wanted.timeout)
    log.info("a login to an MCP server began", server=server_name)
    found = {"name": server_name, "url": url, "expires_at": rfc3339(expires)}
    return JSONResponse(found, 202, {"Cache-Control": "no-store"})
