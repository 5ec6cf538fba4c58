"""cognite: data points as Cognite Data Fusion takes them, over its API or its MQTT extractor.

    {"items": [{"externalId": "press.temp", "datapoints": [{"timestamp": 1676550645000, "value": 1.6}]}]}
    {"timeseriesData": [{"externalId": "press.temp", "items": [{"timestamp": 1676550645000, "value": 1.6}]}]}

A time series is named by `externalId`, `instanceId` or `id`; a data point may have a `status` of `code` or `symbol`.
Options: `collector.formats.tags`.

Source: docs.cognite.com, "Insert data points" and "Message formats" (of the MQTT extractor).
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

_SEVERITY_BAD = 0x8000_0000  # the highest bit of an OPC UA status code


class Status(msgspec.Struct):
    """The quality of a data point; none means good."""

    code: int = 0
    symbol: str = ""


class Datapoint(msgspec.Struct):
    """One value. A bad one may be null or the text NaN."""

    timestamp: Any
    value: Any = None
    status: Status | None = None


class Instance(msgspec.Struct):
    """How data modeling names a time series."""

    external_id: str = msgspec.field(name="externalId")


class Item(msgspec.Struct):
    """A time series and its data points."""

    datapoints: list[Datapoint]
    external_id: str | None = msgspec.field(default=None, name="externalId")
    instance_id: Instance | None = msgspec.field(default=None, name="instanceId")
    id: int | None = None

    @property
    def name(self) -> str:
        if self.external_id is None and self.instance_id is not None:
            return self.instance_id.external_id
        return self.external_id or ("" if self.id is None else str(self.id))


class Inserted(msgspec.Struct):
    """The shape of the API."""

    items: list[Item]


class Extracted(msgspec.Struct):
    """The shape of the MQTT extractor, which calls the data points `items`."""

    series: list[ExtractedItem] = msgspec.field(name="timeseriesData")


class ExtractedItem(msgspec.Struct):
    """A time series of the MQTT extractor."""

    items: list[Datapoint]
    external_id: str = msgspec.field(name="externalId")


_inserted = msgspec.json.Decoder(Inserted)
_extracted = msgspec.json.Decoder(Extracted)


def build(options: TagOptions, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic)


def tags_in(message: Message) -> list[Tag]:
    """The data points of a message as tags. Raises BadPayload."""
    try:
        items = _items(message.payload)
    except (ValueError, RecursionError) as error:
        wanted = '{"items": [{"externalId", "datapoints": [{"timestamp", "value"}]}]}'
        raise BadPayload(
            f"topic {message.topic}: no data points for Cognite, which are {wanted} ({error}): "
            "correct the sender, or the format in site.toml"
        ) from error
    return [_tag(item.name, point) for item in items for point in item.datapoints]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        return 1.0 if any(item.datapoints for item in _items(message.payload)) else 0.0
    except (ValueError, RecursionError):
        return 0.0


def _items(payload: bytes) -> list[Item]:
    """The time series of either shape. Raises ValueError or RecursionError."""
    if b'"timeseriesData"' in payload:
        return [Item(item.items, item.external_id) for item in _extracted.decode(payload).series]
    return _inserted.decode(payload).items


def _tag(name: str, point: Datapoint) -> Tag:
    status = point.status or Status()
    if status.code & _SEVERITY_BAD or status.symbol.startswith("Bad"):
        value = point.value if isinstance(point.value, (int, float)) else None
        return Tag(name, value, point.timestamp, Quality.BAD)
    return Tag(name, point.value, point.timestamp)
