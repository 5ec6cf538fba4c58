"""The chain as a map in tiers, with the path the risk takes, and what each exposed node stands to lose."""

from __future__ import annotations

from typing import NamedTuple

from collector.schema import AlertLevel
from dashboards.live.html import Html, el
from dashboards.live.marks import level_mark
from dashboards.live.state import ArcView, BoardState, ExposureView, NodeView
from dashboards.live.words import Times, days, number, plain

PLACE = 4
QUESTION = "Who stops next, and where does the risk come from?"
_WIDE, _TALL, _GAP_X, _GAP_Y = 176, 66, 108, 11
_TIER = _WIDE + _GAP_X
_AT_RISK = 0.005  # below, the risk is none on this map
_LONGEST_NAME = 22
_LONGEST_LABEL = 15


class Box(NamedTuple):
    x: float
    y: float


def render(state: BoardState, times: Times) -> Html:
    if not state.nodes:
        return el("p", "The chain has not been computed yet.", class_="quiet")
    return el("div", _map(state, times), _exposures(state.exposures, times))


def _map(state: BoardState, times: Times) -> Html:
    boxes, height = _boxes(state.nodes)
    width = max(box.x for box in boxes.values()) + _WIDE
    at_risk = [node.title or node.node for node in state.nodes if node.risk >= _AT_RISK]
    label = f"Map of the chain; at risk: {', '.join(at_risk) or 'nobody'}"
    drawing = el(
        "svg",
        (_arc(arc, boxes) for arc in state.arcs),
        (_node(node, boxes[node.node], times) for node in state.nodes),
        (_label(arc, boxes[arc.source]) for arc in state.arcs if arc.risk >= _AT_RISK),
        viewBox=f"-4 -4 {width + 8:.0f} {height + 8:.0f}",
        width=width + 8,
        class_="map",
        role="img",
        aria_label=label,
    )
    return el("div", drawing, class_="map-scroll", tabindex=0, role="region", aria_label="Chain map")


def _boxes(nodes: tuple[NodeView, ...]) -> tuple[dict[str, Box], float]:
    """Places: one column for every distinct x, inside it in the order of y, centred; and the height of all."""
    tiers: dict[float, list[str]] = {}
    for node in nodes:
        tiers.setdefault(node.x, []).append(node.node)
    height = max(len(names) for names in tiers.values()) * (_TALL + _GAP_Y) - _GAP_Y
    boxes = {}
    for column, x in enumerate(sorted(tiers)):
        names = tiers[x]
        top = (height - len(names) * (_TALL + _GAP_Y) + _GAP_Y) / 2
        for row, name in enumerate(names):
            boxes[name] = Box(column * _TIER, top + row * (_TALL + _GAP_Y))
    return boxes, height


def _arc(arc: ArcView, boxes: dict[str, Box]) -> Html:
    start, end = boxes[arc.source], boxes[arc.target]
    x1, y1, x2, y2 = start.x + _WIDE, start.y + _TALL / 2, end.x - 7, end.y + _TALL / 2
    bend = max(30.0, abs(x2 - x1) / 2)
    path = f"M{x1:.0f} {y1:.0f} C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    risky = arc.risk >= _AT_RISK
    return el(
        "g",
        el("path", d=path, stroke_width=3 + 4 * min(arc.risk, 1.0) if risky else 1.5),
        el("path", d=f"M{x2 + 7:.0f} {y2:.0f} l-9 -5 v10 Z", class_="tip"),
        el("title", f"{arc.material}: {arc.source} to {arc.target}, risk {arc.risk:.0%}"),
        class_="arc risk" if risky else "arc",
        data_key=f"{arc.source}|{arc.target}|{arc.material}",
    )


def _label(arc: ArcView, start: Box) -> Html:
    """What travels on an arc at risk, above the place where it leaves."""
    named = _short(plain(arc.material), _LONGEST_LABEL)
    return el("text", named, x=start.x + _WIDE + 8, y=start.y + _TALL / 2 - 9, class_="arc-label")


def _node(node: NodeView, box: Box, times: Times) -> Html:
    risky = node.risk >= _AT_RISK
    mark = (
        el("g", level_mark(_level(node)), class_="node-mark", transform=f"translate({_WIDE - 26} 7)") if risky else None
    )
    return el(
        "g",
        el("rect", x=0, y=0, width=_WIDE, height=_TALL, rx=2),
        el("text", node.kind, x=10, y=15, class_="kind"),
        el("text", _short(node.title or plain(node.node)), x=10, y=30, class_="name"),
        (el("text", line, x=10, y=45 + 14 * i, class_="cover") for i, line in enumerate(_cover(node, times))),
        mark,
        el("title", f"{node.title or node.node}. {node.subtitle}"),
        class_=f"node{f' risk {_level(node)}' if risky else ''}{' unknown' if node.unknown else ''}",
        transform=f"translate({box.x:.0f} {box.y:.0f})",
        data_key=node.node,
    )


def _level(node: NodeView) -> AlertLevel:
    return AlertLevel.CRITICAL if node.stops_at else AlertLevel.WARNING


def _cover(node: NodeView, times: Times) -> list[str]:
    """The two most telling things known: silence, when it stops, how long it survives, how long its supply lasts."""
    told = [_short(node.subtitle)] if node.unknown else []
    if node.stops_at:
        told.append(f"stops {times.minute(node.stops_at * 1_000_000)}")
    if node.time_to_survive_d is not None:
        told.append(f"survives {days(node.time_to_survive_d)}")
    if node.days_of_supply_d is not None:
        told.append(f"supply for {days(node.days_of_supply_d)}")
    return [*told, _short(node.subtitle)][:2]


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _exposures(exposures: tuple[ExposureView, ...], times: Times) -> Html | None:
    if not exposures:
        return el("p", "No open alert puts a node of the chain at risk.", class_="quiet")
    heads = ("Stops first", "Wants", "Supply left", "Survives", "Recovers in", "Loses a day", "Best action")
    rows = (_exposure(exposure, times) for exposure in exposures)
    head = el("tr", (el("th", name, scope="col") for name in heads))
    return el("div", el("table", el("thead", head), el("tbody", rows), class_="exposures"), class_="table-scroll")


def _exposure(exposure: ExposureView, times: Times) -> Html:
    stops = f" at {times.minute(exposure.stops_at * 1_000_000)}" if exposure.stops_at else ""
    cells = (
        plain(exposure.material),
        days(exposure.days_of_supply_d),
        days(exposure.time_to_survive_d),
        days(exposure.time_to_recover_d),
        number(exposure.lost_per_d),
        exposure.best_action or "–",
    )
    key = f"{exposure.node}|{exposure.material}"
    return el(
        "tr", el("th", plain(exposure.node) + stops, scope="row"), (el("td", cell) for cell in cells), data_key=key
    )
