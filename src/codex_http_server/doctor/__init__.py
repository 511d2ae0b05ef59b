"""Looks at everything that a server needs, and says what is wrong and what to do."""
