"""thingsboard: telemetry as devices and gateways send it to ThingsBoard, in each of its four forms.

    {"temperature": 22.5}                                                   the time is that of receipt
    {"ts": 1451649600512, "values": {"temperature": 22.5}}                  ms since 1970
    [{"ts": 1451649600512, "values": {...}}, {"temperature": 22.5}]         any number of both
    {"Device A": [{"ts": 1483228800000, "values": {"temperature": 42}}]}    a gateway for its devices

A gateway's device is the cell unless site.toml names another; `{device}` may be named in every level. ThingsBoard knows
a device by its login, which no other subscriber sees: its own telemetry needs a topic or a level in site.toml that says
whose it is. Options: `collector.formats.tags`.

Source: thingsboard.io, MQTT device API and MQTT gateway API, telemetry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import msgspec

from collector.config import Site
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions, level_name
from collector.sources.source import Message
from collector.topics import TopicTemplate

Options = TagOptions
DEVICE_TOPICS = ("v1/devices/me/telemetry", "v2/t")
GATEWAY_TOPIC = "v1/gateway/telemetry"
TOPICS = (*DEVICE_TOPICS, GATEWAY_TOPIC)
_WANTED = 'an object of values, {"ts", "values"}, a list of both, or {"device": [{"ts", "values"}]}'
_payload = msgspec.json.Decoder(dict[str, Any] | list[dict[str, Any]])


def build(options: TagOptions, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic, time_field="ts")


def tags_in(message: Message) -> list[Tag]:
    """The values of a message as tags. Raises BadPayload."""
    try:
        payload = _payload.decode(message.payload)
        if _is_of_gateway(payload) or message.topic == GATEWAY_TOPIC:
            return [tag for device, entries in _devices(payload) for entry in entries for tag in _tags(entry, device)]
        return [tag for entry in _entries(payload) for tag in _tags(entry)]
    except (ValueError, RecursionError) as error:
        raise BadPayload(
            f"topic {message.topic}: no telemetry of ThingsBoard, which is {_WANTED} ({error}): "
            "correct the sender, or the format in site.toml"
        ) from error


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it.

    An object of values alone looks like any other: only the topic tells it.
    """
    try:
        payload = _payload.decode(message.payload)
        is_telemetry = bool(tags_in(message))
    except (ValueError, RecursionError, BadPayload):
        return 0.0
    if message.topic in (*DEVICE_TOPICS, GATEWAY_TOPIC):
        return 1.0 if is_telemetry else 0.0
    if _is_of_gateway(payload):
        return 1.0
    return 0.9 if any(entry.keys() == {"ts", "values"} for entry in _entries(payload)) else 0.0


def _tags(entry: dict[str, Any], device: str = "") -> list[Tag]:
    """Raises ValueError for an entry that has a time and no values: it would be stored at another time."""
    values, at = entry, None
    if isinstance(entry.get("values"), dict):
        values, at = entry["values"], entry.get("ts")
    elif "ts" in entry:
        raise ValueError('a `ts` without `values`; format "json_fields" with time = "ts" reads it')
    said = (("device", device), ("cell", level_name(device))) if device else ()
    return [Tag(name, value, at, said=said) for name, value in values.items()]


def _devices(payload: object) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The devices of a gateway's message, each with what it sent. Raises ValueError."""
    for device, entries in payload.items() if isinstance(payload, dict) else [("", payload)]:
        if not device or not _is_entries(entries):
            raise ValueError("a gateway sends a list of values for each device by its name")
        yield device, entries


def _is_of_gateway(payload: object) -> bool:
    return isinstance(payload, dict) and bool(payload) and all(map(_is_timed, payload.values()))


def _is_timed(entries: object) -> bool:
    return _is_entries(entries) and bool(entries) and all(isinstance(entry.get("values"), dict) for entry in entries)


def _is_entries(entries: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)


def _entries(payload: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return payload if isinstance(payload, list) else [payload]
