"""[[subscribe]]s of dialects that send values under names of their own: places, time unit and kinds of their tags.

Tags that are plain gauges need no rule, so only the others get one.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from collector.config import Site
from collector.formats import csv, json_value
from collector.formats.format import BadPayload
from collector.formats.object_map import LEVELS
from collector.formats.tags import Tag, TagOptions, placing
from collector.readings import Kind, Series
from collector.recognition import singles, tables
from collector.recognition.columns import Column
from collector.recognition.globs import gathered
from collector.recognition.instants import TimeGuess, unit_of
from collector.recognition.objects import level_keys, quantity_keys
from collector.recognition.places import (
    Template,
    beginnings,
    documented,
    says_nothing,
    scheme_of,
    template_of,
)
from collector.recognition.proposal import Asked, LeftOutField, Part
from collector.recognition.quantity import Guess, LeftOut, guess
from collector.recognition.rules_text import Key, Table
from collector.sources.source import Message
from collector.topics import TopicTemplate
from collector.units.code import nearest

Tagged = Sequence[tuple[Message, Sequence[Tag]]]
_ANYWHERE = Site(enterprise="any", name="any")
_BRACES = re.compile(r"[{}]")


class _Spoken(NamedTuple):
    """What a dialect says without any rule: the levels it names itself, and the metrics it describes itself."""

    levels: frozenset[str]
    metrics: frozenset[str]


def propose(
    by_topic: Mapping[str, Sequence[Message]], dialect: str, module: ModuleType, asked: Asked, proof: str
) -> list[Part]:
    """One [[subscribe]] for the topics of each depth; by their beginnings where the dialect says the line itself."""
    messages = [message for own in by_topic.values() for message in own]
    speech = _speech(module, messages, asked)
    read = {topic: tagged for topic, own in by_topic.items() if (tagged := speech.tagged(own))}
    spoken = speech.spoken(read, asked)
    templates = documented(list(by_topic), getattr(module, "TOPICS", ()))
    if not templates and "line" not in spoken.levels:
        templates = _templates(read, asked, spoken)
    if not all(any(template.reads(topic) for template in templates) for topic in by_topic):
        # The dialect says the line, or has topics without a value that it needs all the same.
        templates = [Template(topic) for topic in beginnings(list(by_topic))]
    if "line" in spoken.levels:
        asked = asked._replace(line="")
    parts = []
    for template in templates:
        own = [one for topic, tagged in read.items() if template.reads(topic) for one in tagged]
        parts.append(_part(template, own, dialect, speech, asked, proof, spoken))
    return parts


def is_tagged(module: ModuleType) -> bool:
    """Whether a format says what tags are in a message, and takes rules for them."""
    return hasattr(module, "tags_in") and issubclass(module.Options, TagOptions)


class _Speech(NamedTuple):
    """A dialect with the options of its own that read a sample, each with its reason."""

    module: ModuleType
    keys: Sequence[Key]
    read: Callable[[Message], Iterable[Tag]]

    @property
    def options(self) -> dict[str, Any]:
        return {key.name: key.value for key in self.keys}

    def tagged(self, messages: Sequence[Message]) -> Tagged:
        """The tags of every message that has any."""
        found = []
        for message in messages:
            with contextlib.suppress(BadPayload):
                if tags := list(self.read(message)):
                    found.append((message, tags))
        return found

    def spoken(self, read: Mapping[str, Tagged], asked: Asked) -> _Spoken:
        """Asks the format itself, without a rule."""
        all_read = [one for tagged in read.values() for one in tagged]
        time = _time_of(all_read, asked)
        said = {**self.options, "units": _meanings(all_read), **({"time_unit": time.unit} if time else {})}
        options = msgspec.convert(said, self.module.Options)
        form = self.module.build(options, _ANYWHERE, TopicTemplate("#"))
        series: set[Series] = set()
        for message, _ in all_read:
            with contextlib.suppress(BadPayload):
                series.update(form.decode(message).readings.series)
        places = [one.equipment for one in series]
        levels = {level for level in LEVELS[1:] if places and all(getattr(place, level) for place in places)}
        described = {one.metric for one in series if one.kind is not Kind.GAUGE or one.unit != "1"}
        return _Spoken(frozenset(levels), frozenset(described))


def _speech(module: ModuleType, messages: Sequence[Message], asked: Asked) -> _Speech:
    """The dialect as it comes, or under the options that its messages give away."""
    keys: Iterable[Key] = ()
    if module is csv:
        keys = tables.keys_of(messages, asked.zone)
    if module is json_value:
        keys = singles.keys_of(messages)
    said = list(keys)
    return _Speech(module, said, _reader(module, messages, {key.name: key.value for key in said}))


def _reader(
    module: ModuleType, messages: Sequence[Message], said: Mapping[str, Any]
) -> Callable[[Message], Iterable[Tag]]:
    """How the dialect reads its tags under these options, by the names that any of the messages gives."""
    read: Callable[..., Iterable[Tag]] = module.tags_in
    if hasattr(module, "tags_after"):
        read = module.tags_after(messages)
    takes, options = inspect.signature(read).parameters, msgspec.convert(said, module.Options)
    own = {"options": options, "places": placing(options)}
    return partial(read, **{name: value for name, value in own.items() if name in takes})


def _part(
    template: Template, read: Tagged, dialect: str, speech: _Speech, asked: Asked, proof: str, spoken: _Spoken
) -> Part:
    own = set(speech.options)
    keys = [
        Key("topic", template.topic, template.why),
        Key("format", dialect, proof),
        *(key for key in _keys(template, read, asked) if key.name not in own),
        *speech.keys,
    ]
    guesses = dict(_guesses(read))
    left_out = [
        LeftOutField(template.topic, name, one.why)
        for name, one in guesses.items()
        if isinstance(one, LeftOut) and name not in spoken.metrics
    ]
    rules = [Table("[[subscribe.tag]]", list(rule)) for rule in _rules(guesses, spoken)]
    made_for = list(dict.fromkeys(message.topic for message, _ in read))
    return Part(template.topic, made_for, [Table("[[subscribe]]", keys), *rules], left_out)


def _templates(read: Mapping[str, Tagged], asked: Asked, spoken: _Spoken) -> list[Template]:
    """A template for the topics of each depth."""
    by_depth: dict[int, dict[str, Tagged]] = {}
    for topic, own in read.items():
        by_depth.setdefault(topic.count("/"), {})[topic] = own
    return [_template(alike, asked, spoken) for alike in by_depth.values()]


def _template(topics: Mapping[str, Tagged], asked: Asked, spoken: _Spoken) -> Template:
    """The topics as places; what the messages say themselves no level says. A last level may be the tags' own name."""
    names_metric = all(
        topic.rsplit("/", 1)[-1] == tag.name for topic, read in topics.items() for _, tags in read for tag in tags
    )
    measured = int(names_metric or all(map(says_nothing, topics)))
    levels = [topic.split("/")[: topic.count("/") + 1 - measured] for topic in topics]
    found = template_of(list(topics), measured, scheme_of(levels, asked.site), {})
    if "cell" in spoken.levels and "line" not in (*found.levels, *found.captures):
        said = {"line" if name == "cell" else name: text for name, text in found.levels.items()}
        found = Template(found.topic.replace("{cell}", "{line}"), said, found.why)  # what the cell is, the tags say
    for level in spoken.levels:
        said = {name: text for name, text in found.levels.items() if name != level}
        found = Template(found.topic.replace(f"{{{level}}}", "+"), said, found.why)
    if names_metric and "/" in found.topic:
        return Template(f"{found.topic.rsplit('/', 1)[0]}/{{metric}}", found.levels, found.why)
    return found


