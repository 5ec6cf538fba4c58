"""Topics that carry the same kind of object, and what their fields say besides measuring.

A group becomes one rule: its topics have equally many levels and nearly the same fields.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from collector.recognition.columns import Column, Objects, object_in
from collector.recognition.instants import TimeGuess, time_field
from collector.recognition.places import Template, says_nothing
from collector.recognition.quantity import number_of, words_of
from collector.recognition.units import unit_in
from collector.sources.source import Message

ALIKE_RATIO = 0.7  # of the fields of two topics are the same: cells of one kind differ in a field or two
_MOST_PLACES = 1_000
PLACES = {
    "line": "line", "area": "area", "site": "site", "cell": "cell", "machine": "cell", "station": "cell",
    "device": "cell", "asset": "cell", "equipment": "cell", "workcell": "cell",
}  # fmt: skip


@dataclass(eq=False)
class Group:
    """The objects of some topics. `place_fields`: the level that a field of the payload says, by field."""

    topics: list[str]
    objects: Objects
    names: set[str]  # of all fields
    time: TimeGuess | None = None
    measured: int = 0  # levels at the end that say what is measured
    rest_of: Mapping[str, str] = field(default_factory=dict)
    rest_field: str = ""
    place_fields: dict[str, str] = field(default_factory=dict)
    template: Template = field(default_factory=lambda: Template("#"))

    @cached_property
    def fields(self) -> list[str]:
        """Their names but the time's, in order of appearance; to be asked once the time is known."""
        time = self.time.field if self.time else ""
        return [name for name in dict.fromkeys(name for _, said in self.objects for name in said) if name != time]

    @property
    def levels(self) -> list[list[str]]:
        """The levels of each topic that may be places."""
        return [topic.split("/")[: topic.count("/") + 1 - self.measured] for topic in self.topics]

    def column(self, name: str) -> Column:
        """The values of a field, by topic and by what the fields say of the place."""
        found = Column()
        for message, said in self.objects:
            if name in said:
                found.add("/".join([message.topic, *(str(said.get(one)) for one in self.place_fields)]), said[name])
        return found


def groups_of(by_topic: Mapping[str, Sequence[Message]], zone: dt.tzinfo) -> list[Group]:
    """The groups of a sample, their times and places found; `zone` is the site's. What is no object is in none."""
    groups: list[Group] = []
    for topic, messages in by_topic.items():
        objects = [(one, said) for one in messages if (said := object_in(one.payload))]
        if objects:
            _put(groups, topic, objects)
    for group in groups:
        group.objects.sort(key=lambda one: one[0].received_ns)
        group.time = time_field(group.objects, zone)
        group.rest_field, group.rest_of = _rest(group)
        group.measured = int(all(_says_no_place(topic, group) for topic in group.topics))
    cells = {level for group in groups for level in group.rest_of.values()}
    naming = {group.rest_field for group in groups if group.rest_field}
    for group in groups:
        group.place_fields = _place_fields(group, cells, naming)
    return groups


def _put(groups: list[Group], topic: str, objects: Objects) -> None:
    own = _names(objects)
    for group in groups:
        is_as_deep = group.topics[0].count("/") == topic.count("/")
        if is_as_deep and len(own & group.names) >= ALIKE_RATIO * len(own | group.names):
            group.topics.append(topic)
            group.objects += objects
            group.names |= own
            return
    groups.append(Group([topic], objects, own))


def _names(objects: Objects) -> set[str]:
    return {name for _, said in objects[:200] for name in said}


def _rest(group: Group) -> tuple[str, Mapping[str, str]]:
    """The field that says again what each last level ends with (`dispenser_red`, `dispenser: red`), and its values."""
    for name in group.fields:
        values: dict[str, set[str]] = {}
        for message, said in group.objects:
            value = said.get(name)
            values.setdefault(message.topic.rsplit("/", 1)[-1], set()).add(value if isinstance(value, str) else "")
        rests = {level: next(iter(own)) for level, own in values.items() if len(own) == 1}
        if len(rests) == len(values) and all(map(_is_rest, rests, rests.values())):
            starts = {level.removesuffix(rest) for level, rest in rests.items()}
            if len(starts) == 1:
                return name, rests
    return "", {}


def _is_rest(level: str, rest: str) -> bool:
    return bool(rest) and level != rest and level.endswith(rest) and number_of(rest) is None


def _says_no_place(topic: str, group: Group) -> bool:
    last = words_of(topic.rsplit("/", 1)[-1])
    return says_nothing(topic) or any(
        words_of(unit_in(name).name) == last for name in group.fields if name not in PLACES
    )


def _place_fields(group: Group, cells: set[str], naming: set[str]) -> dict[str, str]:
    """The level that each field says which tells one place of a topic from another."""
    found: dict[str, str] = {}
    for name in group.fields:
        values = {value for _, said in group.objects if isinstance(value := said.get(name), str)}
        says = PLACES.get(name.lower(), "cell" if name in naming or (cells and values and values <= cells) else "")
        is_slot = name != group.rest_field and not {"{", "}"} & set(name)
        if says and is_slot and 0 < len(values) <= _MOST_PLACES and says not in found.values():
            found[name] = says
    return found
