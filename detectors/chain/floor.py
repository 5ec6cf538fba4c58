"""What the floor says of the chain as of an instant: stocks, use, output ratios and open alerts (Floor).

FloorHistory keeps just enough of the past that an answer depends only on the instant asked for, not on how far the log
had been written by then. `run` feeds it; `exposure` reads the Floor.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

import msgspec

from collector.readings import NS_PER_S
from detectors.alerts import Alert
from detectors.chain.network import Network, Receipt
from detectors.chain.output_ratio import MOST_RATIO, OutputRatio, output_ratio
from detectors.counts import units_since

SHORTAGE = "shortage"
OUTPUT_DROP = "output_drop"
SILENT = "silent"
KINDS = frozenset({SHORTAGE, OUTPUT_DROP, SILENT})

_S_PER_D = 86_400.0
_SAID_AFTER_NS = 60 * NS_PER_S  # a band is said at most this long after its instant; younger ones may still be unsaid
_FRESH_NS = 240 * NS_PER_S  # an older band says nothing of now
_KEPT_NS = 2 * _FRESH_NS
_COUNTED_NS = 900 * NS_PER_S  # units are counted over this long to say how sure a ratio is
_REPEATED_NS = 60 * NS_PER_S
_SLOT_NS = 10 * NS_PER_S  # of that count

Place = tuple[str, str]  # (node, material)


@dataclass(frozen=True, slots=True)
class Floor:
    """Live facts by (node, material) and by node; what is absent was not measured. `alerts` are those that are open.

    `output` is what is known beyond `line_ratio`: the bounds of the ratio, wider the longer a line has been silent.
    """

    stock: Mapping[Place, float] = field(default_factory=dict)
    use_per_d: Mapping[Place, float] = field(default_factory=dict)
    line_ratio: Mapping[str, float] = field(default_factory=dict)  # measured output / expected output, 0 to 1.1
    in_transit: Mapping[Place, tuple[Receipt, ...]] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    output: Mapping[str, OutputRatio] = field(default_factory=dict)
    seen_ns: Mapping[Place, int] = field(default_factory=dict)  # when each stock was read last

    def relied_on_ratio(self, node: str) -> float:
        """The part of its usual output that a line makes at least; 0 where nothing was measured."""
        known = self.output.get(node)
        return known.low if known else self.line_ratio.get(node, 0.0)


class Band(msgspec.Struct, frozen=True):
    """What a method measured of a series of a line (`site/line`): a time to empty in s, or a rate and the expected."""

    method: str
    line: str
    series: str
    at_ns: int
    value: float
    expected: float


class Past(msgspec.Struct):
    """The recent values of one series, in order of time."""

    at_ns: list[int] = []
    values: list[float] = []

    def note(self, at_ns: int, value: float) -> None:
        place = bisect_right(self.at_ns, at_ns)
        if place and self.at_ns[place - 1] == at_ns:
            self.values[place - 1] = value
            return
        self.at_ns.insert(place, at_ns)
        self.values.insert(place, value)

    def as_of(self, at_ns: int) -> tuple[int, float] | None:
        """The newest (instant, value) not after `at_ns`."""
        place = bisect_right(self.at_ns, at_ns)
        return (self.at_ns[place - 1], self.values[place - 1]) if place else None

    def forget_before(self, at_ns: int, but_as_of: Sequence[int] = ()) -> None:
        """Drops what an answer at or after `at_ns`, or at one of the instants `but_as_of`, cannot need."""
        place = max(0, bisect_right(self.at_ns, at_ns) - 1)
        needed = {bisect_right(self.at_ns, instant_ns) - 1 for instant_ns in but_as_of}
        kept = sorted(one for one in needed if 0 <= one < place)
        self.at_ns[:place] = [self.at_ns[one] for one in kept]
        self.values[:place] = [self.values[one] for one in kept]


class Promise(msgspec.Struct, frozen=True, array_like=True):
    """A quantity that is on its way to a stock, and when it is promised for (UTC ns)."""

    due_ns: int
    quantity: float


class Promises(msgspec.Struct, frozen=True):
    """All that was on its way to the stock of a series as of `at_ns`; it stands in the log at `offset`."""

    series: str
    at_ns: int
    promises: tuple[Promise, ...]
    offset: int


class Made(msgspec.Struct):
    """All units of a counter, by the end of the slot in which they were counted."""

    last_ns: int = 0
    value: float = 0.0
    total: float = 0.0
    by_ns: Past = msgspec.field(default_factory=Past)

    def note(self, at_ns: int, value: float) -> None:
        if at_ns <= self.last_ns:
            return
        self.total += units_since(self.value, value, 0.0, inf) if self.last_ns else 0.0
        self.last_ns, self.value = at_ns, value
        self.by_ns.note(-(-at_ns // _SLOT_NS) * _SLOT_NS, self.total)

    def units(self, from_ns: int, to_ns: int) -> float:
        """The units counted between two instants, to the slot."""
        to, before = self.by_ns.as_of(to_ns), self.by_ns.as_of(from_ns)
        first = self.by_ns.values[0] if self.by_ns.values else 0.0
        return (to[1] if to else first) - (before[1] if before else first)


class FloorHistory(msgspec.Struct):
    """Stock readings, times to empty (s), line ratios and what is promised, by series name, over the last minutes."""

    stock: dict[str, Past] = {}
    empty_in_s: dict[str, Past] = {}
    ratio: dict[str, Past] = {}
    usual_per_h: dict[str, Past] = {}
    made: dict[str, Made] = {}
    line: dict[str, str] = {}  # `site/line` of the output series
    promised: dict[str, list[Promises]] = {}  # in order of time

    def note_stock(self, series: str, at_ns: int, value: float) -> None:
        """A reading of a stock; one that repeats that before it within a minute tells nothing new and is not kept."""
        past = self.stock.setdefault(series, Past())
        before = past.as_of(at_ns)
        repeats = before is not None and before[1] == value and 0 < at_ns - before[0] < _REPEATED_NS
        if not repeats:
            past.note(at_ns, value)

    def note_count(self, series: str, at_ns: int, value: float) -> None:
        """A reading of a counter of a line."""
        self.made.setdefault(series, Made()).note(at_ns, value)

    def note_promises(self, said: Promises) -> None:
        told = [*self.promised.get(said.series, ()), said]
        self.promised[said.series] = sorted(told, key=lambda one: (one.at_ns, one.offset))

    def promises(self, series: str, at_ns: int) -> tuple[Promise, ...] | None:
        """What was on its way to a stock at an instant, None where nobody said."""
        told = [one for one in self.promised.get(series, ()) if one.at_ns <= at_ns]
        return told[-1].promises if told else None

    def promises_passed(self, from_ns: int, to_ns: int) -> set[int]:
        """The instants in [from, to) at which a promise passed that still stood."""
        all_ = ((series, one) for series, told in self.promised.items() for said in told for one in said.promises)
        passed = ((series, one) for series, one in all_ if from_ns <= one.due_ns < to_ns)
        return {one.due_ns for series, one in passed if one in (self.promises(series, one.due_ns) or ())}

    def note_band(self, band: Band) -> None:
        if band.method == SHORTAGE:
            self.empty_in_s.setdefault(band.series, Past()).note(band.at_ns, band.value)
        elif band.method == OUTPUT_DROP:
            self.line[band.series] = band.line
            self.ratio.setdefault(band.series, Past()).note(band.at_ns, _ratio(band.value, band.expected))
            self.usual_per_h.setdefault(band.series, Past()).note(band.at_ns, band.expected)

    def forget_before(self, at_ns: int, alerts: Iterable[Alert] = ()) -> None:
        """Drops what no answer at or after `at_ns` needs; of what was on hand when one of these alerts was raised or
        changed, its use is reckoned as long as it is open."""
        raised: dict[str, list[int]] = {}
        for alert in alerts:
            if alert.kind == SHORTAGE:
                raised.setdefault(alert.series, []).append(alert.changed_at_ns)
        for series, past in self.stock.items():
            past.forget_before(at_ns - _KEPT_NS, raised.get(series, ()))
        for series, told in self.promised.items():
            old = [one for one in told if one.at_ns <= at_ns - _KEPT_NS]
            self.promised[series] = [*old[-1:], *(one for one in told if one.at_ns > at_ns - _KEPT_NS)]
        for pasts in (self.empty_in_s, self.ratio, self.usual_per_h):
            for past in pasts.values():
                past.forget_before(at_ns - _KEPT_NS)
        for made in self.made.values():
            made.by_ns.forget_before(at_ns - _KEPT_NS - _COUNTED_NS)

    def as_of(self, network: Network, at_ns: int, alerts: tuple[Alert, ...]) -> Floor:
        """The floor at `at_ns` with these alerts open."""
        stock: dict[Place, float] = {}
        seen_ns: dict[Place, int] = {}
        use_per_d: dict[Place, float] = {}
        in_transit: dict[Place, tuple[Receipt, ...]] = {}
        raised = {alert.series: alert for alert in alerts if alert.kind == SHORTAGE}
        for series, of in network.by_series.items():
            seen = self.stock.get(series, Past()).as_of(at_ns)
            if seen is not None:
                seen_ns[of.node, of.material], stock[of.node, of.material] = seen
            promises = self.promises(series, at_ns)
            if promises is not None:
                in_transit[of.node, of.material] = tuple(
                    Receipt(node=of.node, material=of.material, quantity=one.quantity, due_ns=one.due_ns)
                    for one in promises
                )
            use = self._use_per_d(series, at_ns, raised.get(series))
            if use is not None:
                use_per_d[of.node, of.material] = use
        output = self._outputs(network, at_ns, alerts)
        line_ratio = {name: known.ratio for name, known in output.items()}
        return Floor(stock, use_per_d, line_ratio, in_transit, alerts, output, seen_ns)

    def _use_per_d(self, series: str, at_ns: int, alert: Alert | None) -> float | None:
        """Units a day, from what was on hand when a time to empty was said; the newer of band and alert decides."""
        said = self._fresh(self.empty_in_s, series, at_ns)
        if alert is not None and alert.value is not None and (said is None or said[0] < alert.changed_at_ns):
            said = (alert.changed_at_ns, alert.value)
        then = self.stock.get(series, Past()).as_of(said[0]) if said else None
        if said is None or then is None or not (then[1] > 0 and said[1] > 0 and isfinite(said[1])):
            return None
        return then[1] * _S_PER_D / said[1]

    def _outputs(self, network: Network, at_ns: int, alerts: tuple[Alert, ...]) -> dict[str, OutputRatio]:
        """Per node the lowest ratio of its line's output series: the alert's own until a newer band was said, and of a
        silent line the last."""
        silent = {alert.subject for alert in alerts if alert.kind == SILENT}
        said: dict[str, tuple[int, float, str]] = {}
        for series in self.ratio:
            seen = self._fresh(self.ratio, series, at_ns, at_any_age=self.line[series] in silent)
            if seen is not None:
                said[series] = (*seen, self.line[series])
        usual_per_h: dict[str, float] = {}
        for alert in alerts:
            if alert.kind == OUTPUT_DROP and said.get(alert.series, (0,))[0] < alert.changed_at_ns:
                said[alert.series] = (alert.changed_at_ns, _ratio(alert.value, alert.expected), alert.shard)
                usual_per_h[alert.series] = alert.expected or 0.0
        outputs: dict[str, OutputRatio] = {}
        for series, (said_ns, ratio, line) in said.items():
            node = network.by_equipment.get(line)
            if node is not None:
                known = usual_per_h.get(series) or self._usual_per_h(series, said_ns)
                unheard_ns = at_ns - said_ns if line in silent else 0
                found = self._bounded(series, said_ns, ratio, known, unheard_ns)
                outputs[node.name] = min(found, outputs.get(node.name, found))
        return outputs

    def _usual_per_h(self, series: str, at_ns: int) -> float:
        known = self.usual_per_h.get(series, Past()).as_of(at_ns)
        return known[1] if known else 0.0

    def _bounded(self, series: str, at_ns: int, ratio: float, usual_per_h: float, unheard_ns: int) -> OutputRatio:
        """The ratio with the bounds that the units counted before `at_ns` allow."""
        usual_units = usual_per_h * _COUNTED_NS / NS_PER_S / 3600
        counted = self.made[series].units(at_ns - _COUNTED_NS, at_ns) if series in self.made else 0.0
        units = (counted or ratio * usual_units) if ratio else 0.0
        return output_ratio(units, units / ratio if ratio else usual_units, min(1.0, unheard_ns / _COUNTED_NS))

    @staticmethod
    def _fresh(
        pasts: dict[str, Past], series: str, at_ns: int, *, at_any_age: bool = False
    ) -> tuple[int, float] | None:
        seen = pasts.get(series, Past()).as_of(at_ns - _SAID_AFTER_NS)
        return seen if seen and (at_any_age or at_ns - seen[0] <= _FRESH_NS) else None


def _ratio(value: float | None, expected: float | None) -> float:
    """Measured over expected output, 0 to 1.1; 0 when nothing was measured or expected."""
    return min(MOST_RATIO, max(0.0, value / expected)) if value and expected else 0.0
