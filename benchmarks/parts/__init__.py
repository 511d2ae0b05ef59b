"""The parts. Each has `run(bench) -> list[Measure]` and knows nothing of the others."""
