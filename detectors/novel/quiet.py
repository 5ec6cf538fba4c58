"""Quiet: one alarm an incident, and fewer the more there have been: what makes a sensitive sum bearable.

Input: the sum of a series' excesses, reading by reading. Output: the score, 1.0 at the threshold of that moment. An
alarm stands until the sum has been below the threshold for `STANDS` readings. After its beginning no other is raised
for `hold` readings, unless it is `AGAIN` times as strong. Each alarm raises the threshold; that is forgotten by half
every `FORGET` readings: the budget of a series that cannot settle.

Source: EEMUA 191 (2013), on repeating and fleeting alarms; ISA-18.2-2016, off-delay.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

AGAIN = 5.0
FORGET = 1500
STANDS = 12
_DEAR = 0.5  # how much of the threshold one alarm adds to it
_BELOW = 0.999
_FORGETTING = 0.5 ** (1.0 / FORGET)


class Quiet(msgspec.Struct):
    """`since` counts readings from the last alarm's beginning, -1 before the first; `calm` those below since."""

    since: int = -1
    peak: float = 0.0
    calm: int = STANDS
    spent: float = 0.0

    @property
    def stands(self) -> bool:
        """Whether an alarm stands."""
        return self.calm < STANDS


def judged(quiet: Quiet, totals: Iterable[float], threshold: float, hold: int) -> list[float]:
    """The scores of readings that follow each other; whatever is not raised is told as just below 1."""
    said = []
    since, peak, calm, spent = quiet.since, quiet.peak, quiet.calm, quiet.spent
    for total in totals:
        spent *= _FORGETTING
        score = total / (threshold * (1.0 + _DEAR * spent))
        if 0 <= since < hold:
            since += 1
        if score >= 1.0:
            if since < 0 or since >= hold or total > AGAIN * peak:
                spent += 1.0
                since, peak, calm = 0, total, 0
            elif calm < STANDS:
                calm = 0
            said.append(score if calm < STANDS else _BELOW)
        elif calm < STANDS:
            calm += 1
            said.append(1.0 if calm < STANDS else min(score, _BELOW))
        else:
            said.append(min(score, _BELOW))
    quiet.since, quiet.peak, quiet.calm, quiet.spent = since, peak, calm, spent
    return said
