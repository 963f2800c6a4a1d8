"""Measures techco and what a user would write instead, in turn and in one run: `python -m tests.benchmarks`."""
