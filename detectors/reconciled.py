"""One figure of use from two accounts: what was booked out of a stock, and what the units made must have taken.

Input: amounts of either account as they become known. Output: how much use that is news, and what has been used but not
been booked yet. Use is what the account that is ahead says: a leak is only booked, what is backflushed at night is
known from output before. Pure; one number. How far one may be ahead is bounded and fades day by day, so that an old
difference, as of a bill of materials that is wrong (`stock_difference` speaks of it), hides no new one for long.
"""

from __future__ import annotations

import msgspec


class Reconciled(msgspec.Struct):
    """`ahead`: units booked less units explained by output, below 0 where output is ahead."""

    ahead: float = 0.0

    @property
    def unbooked(self) -> float:
        """Units that output says are used and that are still in the books."""
        return max(-self.ahead, 0.0)

    def fade(self) -> None:
        """A day has passed: half of what lies between the two will never be made up."""
        self.ahead *= 0.5

    def book(self, units: float, most: float) -> float:
        """The part of a booking that output had not explained before; at most `most` is kept ahead."""
        self.ahead += units
        news = min(max(self.ahead, 0.0), units)
        self.ahead = min(self.ahead, most)
        return news

    def explain(self, units: float, most: float) -> float:
        """The part of what output takes that had not been booked before."""
        self.ahead -= units
        news = min(max(-self.ahead, 0.0), units)
        self.ahead = max(self.ahead, -most)
        return news
