"""When a node is red, amber or green (`state_of`): by the chance that it fails to keep its planned rate.

The chance is that recovery takes longer than the node can go on. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

Chance = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Colour(StrEnum):
    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Red: it will rather fail than not. Amber: it may fail, or nobody knows. Both are chances, 0 to 1."""

    red_chance_ratio: Chance = 0.5
    amber_chance_ratio: Chance = 0.05

    def __post_init__(self) -> None:
        if self.amber_chance_ratio > self.red_chance_ratio:
            raise ValueError("amber_chance_ratio is above red_chance_ratio; a red node is an amber one at least")


DEFAULT = Thresholds()
ROUNDING = 1e-9  # a chance this close to a threshold has reached it


def state_of(chance_ratio: float, thresholds: Thresholds = DEFAULT, *, unknown: bool = False) -> Colour:
    """The colour of a node of this chance to fail; `unknown` where what it hangs on is not measured."""
    if chance_ratio >= thresholds.red_chance_ratio - ROUNDING:
        return Colour.RED
    if unknown or chance_ratio >= thresholds.amber_chance_ratio - ROUNDING:
        return Colour.AMBER
    return Colour.GREEN
