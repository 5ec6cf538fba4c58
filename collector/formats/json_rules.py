"""json_rules: any JSON objects, each topic read by the first rule whose topic fits.

    [[subscribe]]
    topic = "rig/#"
    format = "json_rules"
    [[subscribe.rule]]
    topic = "rig/dispenser_{cell}"
    line = "bottling"                              # text with {capture or payload field} slots
    time = { field = "time", unit = "s" }
    reading = [{ metric = "fill_level", value = "grams", kind = "stock", unit = "g" }]
    [[subscribe.rule]]
    topic = "rig/crack"                            # carries no time: takes that of the weighing of its bottle
    time = { joined_on = "bottle", with = "rig/weight" }
    ...

The last 1,000 weighings (or whatever is joined with) are remembered, over restarts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from re import Pattern
from typing import Any

import msgspec

from collector.config import Name, Section, Site
from collector.formats.event_time import EventTime, TimeUnit, site_zone
from collector.formats.format import BadPayload, Decoded
from collector.formats.joined_time import Join
from collector.formats.json_object import Quantity, decode_object, readings, time_in
from collector.formats.object_map import LEVELS, MOST_REMEMBERED, FieldMap, ObjectMap, check_fields
from collector.readings import Equipment
from collector.sources.source import Message
from collector.topics import TopicTemplate


class Time(Section, frozen=True, kw_only=True):
    """Where a message's time is: in `field`, or in the latest message of the rule `with` whose `joined_on` is the same.

    With neither, the time of receipt; a redelivered message then counts twice.
    """

    field: str = ""
    unit: TimeUnit = "s"
    joined_on: str = ""
    partner: str = msgspec.field(default="", name="with")


class Value(Quantity, frozen=True, kw_only=True):
    """One reading of a rule: the payload's field `value` becomes `metric`. Unless `optional`, it must be there."""

    metric: Name
    value: Name
    optional: bool = False


class Rule(Section, frozen=True, kw_only=True):
    """How the objects of some topics are read. Levels are text with `{capture or payload field}` slots."""

    topic: Name
    reading: tuple[Value, ...]
    time: Time = Time()
    site: str = ""
    area: str = ""
    line: str = ""
    cell: str = ""


class Options(Section, frozen=True, kw_only=True):
    """What a json_rules subscription may say."""

    rule: tuple[Rule, ...]


def can_share(options: Options) -> bool:
    """Whether several collectors may share the messages: not where one takes its time from another."""
    return not any(rule.time.joined_on for rule in options.rule)


@dataclass(frozen=True, slots=True)
class Reader:
    """A rule made ready: the join that gives its time, and the joins that its own messages feed."""

    matcher: Pattern[str]
    levels: Mapping[str, str]
    fields: tuple[FieldMap, ...]
    time_field: str
    event_time: EventTime
    joins: Join | None
    feeds: tuple[Join, ...]

    def at_ns(self, payload: Mapping[str, Any], found: ObjectMap, message: Message) -> int:
        """The event time of a message, kept for the messages that join on it. Raises BadPayload."""
        if self.joins:
            return self.joins.at_ns(payload, found.captures, message.topic)
        at_ns = time_in(payload, self.time_field, self.event_time, message)
        for join in self.feeds:
            join.remember(payload, found.captures, at_ns)
        return at_ns


