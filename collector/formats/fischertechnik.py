"""fischertechnik: the training factory Industry 4.0, its stock, orders, stations and room sensors.

    f/i/stock      {"ts": "2024-07-11T20:41:28.000Z", "stockItems": [
                     {"workpiece": {"id": "04A1", "type": "WHITE", "state": "RAW"}, "location": "A1"},
                     {"workpiece": null, "location": "A2"}]}
    f/i/order      {"ts": ..., "state": "IN_PROCESS", "type": "BLUE"}
    f/i/state/hbw  {"ts": ..., "station": "hbw", "code": 2, "description": "", "active": 1}
    i/bme680       {"ts": ..., "t": 25.1, "h": 40.0, "p": 1000.1, "iaq": 200, ...}

Topics count by their end, whatever a bridge put before them. A station or sensor is a cell. Every one of `types` has
its stock, zero where none is there. Cameras, alarms, NFC and what is sent to the factory carry no measurements. Options
besides those of `collector.formats.tags`: `types`. What site.toml describes comes before what is described here.

Source: github.com/fischertechnik/txt_training_factory, MqttInterface.md, and TxtFactoryTypes.h for codes and states.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial

import msgspec

from collector.config import Name, Site
from collector.formats.event_time import TimeUnit, shown
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions, TagRule, level_name
from collector.readings import Kind
from collector.sources.source import Message
from collector.topics import TopicTemplate

_TOPIC = re.compile(
    r"(?:.*/)?(?:(?P<stock>f/i/stock)|(?P<order>f/i/order)|f/i/state/(?P<station>[^/]+)|i/(?P<sensor>bme680|ldr)"
    r"|(?P<unmeasured>i/(?:cam|alert|broadcast|ptu/pos)|f/i/(?:nfc|config)/[^/]+|(?:c|o|fl|f/o)/.+))",
    re.DOTALL,
)
TOPICS = ("f/i/#", "i/#")
_TYPES = ("WHITE", "RED", "BLUE")
_NO_TYPE = "NONE"  # a workpiece whose tag could not be read
_ORDER_STATES = ("WAITING_FOR_ORDER", "ORDERED", "IN_PROCESS", "SHIPPED")
_STATION_STATES = {0: "off", 1: "ready", 2: "busy", 3: "wait_ready", 4: "error", 6: "wait_error", 7: "calibrating"}
_SENSED = {
    "t": ("temperature", "Cel"),
    "rt": ("temperature_raw", "Cel"),
    "h": ("humidity", "%"),
    "rh": ("humidity_raw", "%"),
    "p": ("pressure", "hPa"),
    "iaq": ("air_quality_index", "1"),
    "aq": ("air_quality_score", "1"),
    "gr": ("gas_resistance", "Ohm"),
    "br": ("brightness", "%"),
    "ldr": ("light_resistance", "Ohm"),
}
_RULES = (
    TagRule(name="stock_*", kind=Kind.STOCK),
    TagRule(name="free_places", kind=Kind.STOCK),
    TagRule(name="order_state", kind=Kind.STATE, states=_ORDER_STATES),
    TagRule(name="state", kind=Kind.STATE, states=tuple(_STATION_STATES.values())),
    TagRule(name="active", kind=Kind.STATE, states=("idle", "active")),
)


class Options(TagOptions, frozen=True, kw_only=True):
    """What a fischertechnik subscription may say. `types`: the types of workpieces there are."""

    time_unit: TimeUnit = "iso"
    types: tuple[Name, ...] = _TYPES


class Workpiece(msgspec.Struct):
    """What lies at a place, raw, processed or rejected alike."""

    type: str


class StockItem(msgspec.Struct):
    """A place of the high-bay warehouse."""

    workpiece: Workpiece | None
    location: str


class Stock(msgspec.Struct):
    """The whole warehouse."""

    ts: str
    items: list[StockItem] = msgspec.field(name="stockItems")


class Order(msgspec.Struct):
    """The order under way."""

    ts: str
    state: str


class Station(msgspec.Struct):
    """What a station's lamp shows, as `code`."""

    ts: str
    code: int
    active: int


