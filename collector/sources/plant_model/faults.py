"""What can go wrong in a simulated plant: the eight kinds of fault, and what those of one line do at an instant.

A kind is a struct in `FAULTS`; `LineFaults` answers the line's questions and knows no chance and no clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec

from collector.config import Name, NotNegative, Positive, Section
from collector.readings import NS_PER_S


class Fault(Section, frozen=True, kw_only=True):
    """Where, from when (local time) and how long."""

    site: Name
    line: Name
    start: dt.datetime
    duration_s: Positive


class SupplierLate(Fault, frozen=True, kw_only=True):
    """Deliveries of `item` due in this interval come `delay_s` later."""

    item: Name
    delay_s: Positive


class SupplierStops(Fault, frozen=True, kw_only=True):
    """Deliveries of `item` due in this interval come at its end."""

    item: Name


class ToolWear(Fault, frozen=True, kw_only=True):
    """Wear grows evenly to the end, when the tool is changed: vibration up to `vibration_gain` times its level, units
    `slowdown_ratio` slower, `scrap_ratio` more of them scrapped."""

    vibration_gain: Annotated[float, msgspec.Meta(ge=1)] = 2.5
    slowdown_ratio: NotNegative = 0.3
    scrap_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05


class LineStop(Fault, frozen=True, kw_only=True):
    """The line stands."""

    why: Name = "breakdown"


class SensorStuck(Fault, frozen=True, kw_only=True):
    """`metric` keeps reporting the value it had when this began."""

    metric: Name


class GatewaySilent(Fault, frozen=True, kw_only=True):
    """The line's gateway sends nothing; the line goes on."""


class ClockJump(Fault, frozen=True, kw_only=True):
    """The gateway's clock is `offset_s` ahead (negative: behind); only the payloads' own timestamps show it."""

    offset_s: float


class ScrapBurst(Fault, frozen=True, kw_only=True):
    """`scrap_ratio` of the units are scrapped."""

    scrap_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)]


FAULTS: dict[str, type[Fault]] = {
    "supplier_late": SupplierLate,
    "supplier_stops": SupplierStops,
    "tool_wear": ToolWear,
    "line_stop": LineStop,
    "sensor_stuck": SensorStuck,
    "gateway_silent": GatewaySilent,
    "clock_jump": ClockJump,
    "scrap_burst": ScrapBurst,
}
NAMES = {kind: name for name, kind in FAULTS.items()}


F = TypeVar("F", bound=Fault, covariant=True)


class Spell(NamedTuple, Generic[F]):
    """A fault and its interval in UTC ns; `to_ns` is the first instant without it."""

    fault: F
    from_ns: int
    to_ns: int

    def holds(self, at_ns: int) -> bool:
        return self.from_ns <= at_ns < self.to_ns

    def progress(self, at_ns: int) -> float:
        """How far the interval has gone, 0 to 1."""
        return (at_ns - self.from_ns) / (self.to_ns - self.from_ns)


def spells(faults: Iterable[Fault], utc_ns: Callable[[dt.datetime], int]) -> list[Spell[Fault]]:
    """The faults with their intervals, in order of time."""
    found = [
        Spell(fault, utc_ns(fault.start), utc_ns(fault.start) + int(fault.duration_s * NS_PER_S)) for fault in faults
    ]
    return sorted(found, key=lambda spell: spell.from_ns)


class LineFaults:
    """The spells of one line, asked by what they do."""

    def __init__(self, own: Sequence[Spell[Fault]]) -> None:
        self.stops = _of(own, LineStop)
        self.silences = _of(own, GatewaySilent)
        self.stuck = _of(own, SensorStuck)
        self._late = _of(own, SupplierLate)
        self._outages = _of(own, SupplierStops)
        self._wear = _of(own, ToolWear)
        self._bursts = _of(own, ScrapBurst)
        self._jumps = _of(own, ClockJump)

    def arrival_ns(self, item: str, due_ns: int) -> int:
        """When a delivery due at `due_ns` really comes."""
        for late in self._late:
            if late.fault.item == item and late.holds(due_ns):
                due_ns += int(late.fault.delay_s * NS_PER_S)
        for outage in self._outages:
            if outage.fault.item == item and outage.holds(due_ns):
                due_ns = outage.to_ns
        return due_ns

    def scrap_ratio(self, at_ns: int, usual_ratio: float) -> float:
        if not self._bursts and not self._wear:
            return usual_ratio
        bursts = [burst.fault.scrap_ratio for burst in self._bursts if burst.holds(at_ns)]
        wear = (wear.fault.scrap_ratio * wear.progress(at_ns) for wear in self._wear if wear.holds(at_ns))
        return max([usual_ratio, *bursts]) + sum(wear)

    def slowdown(self, at_ns: int) -> float:
        """By what a unit's time is multiplied."""
        if not self._wear:
            return 1.0
        wear = (wear.fault.slowdown_ratio * wear.progress(at_ns) for wear in self._wear if wear.holds(at_ns))
        return 1.0 + sum(wear)

    def vibration_gain(self, at_ns: int) -> float:
        if not self._wear:
            return 1.0
        wear = ((wear.fault.vibration_gain - 1) * wear.progress(at_ns) for wear in self._wear if wear.holds(at_ns))
        return 1.0 + sum(wear)

    def is_silent(self, at_ns: int) -> bool:
        return bool(self.silences) and any(silence.holds(at_ns) for silence in self.silences)

    def clock_offset_ns(self, at_ns: int) -> int:
        if not self._jumps:
            return 0
        return int(sum(jump.fault.offset_s for jump in self._jumps if jump.holds(at_ns)) * NS_PER_S)


K = TypeVar("K", bound=Fault)


def _of(own: Sequence[Spell[Fault]], kind: type[K]) -> list[Spell[K]]:
    return [Spell(spell.fault, spell.from_ns, spell.to_ns) for spell in own if isinstance(spell.fault, kind)]
