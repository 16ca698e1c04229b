"""Hot operations as a pytest-benchmark suite, held to a stored baseline of ratios: `make bench-quick`."""
