"""The fast way of data messages that are as they should be: straight into columns, nothing built per metric.

Input: NDATA and DDATA by alias, in their turn, of a device whose birth was seen. What that birth says is worked out
once for each list of aliases (`Layout`), and now and then how the message is built (`shape`), so that the next that are
built alike need not be parsed. Every other message is left to the closer look, which names its fault; both
give the same readings (contract test), and nothing is changed before all of a message is known to be good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from collector.formats.event_time import EARLIEST_NS, latest_ns
from collector.formats.format import BadPayload
from collector.formats.limits import MOST_METRICS
from collector.formats.sparkplug_b.edge_node import EdgeNode, Known, Table
from collector.formats.sparkplug_b.mapping import Mapping
from collector.formats.sparkplug_b.payload import BITS, FIELD_OF
from collector.formats.sparkplug_b.protocol import Address, MessageType, spoken
from collector.formats.sparkplug_b.schema import ABSENT, plain
from collector.formats.sparkplug_b.session import Session
from collector.formats.sparkplug_b.shape import Numbers, Shapes
from collector.intake import Columns
from collector.readings import Kind, Quality, Series
from collector.sources.source import Message
from collector.units.scaling import Scaling

_DATA = frozenset((MessageType.NDATA, MessageType.DDATA))
_GOOD = int(Quality.GOOD)
_NOTHING = (None, None)
_NS_PER_MS = 1_000_000
_MOST_LAYOUTS = 256  # of one device: reports by exception name other metrics every time
_MOST_TOPICS = 20_000
_LONGEST = 2 * MOST_METRICS  # bytes; of a longer message it is asked first how many metrics it has
_MOST = {"int_value": 2**32 - 1, "long_value": ABSENT - 1, "boolean_value": 1}


@dataclass(slots=True, eq=False)
class Layout:
    """Where the values of one list of aliases belong. Positions count in the message, `kept` in it as well."""

    fields: list[str]
    kept: list[int] | None  # the positions that are measurements, None where all are
    block: tuple[Series, ...]
    singles: list[tuple[Series]]
    unsigned: list[tuple[int, int]]  # position and the most it may be
    signed: list[tuple[int, int]]  # position and bits
    stocks: list[int]
    states: list[tuple[int, dict[Any, float]]]
    scaled: list[tuple[int, Scaling]]


@dataclass(slots=True, eq=False)
class _Device:
    """One topic's edge node and table as they were when it was looked up."""

    node: EdgeNode
    address: Address
    table: Table
    layouts: dict[tuple[int, ...], Layout | None] = field(default_factory=dict)
    shapes: Shapes[Layout] = field(default_factory=Shapes)


class FastColumns:
    def __init__(self, session: Session, mapping: Mapping) -> None:
        self._session = session
        self._mapping = mapping
        self._devices: dict[str, _Device] = {}

    def clear(self) -> None:
        """Forgets what was looked up: the session's edge nodes are others now."""
        self._devices = {}

    def take(self, message: Message, columns: Columns) -> bool:
        """Whether the message was taken in; false: nothing was changed."""
        topic, payload, received_ns = message
        device = self._devices.get(topic)
        if device is None or device.node.tables.get(device.address.device) is not device.table:
            device = self._looked_up(topic)
            if device is None:
                return False
        node, life = device.node, device.node.life
        if node.held or not life.is_born or received_ns < life.since_ns or len(payload) > _LONGEST:
            return False
        said, layout = device.shapes.read(payload) or self._parsed(device, payload) or _NOTHING
        if said is None or layout is None or said.seq != life.due:
            return False
        at_ns = _at_ns(said, received_ns)
        numbers = _numbers(layout, said.values)
        if at_ns is None or numbers is None:
            return False
        self._session.counted(node, said.seq, said.stamp_ms, received_ns)
        _add(columns, layout, at_ns, numbers, received_ns)
        return True

    def _parsed(self, device: _Device, payload: bytes) -> tuple[Numbers, Layout] | None:
        try:
            wire = plain(payload)
            if wire is None or not wire.HasField("seq"):
                return None
            metrics = list(wire.metrics)  # once: each passage over the field makes new objects
            aliases = tuple([metric.alias for metric in metrics])
            layout = device.layouts[aliases] if aliases in device.layouts else self._laid_out(device, aliases)
            if layout is None:
                return None
            stamps_ms = [metric.timestamp for metric in metrics]
            is_stamped = stamps_ms[0] != 0 or any(metric.HasField("timestamp") for metric in metrics)
            stamp_ms = wire.timestamp if wire.HasField("timestamp") else None
            values = list(map(getattr, metrics, layout.fields))
        except (DecodeError, UnicodeDecodeError):
            return None
        device.shapes.note(payload, layout.fields, layout)
        return Numbers(wire.seq, stamp_ms, stamps_ms, is_stamped, values), layout

    def _looked_up(self, topic: str) -> _Device | None:
        try:
            said = spoken(topic)
        except BadPayload:
            return None
        if said is None or said.kind not in _DATA:
            return None
        node = self._session.nodes.get(said.address.node)
        table = node.tables.get(said.address.device) if node else None
        if node is None or table is None or table.died_ns is not None:
            return None
        if len(self._devices) >= _MOST_TOPICS:
            self._devices.clear()
        self._devices[topic] = _Device(node, said.address, table)
        return self._devices[topic]

    def _laid_out(self, device: _Device, aliases: tuple[int, ...]) -> Layout | None:
        if len(device.layouts) >= _MOST_LAYOUTS:
            device.layouts.clear()
        by_alias = device.table.by_alias
        known = [by_alias[alias] for alias in aliases if alias in by_alias]
        layout = None
        if len(known) == len(aliases):
            with suppress(BadPayload):  # a metric whose values cannot be taken: the closer look says why
                layout = _layout(known, lambda one: self._mapping.series_of(device.address, one))
        device.layouts[aliases] = layout
        return layout


