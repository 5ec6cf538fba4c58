"""The chain as a picture: tiers from left to right, every node with its risk as shape, word, number and color.

Input: a network and what each node's failure costs. A planner reads it without color: the shape and the word say the
same. Of large chains the most exposed nodes are shown, and the picture says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from deploy.chain_drawing import (
    FAINT,
    INK,
    Drawing,
    Line,
    Point,
    Polygon,
    Shape,
    Words,
    box,
    text_width,
)
from deploy.chain_layout import Layout, Place, apart, layout
from deploy.chain_marks import LOOKS, Level, Risk, mark, said
from detectors.chain.network import Network

MOST_SHOWN = 80  # nodes


_ROW, _BOX, _LINK_ROW, _GAP = 46.0, 36.0, 14.0, 74.0
_MARGIN, _HEAD, _FOOT = 28.0, 116.0, 30.0
_NAME, _SMALL = 11.5, 10.0
_SETTLED = 12  # rounds in which heights settle
_LINK, _LINK_SINGLE, _LINK_CLOSED = "#b8c2cc", "#6b7785", "#9aa5b1"


def network_picture(network: Network, risks: Mapping[str, Risk], title: str, note: str) -> Drawing:
    """`note` says what the risk is. Nodes that `risks` leaves out are unknown."""
    shown = _shown(network, risks)
    pairs = list(dict.fromkeys((arc.source, arc.target) for arc in network.arcs if {arc.source, arc.target} <= shown))
    names = [node.name for node in network.nodes if node.name in shown]
    spread = _Spread(layout(names, pairs), network, {name: risks.get(name, Risk(None)) for name in names})
    hidden = len(network.nodes) - len(names)
    more = (
        f"{len(names):,} of {len(network.nodes):,} nodes: those that cost most, with their way to a customer."
        if hidden
        else ""
    )
    width = max(spread.width, 880.0)
    heading = [
        Words(_MARGIN, 36, title, 18, bold=True),
        Words(_MARGIN, 56, f"{note} {more}".strip(), 12, FAINT),
        *_legend(),
        *_tier_names(spread),
    ]
    return Drawing(width, spread.height, title, (*heading, *spread.links(), *spread.boxes()))


def _shown(network: Network, risks: Mapping[str, Risk]) -> set[str]:
    """All nodes, or the most exposed with a shortest way of each to where its product is sold."""
    if len(network.nodes) <= MOST_SHOWN:
        return set(network.by_name)
    chosen: set[str] = set()
    for node in sorted(network.nodes, key=lambda node: -(risks.get(node.name, Risk(None)).ratio or 0.0)):
        more = chosen.union(_way_out(network, node.name))
        if len(more) > MOST_SHOWN:
            break
        chosen = more
    return chosen


def _way_out(network: Network, name: str) -> list[str]:
    """The node and those its product goes through until one sells; itself alone where none does."""
    came_from: dict[str, str] = {name: ""}
    for reached in (waiting := [name]):  # grows while it is walked
        if network.by_name[reached].demand_per_d:
            way = [reached]
            while came_from[way[-1]]:
                way.append(came_from[way[-1]])
            return way
        new = [arc.target for arc in network.arcs_from[reached] if arc.target not in came_from]
        came_from |= dict.fromkeys(new, reached)
        waiting += dict.fromkeys(new)
    return [name]


class _Spread:
    """The layout on pixels."""

    def __init__(self, places: Layout, network: Network, risks: Mapping[str, Risk]) -> None:
        self.places, self._network, self._risks = places, network, risks
        self.widths = [self._column_width(column) for column in places.tiers]
        self.left = [_MARGIN + sum(self.widths[:i]) + _GAP * i for i in range(len(self.widths))]
        self.width = (self.left[-1] + self.widths[-1] if self.left else 0.0) + _MARGIN
        heights = self._heights()
        top = _HEAD - min((y - self._row(place) / 2 for place, y in heights.items()), default=0.0)
        column_of = {place: i for i, column in enumerate(places.tiers) for place in column}
        self._at = {place: (column_of[place], y + top) for place, y in heights.items()}
        bottom = max((y + self._row(place) / 2 for place, (_, y) in self._at.items()), default=_HEAD)
        self.height = bottom + _FOOT

    def links(self) -> list[Shape]:
        return [
            Line(self._curve(way), color, width, dash)
            for pair, way in self.places.ways.items()
            for color, width, dash in [self._stroke(*pair)]
        ]

    def boxes(self) -> list[Shape]:
        shapes: list[Shape] = []
        for place, (column, y) in self._at.items():
            if self.places.is_node(place):
                shapes += self._box(place[0], self.left[column], y, self.widths[column])
        return shapes

    def _box(self, name: str, left: float, y: float, width: float) -> list[Shape]:
        risk = self._risks[name]
        look = LOOKS[risk.level]
        return [
            Polygon(box(left, y - _BOX / 2, width, _BOX), look.fill, look.edge, look.width),
            *mark(risk.level, left + 16, y),
            Words(left + 31, y - 3, name, _NAME, bold=True),
            Words(left + 31, y + 12, said(risk), _SMALL, INK),
        ]

    def _stroke(self, source: str, target: str) -> tuple[str, float, tuple[float, ...]]:
        """Dark where the source is the only one of something, the color of its risk where that is medium or high.

        Dashed where it may not deliver yet.
        """
        arcs = [arc for arc in self._network.arcs_from[source] if arc.target == target]
        if not any(arc.qualified for arc in arcs):
            return _LINK_CLOSED, 1.2, (5.0, 4.0)
        needs = [one.need for one in self._network.arcs_into[target] if one.qualified]
        alone = any(needs.count(arc.need) == 1 for arc in arcs if arc.qualified)
        level = self._risks[source].level
        if level in (Level.HIGH, Level.MEDIUM):
            return LOOKS[level].edge, 2.4 if alone else 1.4, ()
        return (_LINK_SINGLE, 2.0, ()) if alone else (_LINK, 1.1, ())

    def _curve(self, way: Sequence[Place]) -> list[Point]:
        """From the right edge of each place to the left edge of the next, level at both."""
        points: list[Point] = []
        for one, other in pairwise(way):
            (column, y0), (nearer, y1) = self._at[one], self._at[other]
            x0, x1 = self.left[column] + self.widths[column], self.left[nearer]
            points += [(self.left[column], y0)] if not self.places.is_node(one) else []
            points += [_between((x0, y0), (x1, y1), i / 16) for i in range(17)]
        return points

    def _heights(self) -> dict[Place, float]:
        """Every place near the middle of those it is linked with, first all columns around one middle."""
        rooms = [[self._row(place) for place in column] for column in self.places.tiers]
        heights: dict[Place, float] = {}
        for column, room in zip(self.places.tiers, rooms, strict=True):
            heights |= zip(column, apart([0.0] * len(column), room), strict=True)
        near: dict[Place, list[Place]] = {place: [] for place in heights}
        for way in self.places.ways.values():
            for one, other in pairwise(way):
                near[one].append(other)
                near[other].append(one)
        for _ in range(_SETTLED):
            for column, room in zip(self.places.tiers, rooms, strict=True):
                wanted = [fmean([heights[other] for other in near[place]] or [heights[place]]) for place in column]
                heights |= zip(column, apart(wanted, room), strict=True)
        return heights

    def _row(self, place: Place) -> float:
        return _ROW if self.places.is_node(place) else _LINK_ROW

    def _column_width(self, column: Sequence[Place]) -> float:
        names = [place[0] for place in column if self.places.is_node(place)]
        wide = [max(text_width(name, _NAME, bold=True), text_width(said(self._risks[name]), _SMALL)) for name in names]
        return 31 + max(wide, default=40.0) + 10


def _between(start: Point, end: Point, ratio: float) -> Point:
    """A point of the curve that leaves and arrives level."""
    bent = ratio * ratio * (3 - 2 * ratio)
    return start[0] + (end[0] - start[0]) * ratio, start[1] + (end[1] - start[1]) * bent


def _legend() -> list[Shape]:
    shapes: list[Shape] = []
    x, y = _MARGIN, 78.0
    for level, look in LOOKS.items():
        shapes += [*mark(level, x + 9, y - 4), Words(x + 23, y, look.says, 11, INK)]
        x += 23 + text_width(look.says, 11) + 16
    x, y = _MARGIN, 100.0
    for says, color, width, dash in (
        ("the only source of something", _LINK_SINGLE, 1.8, ()),
        ("one of several", _LINK, 1.1, ()),
        ("from a node of medium or high risk", LOOKS[Level.MEDIUM].edge, 2.4, ()),
        ("may not deliver yet", _LINK_CLOSED, 1.2, (5.0, 4.0)),
    ):
        shapes += [Line([(x, y - 4), (x + 30, y - 4)], color, width, dash), Words(x + 37, y, says, 11, INK)]
        x += 37 + text_width(says, 11) + 16
    return shapes


def _tier_names(spread: _Spread) -> list[Shape]:
    last = len(spread.left) - 1
    return [
        Words(left, spread.height - 10, "sold here" if i == last else f"tier {last - i}", 11, FAINT)
        for i, left in enumerate(spread.left)
    ]
