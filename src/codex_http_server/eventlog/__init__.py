"""The durable record: every event, numbered, committed before anyone sees it."""
