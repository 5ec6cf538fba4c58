"""json_rules for objects that are of no dialect: a rule for each group of topics, with times, places and readings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.formats.object_map import LEVELS
from collector.readings import Kind
from collector.recognition.groups import Group, groups_of
from collector.recognition.joins import Joined, joined
from collector.recognition.places import Scheme, Template, scheme_of, shared_levels, template_of
from collector.recognition.proposal import Asked, LeftOutField, Part
from collector.recognition.quantity import Guess, LeftOut, guess, is_serial, serial
from collector.recognition.rules_text import Key, Table
from collector.sources.source import Message
from collector.topics import TopicTemplate
from collector.units.code import usually

_VALUES = ("value", "val", "v")
_UNIT_BESIDE = (".unit", ".units", ".uom", ".u", ".engUnit", "_unit", "_uom", "Unit")


def propose(by_topic: Mapping[str, Sequence[Message]], dialect: str, asked: Asked, proof: str) -> Part | None:
    """The rules for these topics; None where they hold no object."""
    groups = groups_of(by_topic, asked.zone)
    if not groups:
        return None
    joins = _placed(groups, asked)
    counted = _counted(groups, joins)
    tables: list[Table] = []
    left_out: list[LeftOutField] = []
    for group in sorted(groups, key=lambda one: len(one.template.captures)):
        readings = dict(_readings(group, counted))
        left_out += [LeftOutField(group.template.topic, *one) for one in _left_out(group, readings)]
        kept = {name: found for name, found in readings.items() if isinstance(found, Guess)}
        if kept:
            tables.append(Table("[[subscribe.rule]]", list(_rule(group, joins.get(group), readings, asked))))
            tables += [Table("[[subscribe.rule.reading]]", list(_reading(group, *one))) for one in kept.items()]
    topic = _subscribed([group.template.topic for group in groups])
    head = Table("[[subscribe]]", [Key("topic", topic), Key("format", dialect, proof)])
    return Part(topic, list(by_topic), [head, *tables] if tables else [], left_out)


def _placed(groups: list[Group], asked: Asked) -> dict[Group, Joined]:
    """Gives every group its template; groups whose templates would read each other's topics fall apart by topic."""
    scheme = scheme_of([levels for group in groups for levels in group.levels], asked.site)
    for group in groups:
        group.template = template_of(group.topics, group.measured, scheme, dict(group.rest_of))
    for group in [one for one in groups if _is_in_the_way(one, groups)]:
        groups.remove(group)
        groups += [_alone(group, topic, scheme) for topic in group.topics]
    joins = {}
    for group in groups:
        found = joined(group, groups) if group.time is None else None
        if found:
            joins[group] = found
            group.template = _beside(group.template, found)
    return joins


def _is_in_the_way(group: Group, groups: Sequence[Group]) -> bool:
    """Whether the group's rule reads topics of others that are no more particular than it is."""
    captures = len(group.template.captures)
    return len(group.topics) > 1 and any(
        group.template.reads(topic)
        for other in groups
        if other is not group and len(other.template.captures) >= captures
        for topic in other.topics
    )


def _alone(group: Group, topic: str, scheme: Scheme) -> Group:
    objects = [one for one in group.objects if one[0].topic == topic]
    template = template_of([topic], group.measured, scheme, {})
    return replace(group, topics=[topic], objects=objects, template=template)


def _beside(template: Template, found: Joined) -> Template:
    """The template of joined messages: what they are about is where their partner is."""
    theirs = found.partner.template
    if "cell" not in template.levels and "cell" in template.captures:
        return template
    levels = {**template.levels, "cell": theirs.levels.get("cell", template.levels.get("cell", ""))}
    return replace(template, levels={level: text for level, text in levels.items() if text})


def _counted(groups: Sequence[Group], joins: Mapping[Group, Joined]) -> dict[str, Group | None]:
    """The fields that number things, and the group in which these are counted: each thing is counted once.

    That is where others take their time from, else the only group that names them; None where there is no such.
    """
    found: dict[str, Group | None] = {one.field: one.partner for one in joins.values()}
    for name in {name for group in groups for name in group.fields} - found.keys():
        holders = [group for group in groups if name in group.fields]
        columns = [group.column(name) for group in holders]
        if all(is_serial(column) and all(isinstance(one, str) for one in column.values) for column in columns):
            found[name] = holders[0] if len(holders) == 1 else None
    return {name: group if group and is_serial(group.column(name)) else None for name, group in found.items()}


