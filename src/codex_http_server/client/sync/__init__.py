"""The synchronous client: thin I/O over the pure parts. Its twin is `aio`."""
