"""From Sparkplug names to ours: group -> site, edge node -> line, device -> cell, metric -> Series and value.

Options come from `[[subscribe.metric]]` of site.toml: the first whose `name` glob fits a metric says what it is.
"""

from __future__ import annotations

import math
from fnmatch import fnmatchcase

from collector.config import Name, Section
from collector.formats.format import BadPayload
from collector.formats.sparkplug_b.payload import Datatype, Metric, Value, signed
from collector.formats.sparkplug_b.session import Address, Known
from collector.readings import Equipment, Kind, Quality, Reading, Series

_PROTOCOL_OWN = ("bdSeq", "Node Control/*", "Device Control/*")
_CONTROL = (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))
_TO_PLAIN = dict.fromkeys((*map(ord, '/+#:"'), *_CONTROL), "_")  # what names of ours may not hold
_TO_PLAIN_METRIC = {code: plain for code, plain in _TO_PLAIN.items() if code != ord("/")}
_LATEST_MS = (2**63 - 1) // 1_000_000
_NS_PER_MS = 1_000_000
_MOST_REMEMBERED = 100_000  # series; more than any site has, so a sender of endless names cannot fill the memory


class MetricOptions(Section, frozen=True, kw_only=True):
    """One [[subscribe.metric]]: what the metrics are whose name fits the glob `name`."""

    name: Name
    kind: Kind = Kind.GAUGE
    unit: Name = "1"
    states: tuple[str, ...] = ()
    on_event: bool = False

    def __post_init__(self) -> None:
        if self.kind is Kind.STATE and not self.states:
            raise ValueError(f"metric {self.name!r} of kind state needs its `states`")


class Options(Section, frozen=True, kw_only=True):
    """The keys of a [[subscribe]] with `format = "sparkplug_b"`. `area` is put between site and line."""

    area: str = ""
    metric: tuple[MetricOptions, ...] = ()


class Mapping:
    """Turns resolved metrics into readings. It remembers the series it made, nothing else."""

    def __init__(self, options: Options, enterprise: str) -> None:
        self._options = options
        self._enterprise = enterprise
        self._series: dict[tuple[Address, str], Series | None] = {}

    def reading(self, address: Address, metric: Metric, known: Known, stamp_ms: int | None) -> Reading | None:
        """One metric as a reading; None for what is no measurement: the protocol's own, undeclared texts, other types.

        `stamp_ms` is the payload's time, used where the metric has none. A null is a reading of quality BAD: the sensor
        spoke, and said it does not know. Raises BadPayload.
        """
        series = self._series_of(address, known)
        if series is None or (metric.value is None and not metric.is_null):
            return None
        at_ns = _at_ns(address, known, metric.timestamp_ms if metric.timestamp_ms is not None else stamp_ms)
        value, quality = math.nan, int(Quality.BAD)
        if metric.value is not None:
            value, quality = _number(address, series, signed(metric.value, known.datatype)), int(Quality.GOOD)
        return Reading(series, at_ns, value, quality | Quality.HISTORICAL if metric.is_historical else quality)

    def _series_of(self, address: Address, known: Known) -> Series | None:
        key = (address, known.name)
        if key not in self._series:
            if len(self._series) >= _MOST_REMEMBERED:
                self._series.clear()
            self._series[key] = self._new_series(address, known)
        return self._series[key]

    def _new_series(self, address: Address, known: Known) -> Series | None:
        if any(fnmatchcase(known.name, own) for own in _PROTOCOL_OWN):
            return None
        options = next((one for one in self._options.metric if fnmatchcase(known.name, one.name)), None)
        if options is None:
            if known.datatype in (Datatype.STRING, Datatype.TEXT):
                return None
            options = MetricOptions(name=known.name)
        return Series(
            equipment=Equipment(
                enterprise=self._enterprise,
                site=address.group.translate(_TO_PLAIN),
                area=self._options.area,
                line=address.edge_node.translate(_TO_PLAIN),
                cell=address.device.translate(_TO_PLAIN),
            ),
            metric=known.name.translate(_TO_PLAIN_METRIC),
            unit=options.unit,
            kind=options.kind,
            states=options.states,
            on_event=options.on_event,
        )


def _at_ns(address: Address, known: Known, stamp_ms: int | None) -> int:
    if stamp_ms is None:
        raise BadPayload(
            f"metric {known.name!r} of {address.name} has no timestamp, nor has the payload: have the node send one"
        )
    if stamp_ms > _LATEST_MS:
        raise BadPayload(
            f"timestamp {stamp_ms} of metric {known.name!r} of {address.name} is no time in ms: mend the clock"
        )
    return stamp_ms * _NS_PER_MS


def _number(address: Address, series: Series, value: Value) -> float:
    where = f"metric {series.metric!r} of {address.name}"
    if series.kind is Kind.STATE:
        return _state(where, series.states, value)
    if isinstance(value, str):
        raise BadPayload(
            f"{where} holds {value[:40]!r}, a number is wanted: "
            'give it kind = "state" with its states in [[subscribe.metric]]'
        )
    if not math.isfinite(value):
        raise BadPayload(f"{where} holds {value}, a number is wanted: have the edge node send is_null instead")
    if value < 0 and series.kind is Kind.STOCK:
        raise BadPayload(f"{where} holds {value}: a stock cannot be negative: check the scale's zero")
    return float(value)


def _state(where: str, states: tuple[str, ...], value: Value) -> float:
    """A state by its name or by its place in `states`."""
    if isinstance(value, str) and value in states:
        return float(states.index(value))
    if not isinstance(value, str) and value in range(len(states)):
        return float(value)
    raise BadPayload(
        f"{where} holds {str(value)[:40]!r}, no state of {', '.join(states)} and no index of one: "
        "correct the sender or add the state in [[subscribe.metric]], at the end"
    )
