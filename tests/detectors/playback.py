"""Runs one method over recorded readings as a line's log would: readings in order, a tick at every boundary between.

For back-tests and for the methods' own tests. A gap is told when its time comes, after the tick before it. A reading
exactly on a boundary comes before that boundary's tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from collector.readings import NS_PER_S, Batch
from collector.spool.ledger import Gap
from detectors.detector import Detector, Scores


def play(
    detector: Detector, batch: Batch, tick_s: float = 5.0, until_ns: int = 0, gaps: Sequence[tuple[int, Gap]] = ()
) -> Iterator[Scores]:
    """The scores of every stretch and tick up to the last reading, or `until_ns`. `batch` is in order of time.

    `gaps` are told at the instants they come with.
    """
    tick_ns = int(tick_s * NS_PER_S)
    if not len(batch):
        return
    done, boundary_ns = 0, -(-int(batch.at_ns[0]) // tick_ns) * tick_ns
    last_ns = max(int(batch.at_ns[-1]), until_ns)
    while boundary_ns < last_ns + tick_ns:
        for told_ns, gap in gaps:
            if boundary_ns - tick_ns <= told_ns < boundary_ns:
                detector.miss(gap)
        end = int(np.searchsorted(batch.at_ns, boundary_ns, side="right"))
        if end > done:
            yield detector.score(batch.take(slice(done, end)))
        yield detector.tick(boundary_ns)
        done, boundary_ns = end, boundary_ns + tick_ns
