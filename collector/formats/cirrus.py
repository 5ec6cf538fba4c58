"""cirrus: Sparkplug payloads as JSON, as Cirrus Link's modules publish them (data format Sparkplug_B_v1_0_JSON).

    spBv1.0/works/DDATA/plc7/press
    {"timestamp": 1681316577447, "seq": 0,
     "metrics": [{"name": "Good", "timestamp": 1681316576446, "dataType": "Int32", "value": 9000}]}

On Sparkplug's topics, site, line and cell are group, edge node and device where nothing else is said, as in
`sparkplug_b`. Commands and deaths carry no measurements, nor do the protocol's own metrics. A null is of quality BAD:
the sensor spoke, and said it does not know. Aliases alone cannot be read, for nothing is remembered from a birth.
Options: `collector.formats.tags`.

Source: Cirrus Link, "Sparkplug message format" and "Data Format Type", docs.chariot.io.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from collector.config import Site
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions, level_name
from collector.readings import Quality
from collector.sources.source import Message
from collector.topics import TopicTemplate
from collector.units.agreement import UNIT_PROPERTIES

Options = TagOptions

_OWN = ("bdSeq", "Node Control/", "Device Control/", "Node Info/", "Device Info/")  # begin the protocol's own names
_MEASURING = frozenset({"NBIRTH", "DBIRTH", "NDATA", "DDATA"})
_BAD_BELOW, _STALE = 192, 500  # Ignition's quality codes: good from 192, stale 500


class Metric(msgspec.Struct):
    """One metric of a message; Sparkplug's own samples say `type` for `dataType`."""

    name: str | None = None
    value: Any = None
    timestamp: Any = None
    data_type: Any = msgspec.field(default=None, name="dataType")
    type: Any = None
    is_historical: bool | None = msgspec.field(default=None, name="isHistorical")
    properties: Any = None


class Report(msgspec.Struct):
    """A message."""

    metrics: list[Metric]
    timestamp: Any = None
    seq: int | None = None


_report = msgspec.json.Decoder(Report)


def build(options: TagOptions, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(tags_in, options, site, topic, words_of)


def tags_in(message: Message) -> list[Tag]:
    """The metrics of a message as tags. Raises BadPayload."""
    verb = _verb(message.topic)
    try:
        report = _report.decode(message.payload)
    except (ValueError, RecursionError) as error:
        _refuse(message, str(error), error)
    if verb and verb not in _MEASURING:
        return []
    metrics = [metric for metric in report.metrics if metric.name is None or not metric.name.startswith(_OWN)]
    if any(not metric.name for metric in metrics):
        _refuse(message, "a metric has no name, only its alias: switch aliases off there")
    return [_tag(metric, report) for metric in metrics]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        metrics = _report.decode(message.payload).metrics
    except (ValueError, RecursionError):
        return 0.0
    is_typed = bool(metrics) and all(metric.data_type or metric.type for metric in metrics)
    if _verb(message.topic):
        return 1.0
    return 0.95 if is_typed else 0.0


def words_of(topic: str) -> dict[str, str]:
    """What a Sparkplug topic says of the place; nothing of any other topic."""
    if not _verb(topic):
        return {}
    _, group, _, *node_and_device = topic.split("/")
    return {"site": level_name(group), **dict(zip(("line", "cell"), map(level_name, node_and_device), strict=False))}


def _verb(topic: str) -> str:
    """NDATA and the like, `""` of any other topic."""
    levels = topic.split("/")
    return levels[2] if levels[0].startswith("spBv") and 4 <= len(levels) <= 5 else ""


def _tag(metric: Metric, report: Report) -> Tag:
    at = report.timestamp if metric.timestamp is None else metric.timestamp
    quality = Quality.BAD if metric.value is None else _quality(metric.properties)
    quality |= Quality.HISTORICAL if metric.is_historical else 0
    return Tag(metric.name or "", metric.value, at, quality, _unit(metric.properties))


def _quality(properties: Any) -> int:
    """What the property Quality says, GOOD where there is none."""
    said = properties.get("Quality") if isinstance(properties, dict) else None
    code = said.get("value") if isinstance(said, dict) else None
    if not isinstance(code, int) or _BAD_BELOW <= code < _STALE:
        return Quality.GOOD
    return Quality.STALE if code == _STALE else Quality.BAD


def _unit(properties: Any) -> str:
    """What the properties call the metric's unit, `""` where they do not."""
    for name in UNIT_PROPERTIES:
        said = properties.get(name) if isinstance(properties, dict) else None
        unit = said.get("value") if isinstance(said, dict) else None
        if isinstance(unit, str) and unit:
            return unit
    return ""


def _refuse(message: Message, why: str, cause: Exception | None = None) -> NoReturn:
    wanted = '{"timestamp": ..., "metrics": [{"name", "timestamp", "dataType", "value"}]}'
    raise BadPayload(
        f"topic {message.topic}: no Sparkplug message as JSON, which is {wanted} ({why}): "
        "correct the sender, or the format in site.toml"
    ) from cause
