"""Benchmarks: each measures a peer and ours in one run and holds the ratio against a bar (see `bench.report`)."""
