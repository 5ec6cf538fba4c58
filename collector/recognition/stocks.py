"""[[subscribe]]s of what speaks of stocks and orders: which signal each topic carries, and whose stock a place is.

`stock_signals` on the topics it documents says the signal itself; elsewhere it is told by the fields, and, for a count
and a movement are written alike, by the topic. `epcis` names its places by GS1 keys: all of them are put down as the
site's, for a person to correct, since without a word no event could be booked.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from collector.formats import stock_signals
from collector.formats.epcis_event import events_in
from collector.formats.format import BadPayload
from collector.formats.signal_fields import is_number
from collector.recognition.instants import unit_of
from collector.recognition.places import Template, literal
from collector.recognition.proposal import Part
from collector.recognition.quantity import words_of
from collector.recognition.rules_text import Key, Table
from collector.sources.source import Message
from collector.units.agreement import meant
from collector.units.code import BadUnit, nearest

Topics = Mapping[str, Sequence[Message]]
_ONLY_IN = {  # fields that one signal has and no other
    **dict.fromkeys(("promised", "supplier"), "receipt"),
    **dict.fromkeys(("lines", "component", "quantity_per", "valid_from", "version"), "bom"),
    **dict.fromkeys(("from", "to", "receipt", "void"), "movement"),
}
_MOVES = frozenset(("movement", "movements", "move", "moves", "booking", "bookings", "issue", "issues", "transfer"))
_COUNTS = frozenset(("stock", "stocks", "count", "counts", "inventory", "onhand", "level", "levels", "balance"))
_SAY_WHICH = "say which it is: stock is what was counted, movement what came or went"


def signals(by_topic: Topics, dialect: str, zone: dt.tzinfo, proof: str) -> list[Part]:
    """A [[subscribe]] for the topics that are documented, and one for the topics of each signal besides."""
    documented = Template(stock_signals.TOPICS[0])
    own = [topic for topic in by_topic if documented.reads(topic)]
    parts = [_part(documented.topic, own, by_topic, [Key("format", dialect, proof)], zone)] if own else []
    others: dict[tuple[str, str, int], list[str]] = {}
    for topic in by_topic.keys() - set(own):
        signal, why = _signal(topic, by_topic[topic])
        others.setdefault((signal, why, topic.count("/")), []).append(topic)
    for (signal, why, _), alike in sorted(others.items()):
        strangers = by_topic.keys() - set(alike)
        for topic, topics in _filters(sorted(alike), strangers):
            keys = [Key("format", dialect, proof), Key("signal", signal, why)]
            parts.append(_part(topic, topics, by_topic, keys, zone))
    return parts


def events(by_topic: Topics, topics: Sequence[str], dialect: str, site: str, proof: str) -> list[Part]:
    """A [[subscribe]] for each of `topics`, with the places of its events."""
    parts = []
    for topic in topics:
        own = [one for one in by_topic if Template(topic).reads(one)]
        places = dict.fromkeys(place for one in own for message in by_topic[one] for place in _places(message))
        tables = [Table("[[subscribe]]", [Key("topic", topic), Key("format", dialect, proof)])]
        if places:
            why = 'its site, or site/place; "" where it is not yours'
            tables.append(Table("[subscribe.location]", [Key(place, site, why) for place in places]))
        parts.append(Part(topic, own, tables))
    return parts


def _signal(topic: str, messages: Iterable[Message]) -> tuple[str, str]:
    """What a topic carries, and why."""
    said = [fields for message in messages for fields in _objects(message)]
    for fields in said:
        for field in fields:
            if field in _ONLY_IN:
                return _ONLY_IN[field], f"a field {field!r} has no other signal"
    words = {word for level in topic.split("/") for word in words_of(level)}
    if words & _MOVES or (any(_is_negative(fields.get("quantity")) for fields in said) and not words & _COUNTS):
        return "movement", f"by topic and sign; {_SAY_WHICH}"
    return "stock", _SAY_WHICH


def _filters(topics: Sequence[str], strangers: Iterable[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """One filter for topics of one depth, what differs as `+`; each by itself where it would read topics of others."""
    split = [topic.split("/") for topic in topics]
    levels = [literal(same[0]) if len(set(same)) == 1 else "+" for same in zip(*split, strict=True)]
    shared = "/".join(levels)
    if levels[0] != "+" and not any(map(Template(shared).reads, strangers)):
        yield shared, topics
    else:
        yield from (("/".join(map(literal, topic.split("/"))), [topic]) for topic in topics)


def _part(topic: str, topics: Sequence[str], by_topic: Topics, keys: Sequence[Key], zone: dt.tzinfo) -> Part:
    messages = [message for one in topics for message in by_topic[one]]
    own = [Key("topic", topic), *keys, *_time_unit(messages, zone), *_units(messages)]
    return Part(topic, topics, [Table("[[subscribe]]", own)])


def _time_unit(messages: Iterable[Message], zone: dt.tzinfo) -> Iterator[Key]:
    """Of times that are numbers."""
    written = [
        (fields["at"], message.received_ns)
        for message in messages
        for fields in _objects(message)
        if is_number(fields.get("at"))
    ]
    found = unit_of("at", written, zone)
    if found and found.unit not in ("iso", "ms"):
        yield Key("time_unit", found.unit, found.proof)


def _units(messages: Iterable[Message]) -> Iterator[Key]:
    words = dict.fromkeys(fields.get("unit") for message in messages for fields in _objects(message))
    meanings = {word: nearest(word) for word in words if isinstance(word, str) and word and not _is_code(word)}
    if known := {word: code for word, code in meanings.items() if code}:
        yield Key("units", known, "what the sender's words mean, in UCUM codes")


def _objects(message: Message) -> list[dict[str, Any]]:
    try:
        return stock_signals.objects_in(message)
    except BadPayload:
        return []


def _places(message: Message) -> Iterator[str]:
    with contextlib.suppress(BadPayload):
        for event in events_in(message):
            for field in ("bizLocation", "readPoint"):
                where = event.get(field) if isinstance(event, dict) else None
                place = where.get("id") if isinstance(where, dict) else None
                if isinstance(place, str):
                    yield place


def _is_negative(quantity: object) -> bool:
    return is_number(quantity) and float(quantity) < 0  # type: ignore[arg-type]


def _is_code(word: str) -> bool:
    try:
        return bool(meant(word, {}))
    except BadUnit:
        return False
