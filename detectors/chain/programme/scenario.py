"""What fails (Scenario), and the names of what a programme cannot answer.

Pure values. `survive`, `exposure` and everything in this package speak of a failure by these.
"""

from __future__ import annotations

from math import isfinite

import msgspec

from collector.errors import AndonError


class Unsolved(AndonError):
    """The programme has no answer: its numbers contradict each other, or the solver gave up."""


class Infeasible(Unsolved):
    """The numbers of the programme contradict each other; only a stock or a rate below zero does that."""


class OutOfTime(Unsolved):
    """The solver did not finish within its time limit."""


class MissingRecovery(Unsolved):
    """A node has no time to recover, so that what its failure costs cannot be said."""


class NoCapacity(Unsolved):
    """A node makes nothing in the plan, so that it cannot fail either."""


class NoDemand(Unsolved):
    """Nobody in the chain sells anything, so that nothing can be lost and no index has a meaning."""


class Scenario(msgspec.Struct, frozen=True):
    """What fails: the ratio of capacity `remaining` at nodes (0 is shut), and supplies `cut` by (node, material).

    `at_most_per_d` caps nodes at a rate in their own units a day, whatever their capacity is.
    """

    remaining: dict[str, float] = {}
    cut: frozenset[tuple[str, str]] = frozenset()
    at_most_per_d: dict[str, float] = {}

    def __post_init__(self) -> None:
        for node, ratio in self.remaining.items():
            if not ratio >= 0 or not isfinite(ratio):
                raise ValueError(f"the capacity that remains at {node} is {ratio}; it must be 0 or more")
        for node, rate in self.at_most_per_d.items():
            if not rate >= 0 or not isfinite(rate):
                raise ValueError(f"the rate that {node} can keep is {rate}; it must be 0 or more")

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes it touches."""
        return frozenset(self.remaining) | frozenset(self.at_most_per_d) | frozenset(node for node, _ in self.cut)


NOTHING = Scenario()
