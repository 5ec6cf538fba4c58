"""Quiet: one alarm an incident, and fewer the more there have been: what makes a sensitive sum bearable.

Input: the sum of a series' excesses, reading by reading. Output: the score, 1.0 at the threshold of that moment. An
alarm stands until the sum has been below the threshold for `STANDS` readings. After its beginning no other is raised
for `hold` readings, unless it is `AGAIN` times as strong. Each alarm raises the threshold; that is forgotten by half
every `FORGET` readings: the budget of a series that cannot settle.

Source: EEMUA 191 (2013), on repeating and fleeting alarms; ISA-18.2-2016, off-delay.
"""

from __future__ import annotations

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


def judge(quiet: Quiet, total: float, threshold: float, hold: int) -> float:
    """The score of one reading; whatever is not raised is told as just below 1."""
    quiet.spent *= _FORGETTING
    now = threshold * (1.0 + _DEAR * quiet.spent)
    score = total / now
    if quiet.since >= 0:
        quiet.since = min(quiet.since + 1, hold)
    if score >= 1.0 and (quiet.since < 0 or quiet.since >= hold or total > AGAIN * quiet.peak):
        quiet.spent += 1.0
        quiet.since, quiet.peak, quiet.calm = 0, total, 0
        return score
    if not quiet.stands:
        return min(score, _BELOW)
    quiet.calm = 0 if score >= 1.0 else quiet.calm + 1
    return max(score, 1.0) if quiet.stands else min(score, _BELOW)
