"""A drawing as values (lines, polygons, words), and as SVG by a small writer of our own.

Places are pixels from the upper left. The same Drawing is painted as PNG by `deploy.chain_png`; `write` takes the one
that the file's name asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from math import cos, pi, sin
from pathlib import Path
from typing import NamedTuple

from collector.errors import AndonError

Point = tuple[float, float]

FONT = "Helvetica, Arial, sans-serif"
INK, FAINT, GROUND = "#1f2933", "#616e7c", "#ffffff"


class BadPicture(AndonError):
    """A picture cannot be written; the sentence names the file and what would help."""


class Anchor(StrEnum):
    """Which end of a text stands at its place."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


class Line(NamedTuple):
    """Through points; `dash` is (drawn, left out) in pixels, empty for a solid line."""

    points: Sequence[Point]
    color: str = INK
    width: float = 1.0
    dash: tuple[float, ...] = ()


class Polygon(NamedTuple):
    points: Sequence[Point]
    fill: str = GROUND
    edge: str = INK
    width: float = 1.0


class Words(NamedTuple):
    """One line of text whose baseline is at `y`."""

    x: float
    y: float
    text: str
    size: float = 12.0
    color: str = INK
    anchor: Anchor = Anchor.START
    bold: bool = False


Shape = Line | Polygon | Words


@dataclass(frozen=True)
class Drawing:
    """Shapes on a white ground, the first lowest. `title` says what it shows, also to who cannot see it."""

    width: float
    height: float
    title: str
    shapes: tuple[Shape, ...]


def box(left: float, top: float, width: float, height: float) -> list[Point]:
    """The corners of a rectangle."""
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def regular(x: float, y: float, radius: float, corners: int, turned: float = 0.0) -> list[Point]:
    """A regular polygon around a place, its first corner straight up (`turned` in parts of a full turn)."""
    angles = [2 * pi * (i / corners + turned) - pi / 2 for i in range(corners)]
    return [(x + radius * cos(angle), y + radius * sin(angle)) for angle in angles]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is, rather too much than too little."""
    wide = sum(1.0 if ord(sign) > 0x2E80 else 0.0 for sign in text)
    return size * (wide + (len(text) - wide) * (0.6 if bold else 0.55))


def write(drawing: Drawing, file: Path) -> None:
    """The drawing as the kind of file its name ends in: .svg or .png. Raises BadPicture."""
    try:
        if file.suffix.lower() == ".svg":
            file.write_text(svg(drawing), encoding="utf-8")
        elif file.suffix.lower() == ".png":
            from deploy.chain_png import png

            file.write_bytes(png(drawing))
        else:
            raise BadPicture(f"{file}: a picture is an .svg or a .png; name it so")
    except OSError as error:
        raise BadPicture(f"{file}: cannot be written: {error.strerror}") from error


def refuse_unknown_kind(file: Path | None) -> None:
    """Before any long work: raises BadPicture where `write` would refuse the name."""
    if file is not None and file.suffix.lower() not in (".svg", ".png"):
        raise BadPicture(f"{file}: a picture is an .svg or a .png; name it so")


def svg(drawing: Drawing) -> str:
    """Scalable Vector Graphics 1.1."""
    size = f'width="{drawing.width:.0f}" height="{drawing.height:.0f}"'
    view = f'viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} role="img" font-family="{FONT}">',
            f"<title>{escape(drawing.title)}</title>",
            f'<rect width="100%" height="100%" fill="{GROUND}"/>',
            *map(_element, drawing.shapes),
            "</svg>\n",
        ]
    )


def _element(shape: Shape) -> str:
    if isinstance(shape, Words):
        weight = ' font-weight="bold"' if shape.bold else ""
        place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"'
        return f'<text {place} fill="{shape.color}"{weight}>{escape(shape.text)}</text>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if isinstance(shape, Polygon):
        return (
            f'<polygon points="{points}" fill="{shape.fill}" stroke="{shape.edge}" stroke-width="{shape.width:g}" '
            'stroke-linejoin="round"/>'
        )
    dash = f' stroke-dasharray="{" ".join(f"{one:g}" for one in shape.dash)}"' if shape.dash else ""
    return f'<polyline points="{points}" fill="none" stroke="{shape.color}" stroke-width="{shape.width:g}"{dash}/>'
