"""Names by which rows refer to sites and items: whether there is such a one, and which was probably meant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from detectors.chain.map.tables import Fault, Item, Row, Site

_NEIGHBOURS = 200  # names on either side, in order of the alphabet, among which a near one is looked for
_FEW = 2_000  # up to so many names all are looked at


class Meant:
    """The names of one table."""

    def __init__(self, noun: str, rows: Sequence[Site] | Sequence[Item]) -> None:
        self._noun = noun
        self._table = rows[0].table if rows else f"{noun}s"
        self._names = {row.id for row in rows}
        self._sorted: list[str] = []

    def unknown(self, rows: Sequence[Row], column: str, names: Iterable[str]) -> Iterator[Fault]:
        """The error of every name of a column that stands in no row of the table."""
        for row, name in zip(rows, names, strict=True):
            if name not in self._names:
                says = f"`{column}`: no {self._noun} {name!r} in {self._table}.csv{self._hint(name)}"
                yield Fault(row.table, row.row, f"{says}; add it there or correct the name")

    def _hint(self, name: str) -> str:
        self._sorted = self._sorted or sorted(self._names)
        near = self._sorted
        if len(near) > _FEW:
            place = bisect_left(near, name)
            near = near[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
        close = get_close_matches(name, near, n=1)
        return f" (did you mean {close[0]}?)" if close else ""