def _keys(template: Template, read: Tagged, asked: Asked) -> Iterator[Key]:
    yield from level_keys(template, {}, asked)
    found = _time_of(read, asked)
    if found:
        yield Key("time_unit", found.unit, found.proof)
    elif all(tag.at is None for _, tags in read for tag in tags):
        yield Key("", why="carries no time: that of its receipt; a message that comes twice counts twice")
    if meanings := _meanings(read):
        yield Key("units", meanings, "what the sender's words mean, in UCUM codes")


def _meanings(read: Tagged) -> dict[str, str]:
    """The UCUM codes of the sender's words for units that are none themselves."""
    words = {tag.unit: nearest(tag.unit) for _, tags in read for tag in tags if tag.unit}
    return {word: code for word, code in words.items() if code and code != word}


def _time_of(read: Tagged, asked: Asked) -> TimeGuess | None:
    written = [(tag.at, message.received_ns) for message, tags in read for tag in tags if tag.at is not None]
    return unit_of("", written, asked.zone)


def _guesses(read: Tagged) -> Iterator[tuple[str, Guess | LeftOut]]:
    columns: dict[str, Column] = {}
    units: dict[str, str] = {}
    for message, tags in read:
        for tag in (one for one in tags if one.name):
            columns.setdefault(tag.name, Column()).add(f"{message.topic} {tag.said}", tag.value)
            units.setdefault(tag.name, tag.unit)
    for name, column in columns.items():
        found = guess(name, column)
        if isinstance(found, Guess) and units[name]:
            found = found._replace(unit="1", metric=name)  # the sender says it
        yield name, found


def _rules(guesses: Mapping[str, Guess | LeftOut], spoken: _Spoken) -> Iterator[Iterator[Key]]:
    """A rule for each tag that is no plain gauge and that the dialect does not describe itself, last what to skip."""
    unsaid = {name: one for name, one in guesses.items() if name not in spoken.metrics}
    wanted = {name: one for name, one in unsaid.items() if isinstance(one, Guess) and _needs_rule(name, one)}
    for pattern, names in gathered(wanted, guesses).items():
        yield _rule(pattern, wanted[names[0]], is_one=len(names) == 1)
    for name, one in unsaid.items():
        if isinstance(one, LeftOut) and one.is_text:
            yield iter((Key("name", _BRACES.sub("*", name)), Key("skip", True, one.why)))


def _needs_rule(name: str, found: Guess) -> bool:
    return found.kind != "gauge" or found.unit != "1" or found.metric != name


def _rule(pattern: str, found: Guess, *, is_one: bool) -> Iterator[Key]:
    yield Key("name", _BRACES.sub("*", pattern))  # a brace would begin a capture
    if is_one and found.metric != pattern:
        yield Key("metric", found.metric)
    yield from quantity_keys(found)
