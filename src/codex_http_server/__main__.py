"""`python -m codex_http_server`."""

from codex_http_server.cli.main import main

main()
