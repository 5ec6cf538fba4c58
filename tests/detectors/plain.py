"""Small parts for tests of the engine: a threshold method, one that raises, and a spool filled by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Quality, Series
from collector.spool.frames import Frame, batch_frame
from collector.spool.ledger import Gap
from collector.spool.spool import Spool
from detectors.detector import Evidence, Point, Scores, as_scores
from detectors.rule import AlertRule
from detectors.settings import BoundRule

T0_NS = 1_700_000_000 * NS_PER_S
SERIES = Series(Equipment("e", "site", line="line", cell="cell"), "level")


class Threshold:
    """Scores value / 10; skips what is not newer. Its memory is the last instant of each series."""

    def __init__(self) -> None:
        self.last: dict[int, int] = {}

    def score(self, batch: Batch) -> Scores:
        rows = []
        for series, at_ns, value, quality in zip(
            batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True
        ):
            if quality == Quality.GOOD and at_ns > self.last.get(series, -1):
                self.last[series] = at_ns
                rows.append((series, at_ns, Point(value / 10, value, 0.0, 5.0, 10.0)))
        return as_scores(rows)

    def tick(self, at_ns: int) -> Scores:
        return as_scores([])

    def miss(self, gap: Gap) -> None:
        """Nothing: each reading is judged alone."""

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        return {"limit": 10.0, "nan": float("nan")}

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.last)

    def restore(self, state: bytes) -> None:
        self.last = msgspec.msgpack.decode(state, type=dict[int, int])


class RaisingAbove(Threshold):
    """Raises on a value above 1,000."""

    def score(self, batch: Batch) -> Scores:
        if (batch.value > 1000).any():
            raise ZeroDivisionError("no such value")
        return super().score(batch)


def bound(method: str, start: type[Threshold], **settings: object) -> BoundRule:
    """A rule whose method tells facts, like every threshold: no alarm budget bounds it."""
    rule = AlertRule(method=method, **settings)  # type: ignore[arg-type]
    return BoundRule(method, rule, lambda _context: start(), is_fact=True)


def batch_of(series: int, points: Iterable[tuple[float, float]], quality: Quality = Quality.GOOD) -> Batch:
    """A batch of (seconds after T0, value)."""
    builder = BatchBuilder()
    for second, value in points:
        at_ns = T0_NS + int(second * NS_PER_S)
        builder.add(series, at_ns, value, quality, at_ns)
    return builder.build()


def frames_of(series: int, points: Sequence[tuple[float, float]], cut: int) -> list[Frame]:
    """The points as frames of `cut` readings."""
    return [batch_frame("site/line", batch_of(series, points[i : i + cut])) for i in range(0, len(points), cut)]


def append(spool: Spool, frames: Iterable[Frame]) -> None:
    with spool.transaction():
        spool.series.id_of(SERIES)
        spool.log.append(frames)
