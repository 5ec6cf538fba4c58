"""A drawing as PNG, painted by Pillow at twice its size and averaged.

The pictures of alerts need digits alone and are painted by `deploy.backtest.canvas`; names of sites need a typeface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from itertools import pairwise
from math import hypot
from typing import Any

from deploy.chain_drawing import GROUND, Anchor, BadPicture, Drawing, Line, Point, Polygon, Words

_SCALE = 2
_MOST_PIXELS = 120_000_000
_ANCHORS = {Anchor.START: "ls", Anchor.MIDDLE: "ms", Anchor.END: "rs"}


def png(drawing: Drawing) -> bytes:
    """The picture. Raises BadPicture where Pillow is missing or the drawing is too large for pixels."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise BadPicture("a PNG needs Pillow: `pip install andon[pictures]`, or name the picture .svg") from error
    size = (round(drawing.width * _SCALE), round(drawing.height * _SCALE))
    if size[0] * size[1] > _MOST_PIXELS:
        raise BadPicture(f"{drawing.width:.0f} x {drawing.height:.0f} pixels are too many for a PNG; name it .svg")
    image = Image.new("RGB", size, GROUND)
    brush = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        _paint(brush, shape)
    small = image.resize((round(drawing.width), round(drawing.height)), Image.Resampling.LANCZOS)
    file = BytesIO()
    small.save(file, "PNG", optimize=True, dpi=(96, 96))
    return file.getvalue()


def _paint(brush: Any, shape: Line | Polygon | Words) -> None:
    if isinstance(shape, Words):
        place = (shape.x * _SCALE, shape.y * _SCALE)
        thick = _SCALE * shape.size / 55 if shape.bold else 0
        brush.text(
            place,
            shape.text,
            fill=shape.color,
            font=_typeface(shape.size * _SCALE),
            anchor=_ANCHORS[shape.anchor],
            stroke_width=thick,
        )
        return
    width = max(1, round(shape.width * _SCALE))
    points = [(x * _SCALE, y * _SCALE) for x, y in shape.points]
    if isinstance(shape, Polygon):
        brush.polygon(points, fill=shape.fill)
        brush.line([*points, points[0], points[1]], fill=shape.edge, width=width, joint="curve")
        return
    for piece in _dashes(points, [one * _SCALE for one in shape.dash]) if shape.dash else [points]:
        brush.line(piece, fill=shape.color, width=width, joint="curve")


@cache
def _typeface(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _dashes(points: Sequence[Point], dash: Sequence[float]) -> Iterator[list[Point]]:
    """The drawn pieces of a line, the pattern running on around its corners."""
    drawn, turn, left = True, 0, dash[0]
    for (x0, y0), (x1, y1) in pairwise(points):
        length, done = hypot(x1 - x0, y1 - y0), 0.0
        while done < length:
            step = min(left, length - done)
            ends = [(x0 + (x1 - x0) * d / length, y0 + (y1 - y0) * d / length) for d in (done, done + step)]
            if drawn:
                yield ends
            done, left = done + step, left - step
            if left <= 1e-9:
                drawn, turn = not drawn, turn + 1
                left = dash[turn % len(dash)]
