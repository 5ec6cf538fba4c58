"""The nouns of the floor: who measured (Equipment), what (Series), and the columns of what arrived (Batch).

Input: decoders in `collector.formats` build readings. Output: batches go to `collector.spool` and from
there to every consumer. Values are frozen; an invalid one cannot be built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.units.scaling import Scaling

NS_PER_S = 1_000_000_000
_CONTROL = (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))  # and lone surrogates, which no file can hold
_FORBIDDEN_IN_NAMES = frozenset('/+#:"').union(map(chr, _CONTROL))
_COLUMN_TYPES = tuple(map(np.dtype, (np.int32, np.int64, np.float64, np.uint8, np.int64)))


class Kind(StrEnum):
    """How a series' values behave, which decides who may read it."""

    GAUGE = "gauge"
    COUNTER = "counter"  # counts up; a fall is a reset
    STATE = "state"  # an index into `Series.states`
    STOCK = "stock"  # an amount on hand, never negative; a rise is a refill


class Quality(IntEnum):
    """OPC-style quality of one reading. HISTORICAL is a flag on top (value | HISTORICAL)."""

    GOOD = 0
    STALE = 1
    BAD = 2
    CLOCK = 3  # the value may be right, its time cannot be: far ahead of its receipt, or far behind
    HISTORICAL = 0x80


class Equipment(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """A place in the ISA-95 hierarchy. Absent levels are `""`; names hold no `/ + # : "` and no control characters."""

    enterprise: str
    site: str
    area: str = ""
    line: str = ""
    cell: str = ""

    def __post_init__(self) -> None:
        if not self.enterprise or not self.site:
            raise ValueError("equipment needs an enterprise and a site")
        for name in (self.enterprise, self.site, self.area, self.line, self.cell):
            if _FORBIDDEN_IN_NAMES.intersection(name):
                raise ValueError(f'equipment name {name!r} holds one of / + # : " or a control character')

    @property
    def path(self) -> str:
        """`site/area/line/cell` without the absent levels; unique inside one enterprise."""
        return "/".join(name for name in (self.site, self.area, self.line, self.cell) if name)

    @property
    def shard(self) -> str:
        """The line this equipment belongs to, the unit that is never split: `site/line`."""
        return _shard(self)


@lru_cache(maxsize=65_536)
def _shard(equipment: Equipment) -> str:
    return f"{equipment.site}/{equipment.line}" if equipment.line else equipment.site


class Series(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """One measured quantity of one piece of equipment. `unit` is a UCUM code (`"1"` for a pure number)."""

    equipment: Equipment
    metric: str
    unit: str = "1"
    kind: Kind = Kind.GAUGE
    states: tuple[str, ...] = ()
    on_event: bool = False  # True: it reports only when something happens, so no report means no event
    scaling: Scaling | msgspec.UnsetType = msgspec.UNSET  # from the unit it is sent in; UNSET is stored as nothing

    def __post_init__(self) -> None:
        if not self.metric or _FORBIDDEN_IN_NAMES.intersection(self.metric.replace("/", "")):
            raise ValueError(f'metric name {self.metric!r} is empty or holds one of + # : " or a control character')
        if self.kind is Kind.STATE and not self.states:
            raise ValueError(f"state series {self.metric!r} needs its states")

    @property
    def name(self) -> str:
        """`site/area/line/cell:metric`, the identity under which people and alerts know the series."""
        return f"{self.equipment.path}:{self.metric}"

    @property
    def unit_told(self) -> str:
        """The unit for people: `g`, or `g (sent in kg, times 1000)`."""
        if self.scaling is msgspec.UNSET:
            return self.unit
        return f"{self.unit} ({self.scaling.told})"


class Reading(NamedTuple):
    """One value as decoded from one message. `at_ns` is UTC event time in nanoseconds."""

    series: Series
    at_ns: int
    value: float
    quality: int = Quality.GOOD


class Readings(msgspec.Struct, frozen=True, gc=False):
    """Readings as columns of one length, in order of arrival, each with its Series: what a message said.

    `received_ns` is empty where the readings were received when their message was.
    """

    series: Sequence[Series] = ()
    at_ns: Sequence[int] = ()
    value: Sequence[float] = ()
    quality: Sequence[int] = ()
    received_ns: Sequence[int] = ()

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> Readings:
        """The same readings as columns."""
        return cls(*zip(*readings, strict=True))

    def __iter__(self) -> Iterator[Reading]:
        return map(Reading, self.series, self.at_ns, self.value, self.quality)

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Readings as columns of one length n, in order of arrival. Series ids are the spool's own.

    `series` int32[n], `at_ns` int64[n] (event time, UTC ns), `value` float64[n], `quality` uint8[n],
    `received_ns` int64[n] (when the collector took it, by the site's clock).
    """

    series: NDArray[np.int32]
    at_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    received_ns: NDArray[np.int64]

    def __post_init__(self) -> None:
        series, at_ns, value, quality, received_ns = self.columns
        if not len(series) == len(at_ns) == len(value) == len(quality) == len(received_ns):
            raise ValueError(f"columns of a batch differ in length: {sorted({len(one) for one in self.columns})}")
        types = (series.dtype, at_ns.dtype, value.dtype, quality.dtype, received_ns.dtype)
        if types != _COLUMN_TYPES:
            raise ValueError(f"columns of a batch have the wrong types: {', '.join(map(str, types))}")

    def __len__(self) -> int:
        return len(self.series)

    @property
    def columns(self) -> tuple[NDArray[np.generic], ...]:
        return (self.series, self.at_ns, self.value, self.quality, self.received_ns)

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Batch:
        """The rows that `index` selects, in its order."""
        return Batch(
            self.series[index], self.at_ns[index], self.value[index], self.quality[index], self.received_ns[index]
        )

    def with_series(self, series: NDArray[np.int32]) -> Batch:
        """The same readings under other numbers of their series."""
        return Batch(series, self.at_ns, self.value, self.quality, self.received_ns)

    def with_quality(self, quality: NDArray[np.uint8]) -> Batch:
        """The same readings, judged otherwise."""
        return Batch(self.series, self.at_ns, self.value, quality, self.received_ns)


@dataclass(slots=True)
class BatchBuilder:
    """Collects rows, then hands them over as one Batch and is empty again."""

    _rows: list[tuple[int, int, float, int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, series: int, at_ns: int, value: float, quality: int, received_ns: int) -> None:
        self._rows.append((series, at_ns, value, quality, received_ns))

    def build(self) -> Batch:
        series, at_ns, value, quality, received_ns = zip(*self._rows, strict=True) if self._rows else ((),) * 5
        self._rows = []
        return Batch(
            np.array(series, np.int32),
            np.array(at_ns, np.int64),
            np.array(value, np.float64),
            np.array(quality, np.uint8),
            np.array(received_ns, np.int64),
        )
