"""How a simulated gateway speaks: one class for each of the two dialects, both `Dialect`.

A gateway is born before it reports, and after every silence is born again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from collector.formats.sparkplug_b.payload import Datatype, Form, Metric, Payload, encode
from collector.sources.plant_model.line import LINE_METRICS, Report
from collector.sources.recording import Published

_NS_PER_MS = 1_000_000
_LINE_TYPES = (Datatype.INT64, Datatype.INT64, Datatype.STRING, Datatype.DOUBLE, Datatype.DOUBLE)
_FIRST_ALIAS = 1


class Dialect(Protocol):
    """`stamp_ns` is what the gateway's clock shows at `at_ns`."""

    def born(self, at_ns: int, stamp_ns: int, report: Report) -> Iterable[Published]: ...
    def says(self, at_ns: int, stamp_ns: int, report: Report) -> Iterable[Published]: ...
    def died(self, at_ns: int) -> Iterable[Published]: ...


class Json:
    """One JSON object per cell and report, at `enterprise/site/line/cell`, its time `ts` in ms."""

    def __init__(self, enterprise: str, site: str, line: str, items: Sequence[str]) -> None:
        self._line_topic = f"{enterprise}/{site}/{line}/line"
        self._store_topic = f"{enterprise}/{site}/{line}/store"
        self._line_keys = ("ts", *LINE_METRICS)
        self._store_keys = ("ts", *(f"stock_{item}" for item in items))
        self._encode = msgspec.json.Encoder().encode

    def born(self, at_ns: int, stamp_ns: int, report: Report) -> Iterable[Published]:
        """JSON knows no births: a report like any other."""
        return self.says(at_ns, stamp_ns, report)

    def says(self, at_ns: int, stamp_ns: int, report: Report) -> Iterable[Published]:
        stamp_ms = stamp_ns // _NS_PER_MS
        line = self._encode(dict(zip(self._line_keys, (stamp_ms, *report.line), strict=True)))
        store = self._encode(dict(zip(self._store_keys, (stamp_ms, *report.stocks), strict=True)))
        return Published(at_ns, self._line_topic, line), Published(at_ns, self._store_topic, store)

    def died(self, at_ns: int) -> Iterable[Published]:
        """JSON knows no deaths either: silence is all there is."""
        return ()


class SparkplugB:
    """One edge node: site -> group, line -> edge node, cells -> devices; births with names, data by alias."""

    def __init__(self, enterprise: str, site: str, line: str, items: Sequence[str]) -> None:
        self._topic = f"spBv1.0/{site}/{{}}/{line}"
        stocks = tuple(f"stock_{item}" for item in items)
        self._line = _Device("line", LINE_METRICS, _LINE_TYPES, _FIRST_ALIAS)
        after = _FIRST_ALIAS + len(LINE_METRICS)
        self._store = _Device("store", stocks, (Datatype.INT64,) * len(stocks), after)
        self._line_topic = self._topic.format("DDATA") + "/line"
        self._store_topic = self._topic.format("DDATA") + "/store"
        self._bd_seq = -1
        self._seq = 0

    def born(self, at_ns: int, stamp_ns: int, report: Report) -> Iterable[Published]:
        """NBIRTH, then a DBIRTH for each device, with the values of now."""
        stamp_ms = stamp_ns // _NS_PER_MS
        self._bd_seq = (self._bd_seq + 1) % 256
        self._seq = 0
        own = (
            self._bd_metric(stamp_ms),
            Metric(False, "Node Control/Rebirth", timestamp_ms=stamp_ms, datatype=Datatype.BOOLEAN),
        )
        yield Published(at_ns, self._topic.format("NBIRTH"), encode(Payload(stamp_ms, self._next_seq(), own)))
        for device, values in ((self._line, report.line), (self._store, report.stocks)):
            birth = Payload(stamp_ms, self._next_seq(), device.birth(stamp_ms, values))
            yield Published(at_ns, f"{self._topic.format('DBIRTH')}/{device.name}", encode(birth))

    def says(self, at_ns: int, stamp_ns: int, report: Report) -> Iterable[Published]:
        stamp_ms = stamp_ns // _NS_PER_MS
        line = self._line.data.encode(stamp_ms, self._next_seq(), report.line)
        store = self._store.data.encode(stamp_ms, self._next_seq(), report.stocks)
        return Published(at_ns, self._line_topic, line), Published(at_ns, self._store_topic, store)

    def died(self, at_ns: int) -> Iterable[Published]:
        """The broker says the gateway's will: its NDEATH, with the bdSeq of the birth it ends."""
        will = Payload(at_ns // _NS_PER_MS, None, (self._bd_metric(at_ns // _NS_PER_MS),))
        return (Published(at_ns, self._topic.format("NDEATH"), encode(will)),)

    def _bd_metric(self, stamp_ms: int) -> Metric:
        return Metric(self._bd_seq, "bdSeq", timestamp_ms=stamp_ms, datatype=Datatype.INT64)

    def _next_seq(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return seq


class _Device:
    """A device's metrics: names, data types, and aliases that count up from `first_alias`."""

    def __init__(self, name: str, names: Sequence[str], datatypes: Sequence[Datatype], first_alias: int) -> None:
        self.name = name
        self._declared = tuple(zip(names, range(first_alias, first_alias + len(names)), datatypes, strict=True))
        unset = [Metric(None, "", alias, None, datatype) for _, alias, datatype in self._declared]
        self.data = Form(unset)

    def birth(self, stamp_ms: int, values: Sequence[float | str]) -> tuple[Metric, ...]:
        return tuple(
            Metric(value, name, alias, stamp_ms, datatype)
            for value, (name, alias, datatype) in zip(values, self._declared, strict=True)
        )
