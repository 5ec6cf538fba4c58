"""What each firm loses when those it buys from, or sells to, lose: the sparse matrices of both directions.

A *slot* is a set of links that a firm feels as one input: its essential suppliers of one sector, or all its
non-essential suppliers together. Its production follows the slot that is worst off (a generalised Leontief function):

    downstream  essential: money / what the buyer buys in that sector; non-essential: money / all the buyer buys,
                both times purchases / costs where costs are known; class 0: nothing
    upstream    money / the supplier's revenue, one slot for each supplier

Source: Diem et al., Sci Rep 12:7719, 2022, equations 5 to 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array

from detectors.chain.systemic.firms import ESSENTIAL, NO_EFFECT, Firms, Floats, Ints

NOBODY_STANDS = 1e-10  # money: below it a sector's standing production counts as 1 (convention of the reference cases)


@dataclass(frozen=True, eq=False)
class Side:
    """One direction: firm j reads the slots `first_slot[j]` to `first_slot[j + 1]`.

    `weight` (slots x firms): how much of the loss of the column's firm arrives in the row's slot.
    """

    first_slot: Ints
    weight: csr_array

    def __len__(self) -> int:
        return len(self.first_slot) - 1

    @cached_property
    def by_source(self) -> csc_array:
        """`weight` by columns: the slots that a firm's loss reaches."""
        return csc_array(self.weight)

    @cached_property
    def reader(self) -> Ints:
        """The firm that each slot belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.first_slot))


class Market(NamedTuple):
    """Who stands in for whom: `sector` and `sales` (n), and the firms of each sector, `members[first[k]:first[k+1]]`.

    `of_sector` (m): what each sector sells when all its firms stand.
    """

    sector: Ints
    sales: Floats
    first: Ints
    members: Ints
    of_sector: Floats


@dataclass(frozen=True, eq=False)
class Impact:
    """Both directions of a set of firms, and what a firm counts (`weights`, sums to 1).

    `market` is None where no firm can stand in for a failed one of its sector.
    """

    down: Side
    up: Side
    market: Market | None
    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)


def impact_of(firms: Firms, *, substitution: bool = True) -> Impact:
    """The impact matrices of `firms`; with `substitution` the loss of a small supplier of a sector counts less."""
    flows = coo_array((firms.money, (firms.supplier, firms.buyer)), shape=(len(firms), len(firms)))
    flows.sum_duplicates()
    flows.eliminate_zeros()
    counted = firms.sales if firms.weights is None else firms.weights
    return Impact(
        down=_down(firms, *_links(flows)),
        up=_up(firms, *_links(flows)),
        market=_market(firms) if substitution else None,
        weights=counted / counted.sum(),
    )


def _links(flows: coo_array) -> tuple[Ints, Ints, Floats]:
    return flows.row.astype(np.int32), flows.col.astype(np.int32), flows.data


def _down(firms: Firms, supplier: Ints, buyer: Ints, money: Floats) -> Side:
    classes = firms.essential[firms.sector[supplier], firms.sector[buyer]]
    together = len(firms.essential)  # the slot of all non-essential suppliers
    slot = buyer.astype(np.int64) * (together + 1) + np.where(classes == ESSENTIAL, firms.sector[supplier], together)
    _, of_link = np.unique(slot, return_inverse=True)
    weight = money / np.where(classes == ESSENTIAL, np.bincount(of_link, money)[of_link], firms.purchases[buyer])
    if firms.costs is not None:
        weight *= firms.purchases[buyer] / firms.costs[buyer]
    felt = classes != NO_EFFECT
    return _side(len(firms), slot[felt], supplier[felt], buyer[felt], weight[felt])


def _up(firms: Firms, supplier: Ints, buyer: Ints, money: Floats) -> Side:
    revenue = firms.sales if firms.revenue is None else firms.revenue
    return _side(len(firms), supplier.astype(np.int64), buyer, supplier, money / revenue[supplier])


def _side(n: int, slot: np.ndarray, source: Ints, reader: Ints, weight: Floats) -> Side:
    """Links in the order of their reader, slot and source. `slot` grows with the reader."""
    order = np.lexsort((source, slot))
    slot, source, reader, weight = slot[order], source[order], reader[order], weight[order]
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    first_link = np.append(starts, len(slot)).astype(np.int32)
    return Side(
        first_slot=_firsts(np.bincount(reader[starts], minlength=n)),
        weight=csr_array((weight, source, first_link), shape=(len(starts), n)),
    )


def _market(firms: Firms) -> Market:
    members = np.argsort(firms.sector, kind="stable").astype(np.int32)
    first = _firsts(np.bincount(firms.sector, minlength=len(firms.essential)))
    of_sector = np.bincount(firms.sector, firms.sales, minlength=len(firms.essential)).astype(np.float64)
    return Market(firms.sector, firms.sales, first, members, of_sector)


def _firsts(counts: np.ndarray) -> Ints:
    return np.append(0, np.cumsum(counts)).astype(np.int32)
