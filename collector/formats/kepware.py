"""kepware: what the IoT Gateway of Kepware servers publishes in its wide format (JSON, default template).

    {"timestamp": 1720730488000, "values": [{"id": "Press.1.Count", "v": 17, "q": true, "t": 1720730487950}]}

`id` is channel.device.tag, `q` whether the quality is good, `t` ms since 1970 of the value; `timestamp`, of sending,
stands for it where it is missing. Options: `collector.formats.tags`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collector.config import Site
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions
from collector.readings import Quality
from collector.sources.source import Message
from collector.topics import TopicTemplate

Options = TagOptions


class Value(msgspec.Struct):
    """One value of a message."""

    id: str
    v: Any
    q: bool = True
    t: Any = None


class Report(msgspec.Struct):
    """A message: values that changed since the last one."""

    values: list[Value]
    timestamp: Any = None


_report = msgspec.json.Decoder(Report)


def build(options: TagOptions, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic, time_field="t` or `timestamp")


def tags_in(message: Message) -> list[Tag]:
    """The values of a message as tags. Raises BadPayload."""
    try:
        report = _report.decode(message.payload)
    except (ValueError, RecursionError) as error:
        wanted = '{"timestamp": ..., "values": [{"id", "v", "q", "t"}]}'
        raise BadPayload(
            f"topic {message.topic}: no message of a Kepware IoT Gateway, which is {wanted} ({error}): "
            "have it use its default template, or correct the format in site.toml"
        ) from error
    return [_tag(value, report) for value in report.values]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        return 1.0 if _report.decode(message.payload).values else 0.0
    except (ValueError, RecursionError):
        return 0.0


def _tag(value: Value, report: Report) -> Tag:
    at = report.timestamp if value.t is None else value.t
    return Tag(value.id, value.v, at, Quality.GOOD if value.q else Quality.BAD)
