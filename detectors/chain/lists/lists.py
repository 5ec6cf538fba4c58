"""The planners' lists of a chain: `lists(network, settings)`, and the same by chain, cluster or division (`grouped`).

    found = lists(load(folder), Settings(surplus_ratio=3))
    for row in found.of(ListName.WEAK_LINKS): ...
    lists(anonymous(network))  # without the names of firms

Pure: a Network in, Lists out. LISTS.md one folder up defines every kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from detectors.chain.lists.blank_points import blank_points
from detectors.chain.lists.boards import long_boards, shortcomings
from detectors.chain.lists.leaders import leaders
from detectors.chain.lists.row import Leader, ListName, Row, Settings
from detectors.chain.lists.view import View
from detectors.chain.lists.weak_links import weak_links
from detectors.chain.map.codes import divisions
from detectors.chain.network import Network

_Placed = TypeVar("_Placed", Row, Leader)


class By(StrEnum):
    CHAIN = "chain"
    CLUSTER = "cluster"
    DIVISION = "division"


class Lists(msgspec.Struct, frozen=True):
    """All rows, those with most at stake first in each list, and the chain leaders. `home` is what counted as home."""

    rows: tuple[Row, ...]
    leaders: tuple[Leader, ...]
    home: str

    def of(self, name: ListName) -> tuple[Row, ...]:
        """The rows of one of the four lists."""
        return tuple(row for row in self.rows if row.list is name)


_DEFAULT = Settings()


def lists(network: Network, settings: Settings = _DEFAULT) -> Lists:
    """The four lists and the leaders of a chain. Work: about linear in its links, and in what each failure stops."""
    view = View(network, settings)
    rows = [*blank_points(view), *weak_links(view), *shortcomings(view), *long_boards(view)]
    order = list(ListName)
    rows.sort(key=lambda row: (order.index(row.list), -row.at_stake_per_d))
    return Lists(tuple(rows), tuple(leaders(view)), view.home)


def grouped(found: Sequence[_Placed], by: By, network: Network) -> Mapping[str, tuple[_Placed, ...]]:
    """The same rows (or leaders) under each chain, cluster or division they touch, several times where several.

    All of the map's chains and clusters, and all 41 divisions, are keys: an empty one is an answer, too. Rows that
    touch none are under "".
    """
    field = {By.CHAIN: "chains", By.CLUSTER: "clusters", By.DIVISION: "divisions"}[by]
    groups: dict[str, list[_Placed]] = {key: [] for key in _keys(by, network)}
    for one in found:
        for key in getattr(one, field) or ("",):
            groups.setdefault(key, []).append(one)
    return {key: tuple(rows) for key, rows in groups.items()}


def _keys(by: By, network: Network) -> Sequence[str]:
    if by is By.CHAIN:
        return sorted({node.item or node.name for node in network.nodes if node.demand_per_d})
    if by is By.CLUSTER:
        return sorted({node.cluster for node in network.nodes} - {""})
    return sorted(divisions())
