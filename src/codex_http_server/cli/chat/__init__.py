"""`codex-http-server chat`: a small terminal client on the Python client."""
