"""json_fields: one kind of JSON object, whose fields are listed once for every topic of the subscription.

[[subscribe]]
topic = "plant/{line}/{cell}"     # captures named site, area, line, cell say where the readings belong
format = "json_fields"
time = "ts"                       # without it: the time of receipt, and a redelivery counts twice
time_unit = "ms"
[subscribe.fields.good]
kind = "counter"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import astuple

from collector.config import Section, Site
from collector.formats.event_time import EventTime, TimeUnit, site_zone
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.formats.json_object import Quantity, decode_object, readings, time_in
from collector.formats.object_map import LEVELS, MOST_REMEMBERED, FieldMap, ObjectMap, check_fields
from collector.formats.typed_object import UNSET, TypedObject, typed_object
from collector.intake import Columns
from collector.readings import Equipment, Quality, Series
from collector.sources.source import Message
from collector.topics import TopicTemplate

_GOOD = int(Quality.GOOD)


class Field(Quantity, frozen=True, kw_only=True):
    """One field of the objects. Not every cell sends every field, so a message may lack it unless it is `required`."""

    required: bool = False


class Options(Section, frozen=True, kw_only=True):
    """What a json_fields subscription may say. Levels are text with `{capture or payload field}` slots."""

    fields: dict[str, Field]
    time: str = ""
    time_unit: TimeUnit = "s"
    site: str = ""
    area: str = ""
    line: str = ""
    cell: str = ""


class JsonFields(Stateless):
    def __init__(self, options: Options, site: Site, topic: TopicTemplate, fields: tuple[FieldMap, ...]) -> None:
        self._site = site
        self._topic = topic
        self._matcher = topic.matcher()
        self._levels = {level: getattr(options, level) for level in LEVELS}
        self._fields = fields
        self._time = options.time
        self._event_time = EventTime(options.time_unit, site_zone(site))
        self._maps: dict[str, ObjectMap] = {}
        self._typed: dict[str, TypedObject] = {}

    def decode(self, message: Message) -> Decoded:
        topic = message.topic
        found = self._maps.get(topic) or self._map(topic)
        payload = decode_object(message)
        at_ns = time_in(payload, self._time, self._event_time, message)
        return Decoded(readings(payload, found.measured(payload), at_ns, topic))

    def decode_whole(self, messages: Sequence[Message], columns: Columns) -> Iterator[Message]:
        """Adds what the whole payloads say, at the price of a typed decode; yields each that is not in its turn."""
        read_time = self._event_time.reader(messages)
        for message in messages:
            topic, payload, received_ns = message
            typed = self._typed.get(topic)
            if typed is None:
                yield message
                continue
            try:
                *value, time = astuple(typed.decode(payload))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield message
                continue
            at_ns = read_time(time)
            series: Sequence[Series] = typed.series
            if UNSET in value or not typed.is_as_sent:
                series, value = typed.present(value)  # fewer, states by their index, in the unit that is kept
            if at_ns is None or not series:
                yield message
                continue
            columns.block.append(series)
            columns.at_ns.append(at_ns)
            columns.quality.append(_GOOD)
            columns.received_ns.append(received_ns)
            columns.value += value

    def place(self, topic: str) -> Equipment | None:
        try:
            return (self._maps.get(topic) or self._map(topic)).place()
        except BadPayload:
            return None

    def _map(self, topic: str) -> ObjectMap:
        match = self._matcher.fullmatch(topic)
        if match is None:
            raise BadPayload(
                f"topic {topic}: does not fit {self._topic.text}: correct [[subscribe]] topic in site.toml"
            )
        if len(self._maps) >= MOST_REMEMBERED:
            self._maps.clear()
            self._typed.clear()
        found = ObjectMap(topic, self._site, self._levels, match.groupdict(), self._fields)
        self._maps[topic] = found
        fixed = found.fixed()
        typed = typed_object(fixed, self._time, self._event_time.unit) if fixed else None
        if typed:
            self._typed[topic] = typed
        return found


def build(options: Options, site: Site, topic: TopicTemplate) -> JsonFields:
    """The format as site.toml describes it. Raises ValueError, a sentence, for what could never be read."""
    named = options.fields.items()
    fields = tuple(FieldMap(name, field.metric or name, field, not field.required) for name, field in named)
    check_fields(fields, f"json_fields of {topic.text}")
    return JsonFields(options, site, topic, fields)
