"""What fails at the start: shocks as rows of lost production, one cascade each.

A shock is the ratio psi of its production that each firm loses from outside (1: all of it). Rows are sparse: most
shocks hit few firms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, diags_array, vstack

from collector.errors import AndonError
from detectors.chain.systemic.firms import Floats


class BadShock(AndonError):
    """A shock names an unknown firm or loses less than nothing or more than everything."""


@dataclass(frozen=True, eq=False)
class Shocks:
    """k shocks on n firms: `lost` (k x n) the ratio of production lost, 0 to 1; `names` of the shocks, or none.

    `lost_up` is what the same firms lose as customers, where that is another ratio than `lost`. Raises BadShock.
    """

    lost: csr_array
    lost_up: csr_array | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for lost in (self.lost, self.upstream):
            if lost.shape != self.lost.shape:
                raise BadShock(f"lost is {self.lost.shape} and lost_up {lost.shape}; both have a row for each shock")
            bad = ~((lost.data >= 0) & (lost.data <= 1))
            if bad.any():
                row, firm = (int(index[bad][0]) for index in lost.tocoo().coords)
                raise BadShock(f"shock {row} loses {lost.data[bad][0]} of firm {firm}; it must be 0 to 1")
        if len(self.names) not in (0, len(self)):
            raise BadShock(f"{len(self.names)} names for {len(self)} shocks; give one for each")

    def __len__(self) -> int:
        return int(self.lost.shape[0])

    @property
    def upstream(self) -> csr_array:
        return self.lost if self.lost_up is None else self.lost_up

    def part(self, first: int, last: int) -> Shocks:
        """The shocks `first` to `last - 1`."""
        up = None if self.lost_up is None else self.lost_up[first:last]
        return Shocks(self.lost[first:last], up, self.names[first:last])


def every_firm(n: int, ratio: float = 1.0) -> Shocks:
    """Each of `n` firms alone loses `ratio` of its production, in turn."""
    return Shocks(csr_array(diags_array(np.full(n, ratio))))


def together(sets: Mapping[str, Sequence[int]] | Sequence[Sequence[int]], n: int, ratio: float = 1.0) -> Shocks:
    """For each set of firms, given by index, one shock in which all of them lose `ratio`. Raises BadShock."""
    names, chosen = (tuple(sets), list(sets.values())) if isinstance(sets, Mapping) else ((), list(sets))
    firms = [np.unique(np.asarray(one, np.int64)) for one in chosen]
    unknown = [int(i) for one in firms for i in one if not 0 <= i < n]
    if unknown:
        raise BadShock(f"there is no firm {unknown[0]}; firms are 0 to {n - 1}")
    first = np.append(0, np.cumsum([len(one) for one in firms]))
    hit = np.concatenate([np.zeros(0, np.int64), *firms])
    return Shocks(csr_array((np.full(len(hit), ratio), hit, first), shape=(len(firms), n)), None, names)


def by_label(labels: Sequence[str], ratio: float = 1.0) -> Shocks:
    """For each distinct label (a region, country, cluster or division of every firm) all its firms lose `ratio`.

    Shocks come in the order of their labels, which are their names; firms with an empty label are in none.
    """
    sets: dict[str, list[int]] = {label: [] for label in sorted({*labels} - {""})}
    for firm, label in enumerate(labels):
        if label:
            sets[label].append(firm)
    return together(sets, len(labels), ratio)


def given(lost: ArrayLike, lost_up: ArrayLike | None = None, names: tuple[str, ...] = ()) -> Shocks:
    """Shocks from a table of ratios (shocks x firms), 0 where a firm is not hit. Raises BadShock."""
    return Shocks(_sparse(lost), None if lost_up is None else _sparse(lost_up), names)


def one_after_another(parts: Sequence[Shocks]) -> Shocks:
    """All shocks of `parts` as one list; they are on the same firms."""
    up = None if all(part.lost_up is None for part in parts) else _stacked([part.upstream for part in parts])
    return Shocks(_stacked([part.lost for part in parts]), up, tuple(name for part in parts for name in part.names))


def _sparse(lost: ArrayLike) -> csr_array:
    table: Floats = np.atleast_2d(np.asarray(lost, np.float64))
    return csr_array(table)


def _stacked(rows: Sequence[csr_array]) -> csr_array:
    return csr_array(vstack(rows, format="csr"))
