"""Batches for tests: any rows that a collector could be given, and rows back from a batch."""

from __future__ import annotations

from hypothesis import strategies as st

from collector.readings import Batch, BatchBuilder

Row = tuple[int, int, float, int, int]
_INSTANT = st.integers(-(2**63), 2**63 - 1)


def rows(min_size: int = 0) -> st.SearchStrategy[list[Row]]:
    """Rows (series, at_ns, value, quality, received_ns) over the whole range of their columns, NaN left out."""
    row = st.tuples(st.integers(0, 2**31 - 1), _INSTANT, st.floats(allow_nan=False), st.integers(0, 255), _INSTANT)
    return st.lists(row, min_size=min_size, max_size=50)


def batch(*added: Row) -> Batch:
    builder = BatchBuilder()
    for row in added:
        builder.add(*row)
    return builder.build()


def rows_of(built: Batch) -> list[Row]:
    return list(zip(*(column.tolist() for column in built.columns), strict=True))
