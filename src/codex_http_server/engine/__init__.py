"""Our side of the Codex core: the process, the connection, the protocol."""
