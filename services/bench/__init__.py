"""Benchmarks against a stack of their own: rates, latencies and CPU beside this machine's limits in the same run.

Figures are medians of interleaved rounds, so that a machine that slows down slows every figure alike, and they come
with ratios to plain limits: an empty handler on the same server builder, COPY of the same rows, ``pgbench``.
"""
