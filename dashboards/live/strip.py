"""A line's states over time, from what is known: its output against its band, its gaps, its alerts, its calendar.

Pure. Time is cut into CELLS equal cells, each judged at its middle, equal neighbours joined; edges are therefore right
to one cell. A planned stop explains missing output and missing data; otherwise silence is `no data`, never `running`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from dashboards.live.state import LineState, Segment
from dashboards.live.window import CELLS, Span

PlannedStop = Callable[[int], str | None]


def state_of(value: float, score: float) -> LineState:
    """What an output in units per hour says with its method's score, of which 1 is the threshold; NaN is unknown.

    A value below the band is `below band` only when the method counts it as one: short windows have wider bands.
    """
    if math.isnan(value) or (value <= 0 and math.isnan(score)):
        return LineState.LEARNING
    if score >= 1.0:
        return LineState.STOPPED if value <= 0 else LineState.LOW
    return LineState.RUNNING


def strip(
    outputs: Sequence[tuple[int, LineState]],
    gaps: Sequence[Span],
    stops: Sequence[Span],
    planned_stop: PlannedStop,
    window: Span,
) -> tuple[Segment, ...]:
    """The states from `window.from_ns` to `window.to_ns`, without holes.

    `outputs` are (at_ns, state) in order, each valid until the next. `gaps` are stretches without readings; within
    one, `stops` (open output_drop alerts of a line that reports by event) say that it stood still.
    """
    times = [at_ns for at_ns, _ in outputs]
    cell_ns = max(1, (window.to_ns - window.from_ns) // CELLS)
    segments: list[Segment] = []
    for start_ns in range(window.from_ns, window.to_ns, cell_ns):
        end_ns = min(start_ns + cell_ns, window.to_ns)
        at_ns = (start_ns + end_ns) // 2
        state, reason = _judge(at_ns, outputs, times, gaps, stops, planned_stop)
        if segments and (segments[-1].state, segments[-1].reason) == (state, reason):
            segments[-1] = Segment(state, segments[-1].from_ns, end_ns, reason)
        else:
            segments.append(Segment(state, start_ns, end_ns, reason))
    return tuple(segments)


def _judge(
    at_ns: int,
    outputs: Sequence[tuple[int, LineState]],
    times: Sequence[int],
    gaps: Sequence[Span],
    stops: Sequence[Span],
    planned_stop: PlannedStop,
) -> tuple[LineState, str]:
    reason = planned_stop(at_ns)
    if reason is not None:
        return LineState.PLANNED, reason
    if _within(at_ns, gaps):
        return (LineState.STOPPED if _within(at_ns, stops) else LineState.NO_DATA), ""
    known = bisect_right(times, at_ns)
    return (outputs[known - 1][1] if known else LineState.LEARNING), ""


def _within(at_ns: int, spans: Sequence[Span]) -> bool:
    return any(span.from_ns <= at_ns < span.to_ns for span in spans)
