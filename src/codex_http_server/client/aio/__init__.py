"""The asynchronous client (asyncio): thin I/O over the pure parts. Its twin is `sync`."""
