"""The contract, to the letter: these work as written, on a fresh start. One to a line."""

from __future__ import annotations

SIX = r"""
curl -s http://127.0.0.1:3032/health
curl -s -X POST http://127.0.0.1:3032/conversations -H "Content-Type: application/json" -d '{"working_directory": "/path/to/project"}'
curl -s -X POST http://127.0.0.1:3032/conversations/{id}/messages -H "Content-Type: application/json" -d '{"message": "Hello world"}'
curl -s http://127.0.0.1:3032/conversations
curl -s http://127.0.0.1:3032/conversations/{id}/events
curl -s http://127.0.0.1:3032/auth/status
""".strip().splitlines()  # noqa: E501
