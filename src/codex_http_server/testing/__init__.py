"""A model provider that follows a script, for the demo, the tests and the benchmarks.

`provider.Provider` is the server; `answers` is what a test tells it to do.
"""
