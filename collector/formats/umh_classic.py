"""umh_classic: the older data model of the United Manufacturing Hub, `ia/<customer>/<location>/<asset>/<what>`.

    ia/acme/cologne/press/count          {"timestamp_ms": 1720730488000, "count": 1, "scrap": 0}
    ia/acme/cologne/press/scrapCount     {"timestamp_ms": 1720730488000, "scrap": 2}
    ia/acme/cologne/press/processValue   {"timestamp_ms": 1720730488000, "energy_kwh": 123.4}
    ia/acme/cologne/press/state          {"timestamp_ms": 1720730488000, "state": 10000}
    ia/acme/cologne/press/activity       {"timestamp_ms": 1720730488000, "activity": true}

Dots may stand for the slashes. The location is the site, the asset the line, for it is what the hub computes OEE of;
`{customer}`, `{location}` and `{asset}` may be named in every level. Orders, shifts, products, corrections and raw data
are left out.

**Counts are increments**, sent when something was made. They become the running totals `count` and `scrap`, counters
that report on events (`collector.formats.running_totals`); a tag rule of kind "gauge" keeps the increments. States are
those of `STATES` by their code; a tag rule may give them other names, in the same order. Options:
`collector.formats.tags`.

Source: umh.docs.umh.app, data model (v0), messages and states.
"""

from __future__ import annotations

import math
from bisect import bisect
from typing import NamedTuple

import msgspec

from collector.config import Site
from collector.formats.event_time import shown
from collector.formats.format import BadPayload, Decoded
from collector.formats.json_object import decode_object, required
from collector.formats.running_totals import RunningTotals
from collector.formats.tags import Tag, TagFormat, TagOptions, TagRule
from collector.readings import Equipment, Kind, Reading, Readings
from collector.sources.source import Message
from collector.topics import TopicTemplate

Options = TagOptions

STATES = (
    "producing",
    "producing_slowly",
    "unknown",
    "stopped",
    "material",
    "process",
    "operator",
    "planning",
    "technical",
)
_FIRST_CODES = (10_000, 20_000, 30_000, 40_000, 60_000, 100_000, 140_000, 160_000, 180_000)
_PAST_CODES = 230_000
_RAW = ("ia/raw", "ia.raw")  # what comes from sensors before anything was made of it, and images
_TIME = "timestamp_ms"
_COUNTS = {"count": ("count", "scrap"), "scrapCount": ("scrap",)}
_VALUES = ("processValue", "processValueString")
_STATES = ("state", "activity")
_READ = (*_VALUES, *_STATES, *_COUNTS)
_DEFAULTS = (
    TagRule(name="count", kind=Kind.COUNTER, on_event=True),
    TagRule(name="scrap", kind=Kind.COUNTER, on_event=True),
    TagRule(name="state", kind=Kind.STATE, states=STATES, on_event=True),
    TagRule(name="activity", kind=Kind.STATE, states=("inactive", "active"), on_event=True),
)
_MOST_AT_ONCE = 1e9  # one message; more would drown a total for good


class Address(NamedTuple):
    """A topic of the data model."""

    customer: str
    location: str
    asset: str
    what: str


class UmhClassic:
    def __init__(self, options: TagOptions, site: Site, topic: TopicTemplate) -> None:
        described = msgspec.structs.replace(options, tag=(*options.tag, *_DEFAULTS))
        self._events = TagFormat(tags_in, described, site, topic, words_in, time_field=_TIME)
        # Of values, the names are the site's own.
        self._values = TagFormat(tags_in, options, site, topic, words_in, time_field=_TIME)
        self._totals = RunningTotals()

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload, and has counted nothing then; never anything else."""
        address = address_of(message.topic)
        what = address.what if address else ""
        decoded = (self._values if what in _VALUES else self._events).decode(message)
        if what not in _COUNTS or not decoded.readings:
            return decoded
        if not self._totals.is_new(message.topic, decoded.readings.at_ns[0]):
            return Decoded()
        totals = Readings.of([self._total(one, message) for one in decoded.readings])
        return decoded._replace(readings=totals)

    def place(self, topic: str) -> Equipment | None:
        return self._values.place(topic)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._totals) if self._totals.times else b""

    def restore(self, memory: bytes) -> None:
        self._totals = msgspec.msgpack.decode(memory, type=RunningTotals) if memory else RunningTotals()

    def _total(self, counted: Reading, message: Message) -> Reading:
        """As it is where site.toml says that it is no counter."""
        return self._totals.add(counted, message.received_ns) if counted.series.kind is Kind.COUNTER else counted


def build(options: TagOptions, site: Site, topic: TopicTemplate) -> UmhClassic:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return UmhClassic(options, site, topic)


def tags_in(message: Message) -> list[Tag]:
    """The values of a message as tags, counts as increments; none of a message that is not read. Raises BadPayload."""
    address = address_of(message.topic)
    if address is None and message.topic.startswith(_RAW):
        return []
    if address is None:
        raise BadPayload(
            f"topic {message.topic}: no topic of the classic UMH data model, which is ia/<customer>/<location>/<asset>/"
            "<what>: correct the format in site.toml"
        )
    if address.what not in _READ:
        return []
    payload = decode_object(message)
    at = required(payload, _TIME, message.topic)
    if address.what in _COUNTS:
        required(payload, _COUNTS[address.what][0], message.topic)
        payload = {name: _increment(payload.get(name), name, message.topic) for name in _COUNTS[address.what]}
    if address.what == "state":
        payload = {"state": _state(required(payload, "state", message.topic), message.topic)}
    return [Tag(name, value, at) for name, value in payload.items() if name != _TIME]


def words_in(topic: str) -> dict[str, str]:
    """What a topic says of the place."""
    address = address_of(topic)
    if address is None:
        return {}
    return {**address._asdict(), "site": address.location, "line": address.asset}


def address_of(topic: str) -> Address | None:
    """What a topic says, None where it is none of the data model."""
    words = topic.replace(".", "/").split("/") if topic.startswith("ia.") else topic.split("/")
    return Address(*words[1:]) if len(words) == 5 and words[0] == "ia" and not topic.startswith(_RAW) else None


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    address = address_of(message.topic)
    if address is None and not message.topic.startswith(_RAW):
        return 0.0
    try:
        payload = decode_object(message)
    except BadPayload:
        return 0.0
    if address is None or address.what not in _READ:
        return 0.9
    return 1.0 if _TIME in payload else 0.0


def _increment(value: object, name: str, topic: str) -> object:
    """What was counted, None where nothing is said. Raises BadPayload."""
    number: float = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if value is None or 0 <= number <= _MOST_AT_ONCE:
        return value
    raise BadPayload(
        f"topic {topic}: field `{name}` holds {shown(value)}, an amount from 0 to {_MOST_AT_ONCE:.0f} is wanted: "
        "correct the sender"
    )


def _state(code: object, topic: str) -> int:
    """The index of a code's state. Raises BadPayload."""
    if isinstance(code, int) and _FIRST_CODES[0] <= code < _PAST_CODES:
        return bisect(_FIRST_CODES, code) - 1
    raise BadPayload(
        f"topic {topic}: field `state` holds {shown(code)}, a code from {_FIRST_CODES[0]} to {_PAST_CODES - 1} is "
        "wanted: correct the sender"
    )
