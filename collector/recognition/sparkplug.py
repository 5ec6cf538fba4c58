"""[[subscribe.metric]]s of Sparkplug B: the values of metrics by the names that births gave their aliases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from collector.formats.sparkplug_b import payload as wire
from collector.recognition.columns import Column
from collector.recognition.globs import gathered
from collector.recognition.objects import quantity_keys
from collector.recognition.proposal import Part
from collector.recognition.quantity import Guess, guess
from collector.recognition.rules_text import Key, Table
from collector.sources.source import Message
from collector.units.code import nearest

_OWN = ("bdSeq", "Node Control/", "Device Control/", "Node Info/", "Device Info/")
_BIRTHS = ("NBIRTH", "DBIRTH")


class _Known(NamedTuple):
    name: str
    datatype: int


def propose(by_topic: Mapping[str, Sequence[Message]], dialect: str, proof: str) -> Part:
    """Everything of the namespace; a rule for each metric that is no plain gauge."""
    namespace = next(iter(by_topic)).split("/")[0]
    columns = _columns(sorted((one for own in by_topic.values() for one in own), key=_arrival))
    guesses = {name: guess(name, column) for name, column in columns.items()}
    wanted = {name: one for name, one in guesses.items() if isinstance(one, Guess) and _needs_rule(one)}
    rules = [_rule(pattern, wanted[names[0]]) for pattern, names in gathered(wanted, guesses).items()]
    head = [
        Key("topic", f"{namespace}/#"),
        Key("format", dialect, proof),
        Key("", why="group -> site, edge node -> line, device -> cell; times are ms since 1970, as Sparkplug has them"),
    ]
    if units := _units([one for own in by_topic.values() for one in own]):
        head.append(Key("units", units, "what the words of births mean, in UCUM codes"))
    tables = [Table("[[subscribe.metric]]", list(rule)) for rule in rules]
    return Part(f"{namespace}/#", list(by_topic), [Table("[[subscribe]]", head), *tables])


def _arrival(message: Message) -> tuple[int, bool]:
    """In order of receipt, births first."""
    return message.received_ns, not any(verb in message.topic for verb in _BIRTHS)


def _columns(messages: Sequence[Message]) -> dict[str, Column]:
    """The values of each metric name, by edge node and device."""
    aliases: dict[str, dict[int, _Known]] = {}
    columns: dict[str, Column] = {}
    for message in messages:
        node = _node(message.topic)
        known = aliases.setdefault(node.rsplit("/", 1)[0] if node.count("/") > 1 else node, {})
        for metric in _metrics(message):
            if metric.name and metric.alias is not None:
                known[metric.alias] = _Known(metric.name, metric.datatype)
            found = known.get(metric.alias or 0) if not metric.name else _Known(metric.name, metric.datatype)
            if found and not found.name.startswith(_OWN) and metric.value is not None:
                value = wire.signed(metric.value, found.datatype)
                columns.setdefault(found.name, Column()).add(node, value)
    return columns


def _units(messages: Sequence[Message]) -> dict[str, str]:
    """The UCUM codes of the words that births have for units, where they are none themselves."""
    births = [message for message in messages if any(verb in message.topic for verb in _BIRTHS)]
    words = dict.fromkeys(metric.unit for message in births for metric in _metrics(message) if metric.unit)
    return {word: code for word in words if (code := nearest(word)) and code != word}


def _node(topic: str) -> str:
    """`group/edge node/device` of a topic."""
    levels = topic.split("/")
    return "/".join([levels[1], *levels[3:]])


def _metrics(message: Message) -> Sequence[wire.Metric]:
    try:
        return wire.decode(message.payload).metrics if message.payload else ()
    except wire.NotSparkplug:
        return ()


def _needs_rule(found: Guess) -> bool:
    return found.kind != "gauge" or found.unit != "1"


def _rule(pattern: str, found: Guess) -> Iterator[Key]:
    yield Key("name", pattern.replace("[", "[[]"))  # in a glob, a bracket begins a choice
    yield from quantity_keys(found)
