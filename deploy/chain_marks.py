"""How bad a node is, in a way that needs no color: a word, a shape, a number; colors last.

Risk(0.22, "survives 84 d").level      mark(Level.HIGH, x, y)      said(risk)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from deploy.chain_drawing import Anchor, Polygon, Shape, Words, box, regular

HIGH, MEDIUM = 0.5, 0.1  # of the largest


class Level(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"
    UNKNOWN = "unknown"


class Risk(NamedTuple):
    """Of one node: `ratio` of the largest loss (0 to 1, None: unknown) and a few words such as `survives 12 d`."""

    ratio: float | None
    words: str = ""

    @property
    def level(self) -> Level:
        if self.ratio is None:
            return Level.UNKNOWN
        if self.ratio >= MEDIUM:
            return Level.HIGH if self.ratio >= HIGH else Level.MEDIUM
        return Level.LOW if self.ratio > 0 else Level.NONE


@dataclass(frozen=True)
class Look:
    fill: str
    edge: str
    width: float
    says: str


LOOKS = {
    Level.HIGH: Look("#f9d2cd", "#9b1c1c", 2.2, f"high: {HIGH:.0%} of the largest or more"),
    Level.MEDIUM: Look("#ffe2bd", "#b4540a", 1.6, f"medium: {MEDIUM:.0%} or more"),
    Level.LOW: Look("#fff8d6", "#8a7000", 1.0, "low: less"),
    Level.NONE: Look("#ffffff", "#8795a1", 1.0, "none: nothing is lost"),
    Level.UNKNOWN: Look("#e4e7eb", "#3e4c59", 1.0, "unknown: cannot be said"),
}


def said(risk: Risk) -> str:
    small = "<0.01" if risk.ratio and risk.ratio < 0.01 else f"{risk.ratio or 0:.2f}"
    number = f" {small}" if risk.ratio else ""
    return f"{risk.level}{number}{', ' if risk.words else ''}{risk.words}"


def mark(level: Level, x: float, y: float) -> list[Shape]:
    """The shape of a level: diamond, triangle, square, circle, and a question mark."""
    edge = LOOKS[level].edge
    if level is Level.HIGH:
        return [Polygon(regular(x, y, 9, 4), edge, edge), Words(x, y + 4, "!", 12, "#ffffff", Anchor.MIDDLE, bold=True)]
    if level is Level.MEDIUM:
        return [Polygon(regular(x, y + 2, 9, 3), edge, edge)]
    if level is Level.LOW:
        return [Polygon(box(x - 6, y - 6, 12, 12), "#ffffff", edge, 2)]
    if level is Level.NONE:
        return [Polygon(regular(x, y, 6, 24), "#ffffff", edge, 1.4)]
    return [Words(x, y + 5, "?", 15, edge, Anchor.MIDDLE, bold=True)]
