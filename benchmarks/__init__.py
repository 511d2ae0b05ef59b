"""What the server costs, measured beside the bare core. See README.md; not part of the wheel."""
