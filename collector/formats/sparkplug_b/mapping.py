"""From Sparkplug names to ours: group -> site, edge node -> line, device -> cell, metric -> Series and value.

`Options` is what site.toml may say: the first `[[subscribe.metric]]` whose `name` glob fits a metric says what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

import msgspec

from collector.config import Name, Section
from collector.formats.event_time import can_be_stored, disbelief, fitting_unit, is_plausible
from collector.formats.format import BadPayload
from collector.formats.limits import check_names
from collector.formats.sparkplug_b.edge_node import Known
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, Value, signed
from collector.formats.sparkplug_b.protocol import PROTOCOL_OWN, Address
from collector.readings import Equipment, Kind, Quality, Reading, Series
from collector.spool.ledger import Gap
from collector.units.agreement import agreed, check_units, check_words, meant
from collector.units.code import BadUnit

_CONTROL = (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))
_TO_PLAIN = dict.fromkeys((*map(ord, '/+#:"'), *_CONTROL), "_")  # what names of ours may not hold
_TO_PLAIN_METRIC = {code: plain for code, plain in _TO_PLAIN.items() if code != ord("/")}
_NS_PER_MS = 1_000_000
_GOOD = int(Quality.GOOD)
_GOOD_LATE = int(Quality.GOOD | Quality.HISTORICAL)
_MOST_REMEMBERED = 100_000  # series; more than any site has, so a sender of endless names cannot fill the memory


class MetricOptions(Section, frozen=True, kw_only=True):
    """One [[subscribe.metric]]: what the metrics are whose name fits the glob `name`."""

    name: Name
    kind: Kind = Kind.GAUGE
    unit: str = ""
    source_unit: str = ""
    states: tuple[str, ...] = ()
    on_event: bool = False

    def __post_init__(self) -> None:
        check_units(self.unit, self.source_unit)
        if self.kind is Kind.STATE and not self.states:
            raise ValueError(f"metric {self.name!r} of kind state needs its `states`")


class Options(Section, frozen=True, kw_only=True):
    """The keys of a [[subscribe]] with `format = "sparkplug_b"`. `area` is put between site and line.

    `units`: the UCUM codes of the words that births have for units.
    `reorder_s`: how long a message waits for those before it. `rebirth`: edge nodes may be asked for their births;
    `device_rebirth`: where one device alone is in doubt and takes such requests, it is asked instead, by DCMD.
    `host_id`: the collector announces itself as this host application; empty: it listens, and is not seen.
    """

    area: str = ""
    metric: tuple[MetricOptions, ...] = ()
    units: dict[str, str] = {}
    reorder_s: Annotated[float, msgspec.Meta(ge=0, le=5)] = 3.0
    rebirth: bool = False
    device_rebirth: bool = False
    host_id: Annotated[str, msgspec.Meta(pattern="^[^/+#]*$", max_length=200)] = ""

    def __post_init__(self) -> None:
        check_words(self.units)
        if self.device_rebirth and not self.rebirth:
            raise ValueError(
                "`device_rebirth` needs `rebirth = true`: a device that does not answer is asked for by its edge node"
            )


class _Found(NamedTuple):
    """What a metric is: its series, None where it is no measurement; `fault`: why its values cannot be taken."""

    series: Series | None
    fault: str = ""


class Mapping:
    """Turns resolved metrics into readings. It remembers the series it made, nothing else."""

    def __init__(self, options: Options, enterprise: str) -> None:
        self._options = options
        self._enterprise = enterprise
        self._found: dict[tuple[Address, str, str], _Found] = {}

    def readings(self, address: Address, payload: Payload, known: Sequence[Known], received_ns: int) -> list[Reading]:
        """The metrics of a message received at `received_ns` as readings, `known` being what they go by, one each.

        What is no measurement is left out: the protocol's own, undeclared texts, other types. The payload's time is
        used where a metric has none. A null is a reading of quality BAD: the sensor spoke, and said it does not know.
        Raises BadPayload.
        """
        found = []
        for metric, name in zip(payload.metrics, known, strict=True):
            if metric.value is None and not metric.is_null:
                continue
            series = self.series_of(address, name)
            if series is not None:
                stamp_ms = payload.timestamp_ms if metric.timestamp_ms is None else metric.timestamp_ms
                at_ns = _at_ns(address, series, stamp_ms, received_ns)
                found.append(_reading(address, series, at_ns, metric, name.datatype))
        return found

    def stale(self, address: Address, metrics: Iterable[Known], at_ns: int) -> list[Reading]:
        """That nothing is known of these metrics from now on: one reading of quality STALE for each measurement."""
        measured = self._measured(address, metrics)
        return [Reading(series, at_ns, math.nan, Quality.STALE) for series in measured]

    def place(self, address: Address) -> Equipment:
        """Where a node's or a device's readings belong."""
        return Equipment(
            enterprise=self._enterprise,
            site=address.group.translate(_TO_PLAIN),
            area=self._options.area,
            line=address.edge_node.translate(_TO_PLAIN),
            cell=address.device.translate(_TO_PLAIN),
        )

    def placed(self, gap: Gap) -> Gap:
        """A gap of the session, whose asset is a node's or a device's name, with whose readings are missing."""
        place = self.place(Address(*gap.asset.split("/")))
        return gap._replace(shard=place.shard, cell=place.cell)

    def series_of(self, address: Address, known: Known) -> Series | None:
        """The series of a metric, None where it is no measurement. Raises BadPayload where its values cannot be taken:
        its unit is not what site.toml says, or none."""
        key = (address, known.name, known.unit)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            found = self._found[key] = self._find(address, known)
        if found.fault:
            raise BadPayload(found.fault)
        return found.series

    def _measured(self, address: Address, metrics: Iterable[Known]) -> Iterator[Series]:
        """The series of those metrics whose values were taken."""
        for known in metrics:
            with suppress(BadPayload):
                series = self.series_of(address, known)
                if series is not None:
                    yield series

    def _find(self, address: Address, known: Known) -> _Found:
        """Raises BadPayload for names that nobody should remember."""
        if any(fnmatchcase(known.name, own) for own in PROTOCOL_OWN):
            return _Found(None)
        options = next((one for one in self._options.metric if fnmatchcase(known.name, one.name)), None)
        if options is None:
            if known.datatype in (Datatype.STRING, Datatype.TEXT):
                return _Found(None)
            options = MetricOptions(name=known.name)
        check_names(address.name, (known.name, known.unit))
        try:
            return _Found(self._new_series(address, known, options))
        except BadUnit as bad:
            return _Found(None, f"metric {known.name!r} of {address.name} {bad}")

    def _new_series(self, address: Address, known: Known, options: MetricOptions) -> Series:
        """A state is counted in nothing, whatever its birth says. Raises BadUnit."""
        sent = "" if options.kind is Kind.STATE else meant(known.unit, self._options.units)
        unit, scaling = agreed(options.unit, options.source_unit, sent)
        return Series(
            equipment=self.place(address),
            metric=known.name.translate(_TO_PLAIN_METRIC),
            unit=unit,
            kind=options.kind,
            states=options.states,
            on_event=options.on_event,
            scaling=scaling,
        )


def _reading(address: Address, series: Series, at_ns: int, metric: Metric, datatype: int) -> Reading:
    quality = _GOOD_LATE if metric.is_historical else _GOOD
    if metric.value is None:
        return Reading(series, at_ns, math.nan, quality | Quality.BAD)
    return Reading(series, at_ns, _number(address, series, signed(metric.value, datatype)), quality)


def _at_ns(address: Address, series: Series, stamp_ms: int | None, received_ns: int) -> int:
    if stamp_ms is None:
        raise BadPayload(f"{_named(address, series)} has no timestamp, nor has its payload: have the node send one")
    at_ns = stamp_ms * _NS_PER_MS
    if is_plausible(at_ns, received_ns):
        return at_ns
    if fitting_unit(stamp_ms, received_ns) or not can_be_stored(at_ns):
        raise BadPayload(
            f"{_named(address, series)} has timestamp {stamp_ms}, which is {disbelief(at_ns, received_ns)}: "
            "set the edge node's clock, and have it send ms since 1970"
        )
    return at_ns


def _number(address: Address, series: Series, value: Value) -> float:
    if series.kind is Kind.STATE:
        return _state(address, series, value)
    if isinstance(value, str):
        raise BadPayload(
            f"{_named(address, series)} holds {value[:40]!r}, a number is wanted: "
            'give it kind = "state" with its states in [[subscribe.metric]]'
        )
    if not math.isfinite(value):
        raise BadPayload(
            f"{_named(address, series)} holds {value}, a number is wanted: have the edge node send is_null instead"
        )
    if value < 0 and series.kind is Kind.STOCK:
        raise BadPayload(f"{_named(address, series)} holds {value}: a stock cannot be negative: check the scale's zero")
    return _kept(address, series, float(value))


def _kept(address: Address, series: Series, value: float) -> float:
    """The value in the unit the series is kept in."""
    kept = value if series.scaling is msgspec.UNSET else series.scaling.of(value)
    if not math.isfinite(kept):
        raise BadPayload(
            f"{_named(address, series)} holds {value}, beyond all numbers in {series.unit}: correct either"
        )
    return kept


def _state(address: Address, series: Series, value: Value) -> float:
    """A state by its name or by its place in `states`."""
    if isinstance(value, str) and value in series.states:
        return float(series.states.index(value))
    if not isinstance(value, str) and value in range(len(series.states)):
        return float(value)
    raise BadPayload(
        f"{_named(address, series)} holds {str(value)[:40]!r}, no state of {', '.join(series.states)} and no index of "
        "one: correct the sender or add the state in [[subscribe.metric]], at the end"
    )


def _named(address: Address, series: Series) -> str:
    return f"metric {series.metric!r} of {address.name}"
