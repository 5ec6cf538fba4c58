"""Units made between two readings of a counter, whatever the counter did in between.

A production counter restarts from 0 with its controller, wraps at the size of its register, is set by hand, and misses
readings. Used by every method that reads counters. Pure. Source of the restart rule: Prometheus' `rate`.
"""

from __future__ import annotations

_REGISTERS = (2.0**16, 2.0**32, *(10.0**digits for digits in range(4, 10)))
_WRAPS_WITHIN = 0.02  # of the register's size: how close to its end a counter is when it wraps


def units_since(before: float, now: float, usual: float, possible: float) -> float:
    """How many units the step from one value to the next stands for.

    A fall is a wrap where that makes a possible number, else a restart from 0. More than `possible` is no production
    (a counter set by hand, a restart from a stored value): the `usual` number is taken. NaN for both knows no limit.
    """
    if now >= before:
        units = now - before
    else:
        wrapped = [size - before + now for size in _REGISTERS if 0 <= size - before <= _WRAPS_WITHIN * size]
        units = min((one for one in wrapped if one <= possible), default=max(now, 0.0))
    return usual if units > possible else units
