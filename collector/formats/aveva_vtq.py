"""aveva_vtq: what the MQTT publisher of the AVEVA Communication Drivers sends, as JSON-VTQ1 or JSON-VTQ2.

    group/Tank_001.Level
    {"d": 41.5, "dt": 5, "ts": "2024-07-11T20:41:28Z", "q": 192}                       VTQ1: one item under its topic

    group/gateway/device
    [{"timestamp": "2024-07-11T20:41:28Z", "values": [{"id": "Tank_001.Level", "v": 41.5, "q": 192,
                                                       "t": "2024-07-11T20:41:28.134Z"}]}]     VTQ2: many, also unlisted

`q` is an OPC DA quality, whose bits 6 and 7 decide: 192 good, 64 uncertain (stale), else bad; a value without it is
good. `timestamp`, of sending, stands for `t` where it is missing. The name of a VTQ1 item is its topic without the
group. Options: `collector.formats.tags`, with `time_unit = "iso"` unless site.toml says otherwise.

Source: docs.aveva.com, AVEVA Communication Drivers, MQTT publisher item naming; OPC DA 3.0, quality flags.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collector.config import Site
from collector.formats.event_time import TimeUnit
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions
from collector.readings import Quality
from collector.sources.source import Message
from collector.topics import TopicTemplate

_GOOD, _STALE, _MASK = 0xC0, 0x40, 0xC0


class Options(TagOptions, frozen=True, kw_only=True):
    """What the [[subscribe]] may say."""

    time_unit: TimeUnit = "iso"


class Value(msgspec.Struct):
    """VTQ2: one value of a report."""

    id: str
    v: Any
    q: int | bool | None = None
    t: Any = None


class Report(msgspec.Struct):
    """VTQ2: `values` that changed since the last report. VTQ1: `d`, the value of the item that the topic names.

    `dt` is the number of the item's type (VARENUM), which JSON tells anyway.
    """

    values: list[Value] | None = None
    timestamp: Any = None
    d: Any = msgspec.UNSET
    dt: int | None = None
    ts: Any = None
    q: int | None = None

    def __post_init__(self) -> None:
        if (self.values is None) == (self.d is msgspec.UNSET):
            raise ValueError("either `d` or `values` is wanted")

    def of(self, item: str) -> list[Value]:
        """The values, those of VTQ1 under the item's name."""
        return [Value(item, self.d, self.q, self.ts)] if self.values is None else self.values


_published = msgspec.json.Decoder(Report | list[Report])


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic, time_field="t` or `ts")


def tags_in(message: Message) -> list[Tag]:
    """The values of a message as tags. Raises BadPayload."""
    try:
        reports = _reports(message)
    except (ValueError, RecursionError) as error:
        wanted = '{"d", "dt", "ts", "q"} or [{"timestamp", "values": [{"id", "v", "q", "t"}]}]'
        raise BadPayload(
            f"topic {message.topic}: no JSON-VTQ of AVEVA, which is {wanted} ({error}): "
            "set the publisher's format to JSON-VTQ1 or JSON-VTQ2, or correct the format in site.toml"
        ) from error
    item = message.topic.partition("/")[2] or message.topic
    return [_tag(value, report) for report in reports for value in report.of(item)]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it.

    A single report whose values say true or false of their quality, or nothing, is rather one of a Kepware server.
    """
    try:
        reports = _reports(message)
    except (ValueError, RecursionError):
        return 0.0
    told = [
        value for report in reports for value in report.of("") if report.values or None not in (report.dt, report.ts)
    ]
    is_listed = message.payload.lstrip().startswith(b"[")
    return 1.0 if told and (is_listed or any(type(value.q) is int for value in told)) else 0.0


def _reports(message: Message) -> list[Report]:
    """Raises ValueError, RecursionError."""
    published = _published.decode(message.payload)
    return published if isinstance(published, list) else [published]


def _tag(value: Value, report: Report) -> Tag:
    at = report.timestamp if value.t is None else value.t
    return Tag(value.id, value.v, at, _quality(value.q))


def _quality(said: int | bool | None) -> Quality:
    if said is None:
        return Quality.GOOD
    if isinstance(said, bool):
        return Quality.GOOD if said else Quality.BAD
    return {_GOOD: Quality.GOOD, _STALE: Quality.STALE}.get(said & _MASK, Quality.BAD)
