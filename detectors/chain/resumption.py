"""How a node comes back after an alert (Resumption): the curve of its output, and the days to 80 and 95 % of the usual.

Begins when the alert clears, is fed by what the line's method measures, and is over once the line has stayed at 95 %
for an hour, the next alert comes, or a month has passed. `outputs` makes its record. Pure.
"""

from __future__ import annotations

import msgspec

from collector.readings import NS_PER_S
from detectors.chain.recovery import days_to

LEVELS = (0.8, 0.95)
_NS_PER_D = 86_400 * NS_PER_S
_HELD_NS = 3600 * NS_PER_S
_LONGEST_NS = 30 * _NS_PER_D
_POINTS = 400  # of a curve; a longer one keeps every other


class Resumption(msgspec.Struct):
    """One recovery of `node`: `kind` and `key` are those of the alert, which lasted from `began_ns` to `ended_ns`."""

    node: str
    material: str
    kind: str
    key: str
    began_ns: int
    ended_ns: int
    at_d: list[float] = []  # days since `ended_ns`
    ratio: list[float] = []  # measured over usual output
    every: int = 1
    skipped: int = 0
    over: bool = False

    @property
    def lasted_d(self) -> float:
        return (self.ended_ns - self.began_ns) / _NS_PER_D

    @property
    def reached_in_d(self) -> tuple[float | None, ...]:
        """Days to each of LEVELS, from which on output has stayed there; None: not yet."""
        return tuple(days_to(self.at_d, self.ratio, level) for level in LEVELS)

    def note(self, at_ns: int, ratio: float) -> None:
        """Takes in a measured ratio; instants rise."""
        if self.over or at_ns < self.ended_ns:
            return
        self.skipped += 1
        if self.skipped >= self.every:
            self.skipped = 0
            self.at_d.append((at_ns - self.ended_ns) / _NS_PER_D)
            self.ratio.append(ratio)
        if len(self.at_d) >= _POINTS:
            self.at_d, self.ratio, self.every = self.at_d[::2], self.ratio[::2], self.every * 2
        last_d = self.reached_in_d[-1]
        held = last_d is not None and at_ns - self.ended_ns - round(last_d * _NS_PER_D) >= _HELD_NS
        self.over = held or at_ns - self.ended_ns >= _LONGEST_NS