def _layout(known: Sequence[Known], series_of: Callable[[Known], Series | None]) -> Layout | None:
    """None where a metric is of a data type without a number of its own, or the birth left its type out."""
    fields = [FIELD_OF.get(one.datatype, "") for one in known]
    series = [series_of(one) for one in known]
    if not all(fields) or not any(series):
        return None
    measured = [(i, one) for i, one in enumerate(series) if one is not None]
    if any(fields[i] == "string_value" and one.kind is not Kind.STATE for i, one in measured):
        return None
    bits = [(i, BITS.get(known[i].datatype, 0)) for i, _ in measured]
    most = [(i, _MOST.get(fields[i])) for i, _ in measured if known[i].datatype not in BITS]
    return Layout(
        fields=fields,
        kept=[i for i, _ in measured] if len(measured) < len(series) else None,
        block=tuple(one for _, one in measured),
        singles=[(one,) for _, one in measured],
        unsigned=[(i, one) for i, one in most if one is not None],
        signed=[(i, width) for i, width in bits if width],
        stocks=[i for i, one in measured if one.kind is Kind.STOCK],
        states=[(i, _by_name_or_index(one)) for i, one in measured if one.kind is Kind.STATE],
        scaled=[(i, one.scaling) for i, one in measured if isinstance(one.scaling, Scaling) and not one.states],
    )


def _by_name_or_index(series: Series) -> dict[Any, float]:
    indices: dict[Any, float] = {index: float(index) for index in range(len(series.states))}
    return {**indices, **{name: float(series.states.index(name)) for name in series.states}}


def _at_ns(said: Numbers, received_ns: int) -> int | list[int] | None:
    """The instant of all metrics, or one for each; None where one has a closer look coming."""
    stamps = said.stamps_ms
    latest = latest_ns(received_ns)
    first = stamps[0]
    if stamps.count(first) == len(stamps):
        if first == 0:
            if said.stamp_ms is None or said.is_stamped:
                return None
            first = said.stamp_ms
        at_ns: int = first * _NS_PER_MS
        return at_ns if EARLIEST_NS <= at_ns <= latest else None
    if min(stamps) * _NS_PER_MS >= EARLIEST_NS and max(stamps) * _NS_PER_MS <= latest:
        return [stamp * _NS_PER_MS for stamp in stamps]
    return None


def _numbers(layout: Layout, value: list[Any]) -> list[float] | None:
    """The values of the measurements; None where one is no number of its series."""
    for i, most in layout.unsigned:
        if value[i] > most:
            return None
    for i, bits in layout.signed:
        if value[i] >> (bits - 1):
            if value[i] == ABSENT:
                return None
            low = value[i] & ((1 << bits) - 1)
            value[i] = low - (1 << bits) if low >> (bits - 1) else low
    for i, states in layout.states:
        index = states.get(value[i])
        if index is None:
            return None
        value[i] = index
    for i in layout.stocks:
        if value[i] < 0:
            return None
    for i, scaling in layout.scaled:
        value[i] = scaling.of(float(value[i]))
    numbers = value if layout.kept is None else [value[i] for i in layout.kept]
    return numbers if math.isfinite(sum(numbers)) else None


def _add(columns: Columns, layout: Layout, at_ns: int | list[int], numbers: Sequence[float], received_ns: int) -> None:
    if isinstance(at_ns, int):
        columns.block.append(layout.block)
        columns.at_ns.append(at_ns)
        columns.quality.append(_GOOD)
        columns.received_ns.append(received_ns)
    else:
        count = len(numbers)
        columns.block += layout.singles
        columns.at_ns += at_ns if layout.kept is None else [at_ns[i] for i in layout.kept]
        columns.quality += (_GOOD,) * count
        columns.received_ns += (received_ns,) * count
    columns.value += numbers
