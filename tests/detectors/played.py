"""One series played into one method by hand, in seconds from an arbitrary start."""

from __future__ import annotations

from types import ModuleType

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context, Evidence, Scores

START_S = 1_752_000_000  # 2025-07-08 18:40 UTC, a Tuesday


def series(metric: str, kind: Kind, unit: str = "1", on_event: bool = False) -> Series:
    return Series(Equipment("acme", "north", "", "press", "cell"), metric, unit, kind, on_event=on_event)


class Played:
    """`at` gives a reading and `tick` an instant; both answer with the score, None where the method says nothing."""

    def __init__(
        self, method: ModuleType, of: Series, calendar: Calendar | None = None, **options: float | None
    ) -> None:
        self.context = Context({0: of}, calendar or Calendar(), "north/press")
        self.detector = method.build(method.Options(**options), self.context)
        self.said: Scores | None = None

    def at(self, second: float, value: float, quality: int = Quality.GOOD) -> float | None:
        builder = BatchBuilder()
        builder.add(0, int((START_S + second) * NS_PER_S), value, quality, 0)
        return self._score(self.detector.score(builder.build()))

    def tick(self, second: float) -> float | None:
        return self._score(self.detector.tick(int((START_S + second) * NS_PER_S)))

    def explain(self, second: float) -> Evidence:
        return self.detector.explain(0, int((START_S + second) * NS_PER_S))

    def _score(self, scores: Scores) -> float | None:
        if not len(scores):
            return None
        self.said = scores
        return float(scores.score[-1])
