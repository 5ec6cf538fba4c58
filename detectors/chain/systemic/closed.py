"""Whether losses can die out: a network without final demand passes them round until everything has stopped.

In such a network the exact fixed point is a total loss, and what a cascade reports is decided by its tolerance.
"""

from __future__ import annotations

import numpy as np

from detectors.chain.systemic.firms import Flags
from detectors.chain.systemic.impact import Impact, Side

_ALL = 1.0 - 1e-12  # of a loss arrives


def undamped(side: Side) -> Flags:
    """The largest set of firms that pass a loss on among themselves whole: each has a slot filled by them alone.

    Upstream these are firms that sell to each other and nothing to final demand; downstream, firms that buy all of one
    input from each other. Links among them of different firms may still be separate circles.
    """
    inside: Flags = np.diff(side.first_slot) > 0
    while inside.any():
        filled = side.weight @ inside.astype(np.float64) >= _ALL
        counts = np.append(0, np.cumsum(filled))
        still = inside & (np.diff(counts[side.first_slot]) > 0)
        if still.sum() == inside.sum():
            break
        inside = still
    return inside


def warnings_of(impact: Impact) -> tuple[str, ...]:
    """One sentence where the network, or a part of it, is closed; nothing otherwise."""
    closed = int(undamped(impact.up).sum())
    if not closed:
        return ()
    whose = "all firms sell" if closed == len(impact) else f"{closed:,} of {len(impact):,} firms sell"
    return (
        f"closed network: {whose} only among themselves and nothing to final demand, so a loss never dies out "
        "there and the tolerance decides the result; give revenue above traded flows, or take the exact fixed point",
    )