class Unmeasured(msgspec.Struct):
    """Any other message."""

    ts: str


Room = msgspec.defstruct("Room", [("ts", str), *((field, float | None, None) for field in _SENSED)])
_REPORTS = {"stock": Stock, "order": Order, "station": Station, "sensor": Room, "unmeasured": Unmeasured}
_decoders = {name: msgspec.json.Decoder(report) for name, report in _REPORTS.items()}


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    described = msgspec.structs.replace(options, tag=(*options.tag, *_RULES))
    return TagFormat(partial(tags_in, types=options.types), described, site, topic, words_of, time_field="ts")


def tags_in(message: Message, types: tuple[str, ...] = _TYPES) -> list[Tag]:
    """The measurements of a message as tags. Raises BadPayload."""
    found = _TOPIC.fullmatch(message.topic)
    try:
        if found is None or found.lastgroup is None:
            raise ValueError("the topic is none of its topics")
        if found["unmeasured"]:
            return []
        report = _decoders[found.lastgroup].decode(message.payload)
        if isinstance(report, Order):
            return [Tag("order_state", report.state, report.ts)]
        if isinstance(report, Stock):
            return _stocks(report, types)
        return _states(report) if isinstance(report, Station) else _sensed(report)
    except (ValueError, RecursionError) as error:
        raise BadPayload(
            f"topic {message.topic}: no message of the training factory ({error}): correct the sender, "
            "or topic and format in site.toml"
        ) from error


def fits(message: Message) -> float:
    """How surely a message is of this dialect, by its topic and what it holds; a stock says it alone."""
    found = _TOPIC.fullmatch(message.topic)
    kind = (found.lastgroup if found else None) or ""
    try:
        report = _decoders[kind or "stock"].decode(message.payload)
    except (ValueError, RecursionError):
        return 0.0
    return {"": 0.9 if isinstance(report, Stock) and report.items else 0.0, "unmeasured": 0.5}.get(kind, 1.0)


def words_of(topic: str) -> dict[str, str]:
    """What a topic says of the place: the cell, the warehouse where it is of the stock."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return {}
    cell = "hbw" if found["stock"] else found["station"] or found["sensor"]
    return {"cell": level_name(cell)} if cell else {}


def _stocks(stock: Stock, types: tuple[str, ...]) -> list[Tag]:
    """How many there are of each type, and how many places are free. Raises ValueError."""
    if not stock.items:
        raise ValueError("it names no place, so it says nothing of the stock")
    counts = Counter(item.workpiece.type if item.workpiece else "" for item in stock.items)
    unknown = next((name for name in counts if name not in ("", _NO_TYPE, *types)), None)
    if unknown is not None:
        raise ValueError(f"a workpiece is of type {shown(unknown)}, which `types` does not name")
    amounts = {f"stock_{name.lower()}": counts[name] for name in types} | {"free_places": counts[""]}
    return [Tag(name, amount, stock.ts) for name, amount in amounts.items()]


def _states(station: Station) -> list[Tag]:
    """Raises ValueError."""
    if station.code not in _STATION_STATES:
        raise ValueError(f"code {station.code} is none of {', '.join(map(str, _STATION_STATES))}")
    states = {"state": _STATION_STATES[station.code], "active": station.active}
    return [Tag(name, state, station.ts) for name, state in states.items()]


def _sensed(room: msgspec.Struct) -> list[Tag]:
    """The values that are there. Raises ValueError where none is."""
    values = msgspec.structs.asdict(room)
    ts = values.pop("ts")
    there = {_SENSED[field]: value for field, value in values.items() if value is not None}
    if not there:
        raise ValueError(f"it holds none of {', '.join(_SENSED)}")
    return [Tag(name, value, ts, unit=unit) for (name, unit), value in there.items()]
