"""neuron: what the MQTT application of EMQX Neuron and NeuronEX uploads, in its values-format or its tags-format.

    {"timestamp": 1650006388943, "node": "modbus", "group": "grp", "values": {"tag0": 123}, "errors": {"tag1": 2014}}
    {"timestamp": 1650006388943, "node": "modbus", "group": "grp", "tags": [{"name": "tag0", "value": 123},
                                                                          {"name": "tag1", "error": 2014}]}

A tag's name is `group.tag`, for it is unique in its group only, and the node is the cell unless site.toml names
another; `{node}` and `{group}` may be named in every level. A tag with an error is of bad quality and holds no value.
`metas` are left out. Options: `collector.formats.tags`.

Source: docs.emqx.com, Neuron, MQTT, upstream data format.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collector.config import Site
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions, level_name
from collector.readings import Quality
from collector.sources.source import Message
from collector.topics import TopicTemplate

Options = TagOptions


class Value(msgspec.Struct):
    """One tag of the tags-format; `error` is 0 or missing where it was read."""

    name: str
    value: Any = None
    error: int = 0


class Upload(msgspec.Struct):
    """A message of either format."""

    timestamp: Any
    node: str
    group: str
    values: dict[str, Any] | None = None
    errors: dict[str, Any] | None = None
    tags: list[Value] | None = None

    def __post_init__(self) -> None:
        if self.values is None and self.errors is None and self.tags is None:
            raise ValueError("neither `values` nor `tags` in it")

    def all(self) -> list[Value]:
        """The tags, those that could not be read after the others."""
        read = [Value(name, value) for name, value in (self.values or {}).items()]
        failed = [Value(name, error=1) for name in self.errors or ()]
        return read + failed + (self.tags or [])


_upload = msgspec.json.Decoder(Upload)


def build(options: TagOptions, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic)


def tags_in(message: Message) -> list[Tag]:
    """The values of a message as tags. Raises BadPayload."""
    try:
        upload = _upload.decode(message.payload)
    except (ValueError, RecursionError) as error:
        wanted = '{"timestamp", "node", "group"} with {"values", "errors"} or {"tags"}'
        raise BadPayload(
            f"topic {message.topic}: no upload of Neuron, which is {wanted} ({error}): "
            "set its upload format to values-format or tags-format, or correct the format in site.toml"
        ) from error
    said = (("node", upload.node), ("group", upload.group), ("cell", level_name(upload.node)))
    return [_tag(value, upload, said) for value in upload.all()]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        return 1.0 if _upload.decode(message.payload).all() else 0.0
    except (ValueError, RecursionError):
        return 0.0


def _tag(value: Value, upload: Upload, said: tuple[tuple[str, str], ...]) -> Tag:
    name = f"{upload.group}.{value.name}"
    if value.error:
        return Tag(name, None, upload.timestamp, Quality.BAD, said=said)
    return Tag(name, value.value, upload.timestamp, said=said)
