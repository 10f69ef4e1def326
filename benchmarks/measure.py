"""Quantiles and tables."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * len(ordered) * 1000) // 1000) - 1))]


def table(rows: Sequence[tuple[str, Sequence[float]]], unit: str) -> None:
    """p50, p99, n, and the ratio of the medians to that of the first row."""
    first = quantile(rows[0][1], 0.5)
    width = max(len(name) for name, _ in rows)
    print(f"{'':{width}}  {'p50 ' + unit:>12}  {'p99 ' + unit:>12}  {'n':>4}  ratio of p50")
    for name, values in rows:
        p50, p99 = quantile(values, 0.5), quantile(values, 0.99)
        print(f"{name:{width}}  {p50:12.2f}  {p99:12.2f}  {len(values):4}  {p50 / first:.2f}")
