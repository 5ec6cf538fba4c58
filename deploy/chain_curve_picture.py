"""What a failure costs as it lasts longer: loss curves of one or a few nodes as a picture.

Each curve has its own dash, mark and name at its end; where it leaves zero the chain has survived, and where the node
has recovered by its own time a mark says what was lost by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, inf, log10
from typing import NamedTuple

from deploy.chain_drawing import FAINT, INK, Anchor, Drawing, Line, Point, Polygon, Shape, Words, box, regular
from detectors.chain.programme.curve import LossCurve

MOST_CURVES = 6

_WIDTH, _HEIGHT = 980.0, 560.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 92.0, 250.0, 106.0, 62.0
_GRID = "#e4e7eb"
_STROKES = (  # colors that differ for color-blind eyes (Okabe & Ito 2008), and dashes
    ("#0072b2", ()),
    ("#d55e00", (9.0, 4.0)),
    ("#007a5a", (3.0, 3.0)),
    ("#8f4a78", (12.0, 3.0, 3.0, 3.0)),
    ("#8a6d00", (6.0, 2.0)),
    ("#000000", (1.5, 3.5)),
)


class Curve(NamedTuple):
    """What is lost when `name` fails, and its own time to recover, None where nobody knows."""

    name: str
    curve: LossCurve
    recovers_d: float | None


def curve_picture(curves: Sequence[Curve], title: str, note: str) -> Drawing:
    """Up to `MOST_CURVES` curves, from 0 to a third beyond the longest time to recover."""
    shown = list(curves[:MOST_CURVES])
    until_d = _until_d(shown)
    most = max((one.curve.loss(until_d) for one in shown), default=0.0) or 1.0
    plot = _Plot(until_d, most)
    shapes: list[Shape] = [Words(28, 36, title, 18, bold=True), Words(28, 56, note, 12, FAINT), *plot.axes()]
    ends = plot.apart([plot.at(until_d, one.curve.loss(until_d))[1] for one in shown])
    for place, (one, end) in enumerate(zip(shown, ends, strict=True)):
        shapes += plot.curve(one, place, end)
    return Drawing(_WIDTH, _HEIGHT, title, tuple(shapes))


def _until_d(curves: Sequence[Curve]) -> float:
    known = [one.recovers_d for one in curves if one.recovers_d]
    survived = [one.curve.survives_d for one in curves if one.curve.survives_d < inf]
    return 1.33 * max([*known, *([] if known else [2 * d for d in survived]), 1.0])


class _Plot:
    """Days to the right, loss upwards."""

    def __init__(self, until_d: float, most: float) -> None:
        self._until_d, self._step = until_d, _nice(most / 8)
        self._top = ceil(most / self._step) * self._step

    def at(self, d: float, loss: float) -> Point:
        x = _LEFT + d / self._until_d * (_WIDTH - _LEFT - _RIGHT)
        return x, _HEIGHT - _BOTTOM - loss / self._top * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self) -> list[Shape]:
        shapes: list[Shape] = []
        for i in range(round(self._top / self._step) + 1):
            (x0, y), (x1, _) = self.at(0, i * self._step), self.at(self._until_d, 0)
            shapes.append(Line([(x0, y), (x1, y)], _GRID))
            shapes.append(Words(x0 - 8, y + 4, _money(i * self._step), 11, INK, Anchor.END))
        every = _nice(self._until_d / 8)
        for i in range(floor(self._until_d / every) + 1):
            x, y = self.at(i * every, 0)
            shapes += [Line([(x, y), (x, y + 5)], INK), Words(x, y + 19, f"{i * every:g}", 11, INK, Anchor.MIDDLE)]
        left, bottom = self.at(0, 0)
        right, _ = self.at(self._until_d, 0)
        middle = (left + right) / 2
        return [
            *shapes,
            Line([(left, bottom), (right, bottom)], INK, 1.2),
            Words(middle, _HEIGHT - 16, "days for which it has failed", 12, FAINT, Anchor.MIDDLE),
            Words(_LEFT - 64, _TOP - 16, "lost, in the map's currency", 12, FAINT),
        ]

    def curve(self, one: Curve, place: int, end_y: float) -> list[Shape]:
        color, dash = _STROKES[place]
        bends = [d for d in one.curve.from_d if d < self._until_d]
        points = [self.at(d, one.curve.loss(d)) for d in [*bends, self._until_d]]
        x, y = points[-1]
        shapes: list[Shape] = [Line(points, color, 2.2, dash), Line([(x, y), (x + 14, end_y)], color, 1.0)]
        shapes += [
            Words(x + 18, end_y, one.name, 12, color, bold=True),
            Words(x + 18, end_y + 14, self._says(one), 11, INK),
        ]
        if one.curve.survives_d < self._until_d:
            shapes.append(Polygon(regular(*self.at(one.curve.survives_d, 0), 5, 24), "#ffffff", color, 2))
        if one.recovers_d is not None and one.recovers_d <= self._until_d:
            x, y = self.at(one.recovers_d, one.curve.loss(one.recovers_d))
            shapes.append(Polygon(box(x - 4.5, y - 4.5, 9, 9), color, color))
        return shapes

    def _says(self, one: Curve) -> str:
        survives = "never felt" if one.curve.survives_d == inf else f"survives {days(one.curve.survives_d)}"
        if one.recovers_d is None or one.curve.survives_d == inf:
            return survives
        return f"{survives}; {_money(one.curve.loss(one.recovers_d))} in {days(one.recovers_d)}"

    @staticmethod
    def apart(ys: Sequence[float], least: float = 34.0) -> list[float]:
        """The heights of the names, moved so that none stands on another."""
        placed: dict[int, float] = {}
        lowest = _HEIGHT - _BOTTOM - 14
        for i in sorted(range(len(ys)), key=lambda i: -ys[i]):
            placed[i] = min(ys[i], lowest)
            lowest = placed[i] - least
        return [placed[i] for i in range(len(ys))]


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return float(power * next(one for one in (1, 2, 5, 10) if one * power >= step * (1 - 1e-9)))


def days(count: float) -> str:
    """`2.08 d`, `2,490 d`."""
    return f"{count:,.0f} d" if count >= 100 else f"{count:.3g} d"


def _money(amount: float) -> str:
    for size, sign in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(amount) >= size:
            return f"{amount / size:.3g}{sign}"
    return f"{amount:.3g}"
