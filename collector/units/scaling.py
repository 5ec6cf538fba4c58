"""From one unit to another of the same dimension: value * factor + offset, worked out exactly and rounded once."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import msgspec
from msgspec.structs import astuple

from collector.units.code import BadUnit, Unit, quoted, unit_of

# What 0 on the scale is in kelvin (UCUM 2.2, table 3 and section 22).
_ZERO_K = {"Cel": Fraction("273.15"), "degF": Fraction("459.67") * 5 / 9, "degRe": Fraction("273.15")}


class Scaling(msgspec.Struct, frozen=True):
    """How what is sent in `source_unit` becomes the value that is kept: `value * factor + offset`.

    Sorted after UNSET, which is no scaling.
    """

    source_unit: str
    factor: float
    offset: float = 0.0

    def of(self, value: float) -> float:
        return value * self.factor + self.offset

    @property
    def told(self) -> str:
        """`sent in kg, times 1000`."""
        offset = f" {'plus' if self.offset > 0 else 'minus'} {abs(self.offset):.12g}" if self.offset else ""
        return f"sent in {self.source_unit}, times {self.factor:.12g}{offset}"

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Scaling) and astuple(self) < astuple(other)

    def __gt__(self, other: object) -> bool:
        return not isinstance(other, Scaling) or astuple(self) > astuple(other)


@lru_cache(maxsize=4096)
def scaling(source: str, target: str) -> Scaling:
    """From values in `source` to values in `target`, both UCUM codes. Raises BadUnit where there is no such way."""
    have, want = unit_of(source), unit_of(target)
    if have.powers != want.powers:
        raise BadUnit(f"{quoted(source)} cannot be converted into {quoted(target)}, which measures something else")
    factor = have.factor / want.factor
    try:
        told = Scaling(source, float(factor), float((_zero(have, source) - _zero(want, target)) / want.factor))
    except OverflowError:
        told = Scaling(source, 0.0)
    if not told.factor:
        raise BadUnit(f"{quoted(source)} in {quoted(target)} is beyond all numbers: write units nearer to each other")
    return told


def same(one: str, other: str) -> bool:
    """Whether two codes mean the same unit, as m/s and m.s-1 do. Raises BadUnit where one of them is no code."""
    return unit_of(one) == unit_of(other)


def _zero(unit: Unit, code: str) -> Fraction:
    if not unit.function:
        return Fraction(0)
    if unit.function not in _ZERO_K:
        raise BadUnit(f"{quoted(code)} is no scale with a factor: have the sender convert it, or keep it in that unit")
    return _ZERO_K[unit.function]
