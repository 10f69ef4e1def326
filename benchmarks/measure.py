"""Quantiles and tables."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 26
"""Of the names in a table."""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * len(ordered) * 1000) // 1000) - 1))]


class Table:
    """p50, p99, n, and the ratio of the medians to that of the first row; each row is printed when it is known."""

    def __init__(self, unit: str) -> None:
        self._first: float | None = None
        print(f"{'':{WIDTH}}  {'p50 ' + unit:>12}  {'p99 ' + unit:>12}  {'n':>4}  ratio of p50", flush=True)

    def row(self, name: str, values: Sequence[float]) -> None:
        """Print one row; `values` are all trials."""
        p50, p99 = quantile(values, 0.5), quantile(values, 0.99)
        if self._first is None:
            self._first = p50
        print(f"{name:{WIDTH}}  {p50:12.2f}  {p99:12.2f}  {len(values):4}  {p50 / self._first:.2f}", flush=True)