class JsonRules:
    def __init__(self, readers: Sequence[Reader], site: Site) -> None:
        self._site = site
        self._readers = tuple(readers)
        self._joins = {join.name: join for reader in readers for join in reader.feeds}
        self._routes: dict[str, tuple[Reader, ObjectMap]] = {}

    def decode(self, message: Message) -> Decoded:
        reader, found = self._routes.get(message.topic) or self._route(message.topic)
        payload = decode_object(message)
        at_ns = reader.at_ns(payload, found, message)
        return Decoded(readings(payload, found.measured(payload), at_ns, message.topic))

    def snapshot(self) -> bytes:
        memory = {name: join.times for name, join in self._joins.items() if join.times}
        return msgspec.msgpack.encode(memory) if memory else b""

    def restore(self, memory: bytes) -> None:
        """Takes up the joined times; those of rules that site.toml no longer has are dropped."""
        known = msgspec.msgpack.decode(memory, type=dict[str, dict[str, int]]) if memory else {}
        for name, join in self._joins.items():
            join.times = known.get(name, {})

    def place(self, topic: str) -> Equipment | None:
        try:
            _, found = self._routes.get(topic) or self._route(topic)
        except BadPayload:
            return None
        return found.place()

    def _route(self, topic: str) -> tuple[Reader, ObjectMap]:
        """What is worked out once for each topic: the first rule that fits, and its map. Raises BadPayload."""
        for reader in self._readers:
            match = reader.matcher.fullmatch(topic)
            if match is not None:
                found = ObjectMap(topic, self._site, reader.levels, match.groupdict(), reader.fields)
                if len(self._routes) >= MOST_REMEMBERED:
                    self._routes.clear()
                self._routes[topic] = reader, found
                return reader, found
        raise BadPayload(f"topic {topic}: no rule reads it: add a [[subscribe.rule]] or narrow [[subscribe]] topic")


def build(options: Options, site: Site, topic: TopicTemplate) -> JsonRules:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    if not options.rule:
        raise ValueError(f"json_rules of {topic.text}: has no rule; add a [[subscribe.rule]]")
    rules = {rule.topic: rule for rule in options.rule}
    if len(rules) < len(options.rule):
        raise ValueError(f"json_rules of {topic.text}: two rules have the same topic; put their readings into one")
    templates = {rule.topic: _template(rule, topic) for rule in options.rule}
    joins: dict[str, Join] = {}
    joined = {rule.topic: _join(rule, rules, templates, joins) for rule in options.rule if _is_joined(rule)}
    zone = site_zone(site)
    readers = []
    for rule in options.rule:
        fields = tuple(FieldMap(value.value, value.metric, value, value.optional) for value in rule.reading)
        check_fields(fields, f"rule {rule.topic}")
        levels = {level: getattr(rule, level) for level in LEVELS}
        feeds = tuple(join for join in joins.values() if join.partner == rule.topic)
        time = EventTime(rule.time.unit, zone)
        matcher = templates[rule.topic].matcher()
        readers.append(Reader(matcher, levels, fields, rule.time.field, time, joined.get(rule.topic), feeds))
    return JsonRules(readers, site)


def fits(message: Message) -> float:
    """How surely a message is of this dialect: any JSON object may be, so every other dialect goes before."""
    try:
        payload = decode_object(message)
    except BadPayload:
        return 0.0
    return 0.2 if payload else 0.0


def _template(rule: Rule, subscribed: TopicTemplate) -> TopicTemplate:
    template = TopicTemplate(rule.topic)
    if subscribed.matcher().fullmatch(template.filter) is None:
        raise ValueError(f"rule {rule.topic}: lies outside the subscribed {subscribed.text}; correct one of the two")
    return template


def _is_joined(rule: Rule) -> bool:
    """Raises ValueError when the rule's time is said in two ways, or in half of one."""
    time = rule.time
    if bool(time.joined_on) != bool(time.partner) or (time.joined_on and time.field):
        raise ValueError(
            f"rule {rule.topic}: time is either {{ field, unit }} or {{ joined_on, with }}; write one of them"
        )
    return bool(time.joined_on)


def _join(
    rule: Rule, rules: Mapping[str, Rule], templates: Mapping[str, TopicTemplate], joins: dict[str, Join]
) -> Join:
    """The join of a rule, one object for all rules that join the same way."""
    partner = rules.get(rule.time.partner)
    if partner is None or partner.time.joined_on:
        raise ValueError(
            f"rule {rule.topic}: joined with {rule.time.partner!r}, which is no rule with a time of its own; "
            f"write one of {', '.join(other.topic for other in rules.values() if not other.time.joined_on)}"
        )
    ours, theirs = templates[rule.topic].captures, templates[partner.topic].captures
    join = Join(partner.topic, rule.time.joined_on, tuple(name for name in ours if name in theirs))
    return joins.setdefault(join.name, join)
