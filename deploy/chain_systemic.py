"""What `andon chain systemic` answers: what share of all production is lost when nodes, places or firms fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from enum import StrEnum
from math import isnan
from typing import Any, NamedTuple

from collector.errors import AndonError
from deploy.chain_marks import Risk
from detectors.chain.network import Network
from detectors.chain.systemic import shocks
from detectors.chain.systemic.cascade import TOLERANCE, systemic_shares
from detectors.chain.systemic.fixed_point import fixed_points
from detectors.chain.systemic.impact import impact_of
from detectors.chain.systemic.money import of_network

Progress = Callable[[int, int], None]


class BadShare(AndonError):
    """The question cannot be asked so; the sentence names the option."""


class Together(StrEnum):
    """What fails together; `NODE` is every node alone."""

    NODE = "node"
    REGION = "region"
    COUNTRY = "country"
    CLUSTER = "cluster"
    DIVISION = "division"
    FIRM = "firm"


class Share(NamedTuple):
    """The ratio of all production (by what it sells for) lost when `name` fails; `down`, `up`: one direction alone.

    `steps` until rest, `last_fall` the largest fall in the last; None for the exact answer, which is known to `gap`.
    """

    name: str
    nodes: int
    share: float
    down: float
    up: float
    steps: int | None = None
    last_fall: float | None = None
    gap: float | None = None


class Shares(NamedTuple):
    """All shares of a question, the largest first. `chosen`: the nodes that were named, which fail together."""

    by: Together
    tolerance: float | None  # None: exact
    lost: float
    shares: tuple[Share, ...]
    warnings: tuple[str, ...]
    chosen: tuple[str, ...] = ()

    def sentences(self) -> Iterator[str]:
        """How to read the table."""
        yield from (f"warning: {warning}" for warning in self.warnings)
        how = "exact fixed point" if self.tolerance is None else f"tolerance {self.tolerance:g}"
        whole = "stops" if self.lost == 1 else f"loses {self.lost:.0%} of its production"
        who = f"each {self.by}"
        if self.chosen:
            who, whole = f"{', '.join(self.chosen)} together", whole.replace("stops", "stop").replace("loses", "lose")
        yield f"Share of all production lost when {who} {whole} ({how}; ESRI, Diem et al. 2022)."

    def table(self) -> list[dict[str, str]]:
        """Rows for people."""
        last = "known to" if self.tolerance is None else "steps"
        return [
            {
                str(self.by): one.name,
                "nodes": str(one.nodes),
                "share": f"{one.share:.2%}",
                "downstream": f"{one.down:.2%}",
                "upstream": f"{one.up:.2%}",
                last: _known(one),
            }
            for one in self.shares
        ]

    def facts(self) -> dict[str, Any]:
        """The same for programs; `gap` null: not enclosed."""
        return {
            "by": str(self.by),
            "chosen": list(self.chosen),
            "tolerance": self.tolerance,
            "exact": self.tolerance is None,
            "lost_ratio": self.lost,
            "warnings": list(self.warnings),
            "shares": [one._asdict() for one in self.shares],
        }

    def risks(self) -> dict[str, Risk]:
        """For the picture of the network: the share as a part of the largest. Only of single nodes."""
        largest = max((one.share for one in self.shares), default=0.0) or 1.0
        return {one.name: Risk(one.share / largest, f"share {one.share:.1%}") for one in self.shares}


def shares(
    network: Network,
    by: Together,
    *,
    chosen: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    exact: bool = False,
    lost: float = 1.0,
    on_progress: Progress = lambda done, of: None,
) -> Shares:
    """Every group loses `lost` (0 to 1) of its production in turn, or the `chosen` nodes alone, together.

    Raises BadShare and BadFirms.
    """
    if not tolerance > 0:
        raise BadShare(f"--tolerance {tolerance:g}: it is above 0; --exact needs none")
    if not 0 < lost <= 1:
        raise BadShare(f"--lost {lost:g}: it is the ratio of production lost, above 0 and up to 1")
    firms = of_network(network)
    members = _chosen(network, chosen) if chosen else _members(network, by)
    if not members:
        raise BadShare(f"--by {by}: no node says its {by}; fill that column of sites.csv")
    hit, impact = shocks.together(members, len(firms), lost), impact_of(firms)
    found: list[Share]
    if exact:
        ends = fixed_points(impact, hit, on_progress)
        gaps = [None if isnan(gap) else gap for gap in ends.gap.tolist()]
        columns = (ends.share.tolist(), ends.down.tolist(), ends.up.tolist(), gaps)
        found = [
            Share(name, len(members[name]), share, down, up, gap=gap)
            for name, share, down, up, gap in zip(members, *columns, strict=True)
        ]
        warnings = ends.warnings
    else:
        end = systemic_shares(impact, hit, tolerance=tolerance, on_progress=on_progress)
        rows = zip(members, end.share, end.down, end.up, end.steps.tolist(), end.last_fall.tolist(), strict=True)
        found = [
            Share(name, len(members[name]), float(share), float(down), float(up), steps, fall)
            for name, share, down, up, steps, fall in rows
        ]
        warnings = end.warnings
    found.sort(key=lambda one: (-one.share, one.name))
    return Shares(by, None if exact else tolerance, lost, tuple(found), warnings, tuple(dict.fromkeys(chosen)))


def _chosen(network: Network, names: Sequence[str]) -> dict[str, Sequence[int]]:
    """These nodes as one group."""
    index = {node.name: i for i, node in enumerate(network.nodes)}
    for name in names:
        if name not in index:
            near = get_close_matches(name, index, n=1)
            raise BadShare(f"--node {name}: the map has no such node{f'; did you mean {near[0]}?' if near else ''}")
    once = dict.fromkeys(names)
    return {" + ".join(once): [index[name] for name in once]}


def _members(network: Network, by: Together) -> dict[str, Sequence[int]]:
    """The nodes of each group by index; who says nothing is in none."""
    groups: dict[str, list[int]] = {}
    for i, node in enumerate(network.nodes):
        label = node.name if by is Together.NODE else getattr(node, by)
        if label:
            groups.setdefault(label, []).append(i)
    return dict(groups)


def _known(one: Share) -> str:
    if one.steps is not None:
        return str(one.steps)
    return "a lower bound" if one.gap is None else f"{one.gap:.0e}"
