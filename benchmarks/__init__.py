"""Benchmarks: accuracy, speed and scale; one command a table, JSON results in `benchmarks/results/`."""