def _readings(group: Group, counted: Mapping[str, Group | None]) -> Iterator[tuple[str, Guess | LeftOut]]:
    """What each field becomes."""
    taken: set[str] = set()
    for name in group.fields:
        if name in group.place_fields:
            continue
        found = _one_reading(name, group, counted)
        if isinstance(found, Guess):
            short = found.metric.rsplit(".", 1)[-1]
            metric = next((one for one in (short, found.metric, name) if one and one not in taken), "")
            found = found._replace(metric=metric) if metric else LeftOut("another field has its name")
            taken.add(metric)
        yield name, found


def _one_reading(name: str, group: Group, counted: Mapping[str, Group | None]) -> Guess | LeftOut:
    if name == group.rest_field:
        return LeftOut("the topic says it, too")
    if name in counted:
        where = counted[name]
        if where is group:
            return serial(name)
        return LeftOut(f"it names things{f', which are counted in {where.template.topic}' if where else ''}")
    parent, _, leaf = name.rpartition(".")
    is_value = bool(parent) and leaf.lower() in _VALUES  # of `motor.temp.value` the name is motor.temp
    found = guess(parent if is_value else name, group.column(name))
    return _in_unit(found, group, parent if is_value else name) if isinstance(found, Guess) else found


def _in_unit(found: Guess, group: Group, name: str) -> Guess:
    """The guess in the unit that a field beside it says, such as `temp.unit` or `temp_unit`."""
    for field in (f"{name}{mark}" for mark in _UNIT_BESIDE):
        said = {value for _, fields in group.objects if isinstance(value := fields.get(field), str)}
        unit = usually(next(iter(said))) if len(said) == 1 else ""
        if unit and found.kind is not Kind.STATE:
            return found._replace(unit=unit, why="; ".join(filter(None, (found.why, f"{field} says its unit"))))
    return found


def _left_out(group: Group, readings: Mapping[str, Guess | LeftOut]) -> Iterator[tuple[str, str]]:
    yield from ((name, found.why) for name, found in readings.items() if isinstance(found, LeftOut))


def _rule(group: Group, found: Joined | None, readings: Mapping[str, Guess | LeftOut], asked: Asked) -> Iterator[Key]:
    template = group.template
    yield Key("topic", template.topic, template.why)
    yield from level_keys(template, group.place_fields, asked)
    if found:
        lag = f"carries no time: the message that names the same {found.field} came {found.lag_s:.3g} s before"
        yield Key("time", {"joined_on": found.field, "with": found.partner.template.topic}, lag)
    elif group.time:
        yield Key("time", {"field": group.time.field, "unit": group.time.unit}, group.time.proof)
    else:
        yield Key("", why="carries no time: that of its receipt; a message that comes twice counts twice")
    for name, why in _left_out(group, readings):
        yield Key("", why=f"left out: {name}: {why}")


def level_keys(template: Template, place_fields: Mapping[str, str], asked: Asked) -> Iterator[Key]:
    """Where the readings belong, as far as no capture of that name says it already."""
    said = dict(template.levels)
    if said.get("site") == asked.site_name:
        del said["site"]
    if asked.line and "line" not in said and "line" not in template.captures:
        said["line"] = asked.line
    by_field: dict[str, Any] = {level: f"{{{field}}}" for field, level in place_fields.items()}
    for level, slot in by_field.items():
        before = said.get(level, f"{{{level}}}" if level in template.captures else "")
        said[level] = slot if not before or level not in template.captures else f"{before}_{slot}"
    for level in LEVELS:
        if level in said:
            why = "the payload says which" if level in by_field else ""
            if level == "line" and asked.line and "line" not in template.levels:
                why = "as said with --line"
            yield Key(level, said[level], why)


def _reading(group: Group, name: str, found: Guess) -> Iterator[Key]:
    yield Key("metric", found.metric)
    yield Key("value", name)
    yield from quantity_keys(found)
    if group.column(name).count < len(group.objects):
        yield Key("optional", True, "not every message has it")


def quantity_keys(found: Guess) -> Iterator[Key]:
    """What differs from a gauge of unit 1, with the reason at the first key."""
    keys: dict[str, Any] = {}
    if found.kind != "gauge":
        keys["kind"] = str(found.kind)
    if found.unit != "1":
        keys["unit"] = found.unit
    if found.states:
        keys["states"] = found.states
    if found.on_event:
        keys["on_event"] = True
    for i, (key, value) in enumerate(keys.items()):
        yield Key(key, value, "" if i else found.why)


def _subscribed(topics: Sequence[str]) -> str:
    """The narrowest topic that admits all templates."""
    if len(topics) == 1:
        return TopicTemplate(topics[0]).filter
    shared = shared_levels([topic.split("/") for topic in topics])
    fixed = itertools.takewhile(lambda level: "{" not in level and level != "+", shared)
    return "/".join([*fixed, "#"])
