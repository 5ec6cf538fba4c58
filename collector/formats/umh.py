"""umh: what the United Manufacturing Hub publishes: tags under `umh/v1/<location>/<contract>/<tag>`, also with dots.

    umh/v1/acme/cologne/hall_1/filling/capper/_historian/head/pos
    {"timestamp_ms": 1720730488000, "x": 12.5, "y": 7.3, "motor": {"torque": 4.1}}

The location is enterprise, site, area, line and cell, of which all but the first may be missing; what stands below the
cell, and the topic's rest, come before the tag's name: `head.pos.x`, `head.pos.motor.torque`. UMH Core sends one tag a
message: `{"timestamp_ms": ..., "value": 12.5}` is the tag its topic names. The enterprise stays the one of site.toml,
for one collector stands in one. Read are `contracts`; `_analytics`, `_local` and all others are left out. Options
besides: `collector.formats.tags`.

Source: umh.docs.umh.app, data contracts, historian; docs.umh.app, unified namespace, payload formats, topic convention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from collector.config import Name, Site
from collector.formats.format import BadPayload
from collector.formats.json_object import decode_object, required
from collector.formats.tags import Tag, TagFormat, TagOptions
from collector.sources.source import Message
from collector.topics import TopicTemplate

CONTRACTS = ("_historian", "_raw")
_LEVELS = ("enterprise", "site", "area", "line", "cell")
_TIME, _VALUE = "timestamp_ms", "value"
_DEEPEST = 16  # objects in objects; more is no data model


class Options(TagOptions, frozen=True, kw_only=True):
    """What the [[subscribe]] may say: `contracts` are the schemas whose messages are tags."""

    contracts: tuple[Name, ...] = CONTRACTS


class Address(NamedTuple):
    """A topic of the data model: the location from the enterprise down, the contract, and what stands behind it."""

    location: list[str]
    contract: str
    rest: list[str]


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(partial(tags_in, contracts=options.contracts), options, site, topic, levels_in, time_field=_TIME)


def tags_in(message: Message, contracts: Sequence[str] = CONTRACTS) -> list[Tag]:
    """The values of a message as tags, none where its contract is not read. Raises BadPayload."""
    address = address_of(message.topic)
    if address is None:
        raise BadPayload(
            f"topic {message.topic}: no topic of the UMH data model, which is umh/v1/<enterprise>/.../_<contract>/...: "
            "correct the format in site.toml"
        )
    if address.contract not in contracts:
        return []
    payload = decode_object(message)
    at = required(payload, _TIME, message.topic)
    above = [*address.location[len(_LEVELS) :], *address.rest]
    if above and payload.keys() == {_TIME, _VALUE}:
        payload = {above.pop(): payload[_VALUE]}
    payload.pop(_TIME, None)
    return [Tag(name, value, at) for name, value in _leaves(above, payload, message.topic)]


def levels_in(topic: str) -> dict[str, str]:
    """The levels a topic names."""
    address = address_of(topic)
    return dict(zip(_LEVELS, address.location, strict=False)) if address else {}


def address_of(topic: str) -> Address | None:
    """What a topic says, None where it is none of the data model."""
    words = re.split("[./]", topic) if topic.startswith("umh.v1.") else topic.split("/")
    if words[:2] != ["umh", "v1"]:
        return None
    at = next((at for at, word in enumerate(words) if at > 2 and word.startswith("_")), None)
    return Address(words[2:at], words[at], words[at + 1 :]) if at else None


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    address = address_of(message.topic)
    if address is None:
        return 0.0
    try:
        is_whole = address.contract not in CONTRACTS or _TIME in decode_object(message)
    except BadPayload:
        return 0.0
    return 1.0 if is_whole else 0.0


def _leaves(above: list[str], value: object, topic: str) -> Iterator[tuple[str, object]]:
    """The values of nested objects, each with its path. Raises BadPayload for what is nested beyond reason."""
    if not isinstance(value, dict):
        yield ".".join(above), value
        return
    if len(above) > _DEEPEST:
        raise BadPayload(f"topic {topic}: nested deeper than {_DEEPEST} levels: correct the sender")
    for key, inner in value.items():
        yield from _leaves([*above, key], inner, topic)
