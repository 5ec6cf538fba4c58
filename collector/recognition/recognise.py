"""From a sample of messages to the text of its rules: topic by topic the dialect, dialect by dialect the proposal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

from collector.config import Site
from collector.formats.event_time import shown
from collector.recognition import objects, sparkplug, stocks, tagged
from collector.recognition.dialects import Verdict, recognisers, verdict, verdicts
from collector.recognition.places import Template, beginnings, named, shared_levels
from collector.recognition.proposal import Asked, LeftOutField, Part
from collector.recognition.rules_text import Key, Table, comments, written
from collector.sources.source import Message
from collector.topics import TopicTemplate

_OBJECTS, _SPARKPLUG = "json_rules", "sparkplug_b"
_SIGNALS, _EVENTS = "stock_signals", "epcis"
_VALUES = "json_value"  # whose last level is the metric
_UNNAMED = "unnamed"
_MOST_UNREAD = 20  # topics that nothing recognises, told one by one


class Recognised(NamedTuple):
    """What a sample is, and the rules that read it.

    `text`: a site.toml with [site] where nobody said the site, else the [[subscribe]]s alone. `by_topic`: the dialect
    of each topic and how surely it is each other's.
    """

    site: Site
    text: str
    by_topic: Mapping[str, Verdict]
    left_out: Sequence[LeftOutField]

    @property
    def dialects(self) -> list[str]:
        return list(dict.fromkeys(one.dialect for one in self.by_topic.values() if one.dialect))


def recognise(messages: Sequence[Message], asked: Asked) -> Recognised:
    """The rules for a sample, in the order in which its messages came."""
    by_topic: dict[str, list[Message]] = {}
    for message in messages:
        by_topic.setdefault(message.topic, []).append(message)
    found = verdicts(by_topic)
    site = asked.site or _site_of(found)
    parts = _in_order(_parts(by_topic, found, asked._replace(site_name=site.name)))
    tables = [] if asked.site else [_site_table(site)]
    tables += [table for part in parts for table in part.tables]
    unread = [topic for topic, one in found.items() if not one.dialect]
    text = written(tables) + comments(_unrecognised(topic, by_topic[topic]) for topic in unread[:_MOST_UNREAD])
    return Recognised(site, text, found, [one for part in parts for one in part.left_out])


def _parts(by_topic: Mapping[str, Sequence[Message]], found: Mapping[str, Verdict], asked: Asked) -> Iterable[Part]:
    for dialect in dict.fromkeys(one.dialect for one in found.values() if one.dialect):
        own = {topic: messages for topic, messages in by_topic.items() if found[topic].dialect == dialect}
        proof = verdict([message for messages in own.values() for message in messages]).proof()
        yield from _of_dialect(own, dialect, recognisers()[dialect], asked, proof)


def _of_dialect(
    own: Mapping[str, Sequence[Message]], dialect: str, module: ModuleType, asked: Asked, proof: str
) -> Iterable[Part]:
    if dialect == _SPARKPLUG:
        return [sparkplug.propose(own, dialect, proof)]
    if dialect == _SIGNALS:
        return stocks.signals(own, dialect, asked.zone, proof)
    if dialect == _EVENTS:
        return stocks.events(own, beginnings(list(own)), dialect, asked.site_name, proof)
    if dialect == _OBJECTS:
        parts = [objects.propose(alike, dialect, asked, proof) for alike in _by_root(own)]
        return [part for part in parts if part]
    if tagged.is_tagged(module):
        return tagged.propose(own, dialect, module, asked, proof)
    # What says everything itself needs no more than its topics: those it documents, else where they begin.
    documented = [topic for topic in getattr(module, "TOPICS", ()) if all(map(Template(topic).reads, own))]
    return [
        Part(topic, list(own), [Table("[[subscribe]]", [Key("topic", topic), Key("format", dialect, proof)])])
        for topic in documented[:1] or beginnings(list(own))
    ]


def _by_root(own: Mapping[str, Sequence[Message]]) -> Iterable[Mapping[str, Sequence[Message]]]:
    """The topics of each first level: one subscription for all would ask for everything there is."""
    roots: dict[str, dict[str, Sequence[Message]]] = {}
    for topic, messages in own.items():
        roots.setdefault(topic.split("/")[0], {})[topic] = messages
    return roots.values()


def _in_order(parts: Iterable[Part]) -> list[Part]:
    """The first subscription that fits a topic reads it: so the particular ones go first, and none takes another's."""
    waiting = sorted(parts, key=lambda part: _generality(part.topic))
    ordered: list[Part] = []
    while waiting:
        harmless = (part for part in waiting if not any(_takes(part, other) for other in waiting if other is not part))
        following = next(harmless, waiting[0])
        waiting.remove(following)
        ordered.append(following)
    return ordered


def _takes(part: Part, other: Part) -> bool:
    matcher = TopicTemplate(part.topic).matcher()
    return any(matcher.fullmatch(topic) for topic in other.made_for)


def _generality(topic: str) -> tuple[bool, int, int]:
    return topic.endswith("#"), TopicTemplate(topic).filter.count("+"), -topic.count("/")


def _site_of(found: Mapping[str, Verdict]) -> Site:
    """The site of a sample when nobody says it: the first two levels, where all topics share them and go on."""
    places = [topic.split("/") for topic, one in found.items() if one.dialect == _OBJECTS]
    places += [topic.split("/")[:-1] for topic, one in found.items() if one.dialect == _VALUES]
    shared = shared_levels(places) if len(places) > 1 and max(map(len, places)) > 2 else []
    enterprise, name = map(named, shared[:2]) if len(shared) > 1 else ("", "")
    return Site(enterprise=enterprise or _UNNAMED, name=name or _UNNAMED)


def _site_table(site: Site) -> Table:
    why = "say yours" if site.name == _UNNAMED else "the first two levels of the topics; say yours"
    return Table("[site]", [Key("enterprise", site.enterprise, why), Key("name", site.name)])


def _unrecognised(topic: str, messages: Sequence[Message]) -> str:
    return f"no format recognises {shown(topic)}, whose first message begins with {messages[0].payload[:40]!r}"
