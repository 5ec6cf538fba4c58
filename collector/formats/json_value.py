"""json_value: one value a topic, bare or in an object of its own.

    plant/press/temperature   41.5              also "41.5", true, running
    plant/press/count         {"value": 1718, "timestamp": 1720730488000}

The metric is the topic's capture {metric}, else its last level. Without a time, the time of receipt. A `unit` is what
the sender counts in, a `quality` of true and false, or of texts that begin with good, uncertain or bad, that of the
reading; numbers for it mean something else with every vendor and are left alone, as is what else an object holds. A
value that is no number is described as a state, or skipped; else it is a dead letter, for a topic has no other. Options
besides those of `collector.formats.tags`: `value`, `time`, `unit` and `quality` name the object's fields, `a.b` for
nested values and times.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import msgspec

from collector.config import Name, Site
from collector.formats.event_time import is_instant, shown
from collector.formats.format import BadPayload
from collector.formats.json_object import required
from collector.formats.tags import Tag, TagFormat, TagOptions
from collector.readings import Quality
from collector.sources.source import Message
from collector.topics import TopicTemplate

_LONGEST_WORD = 200
_WORD = re.compile(r"[^\W_][^\x00-\x1f{}\[\]\"]*")  # bare text: no JSON that was torn, nothing of many lines
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
_CALLED = {  # how senders call the fields of such an object; one that has no others is surely one value
    **dict.fromkeys(("value", "val", "v"), "value"),
    **dict.fromkeys(("timestamp", "ts", "time", "t"), "time"),
    **dict.fromkeys(("unit", "units", "uom", "u"), "unit"),
    **dict.fromkeys(("quality", "q"), "quality"),
}
_QUALITY = {"good": Quality.GOOD, "uncertain": Quality.STALE, "bad": Quality.BAD}


class Options(TagOptions, frozen=True, kw_only=True):
    """What a json_value subscription may say."""

    value: Name = "value"
    time: str = "timestamp"
    unit: str = "unit"
    quality: str = "quality"


_AS_IT_COMES = Options()
_ANY_TOPIC = TopicTemplate("#").matcher()


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    read = partial(tags_in, options=options, topics=topic.matcher())
    return TagFormat(read, options, site, topic, time_field=options.time, leaves_out=False)


def tags_in(message: Message, options: Options = _AS_IT_COMES, topics: re.Pattern[str] = _ANY_TOPIC) -> list[Tag]:
    """The value of a message as one tag. Raises BadPayload."""
    found = topics.fullmatch(message.topic)
    metric = (found.groupdict() if found else {}).get("metric") or message.topic.rsplit("/", 1)[-1]
    said = _said(message)
    if isinstance(said, list):
        raise BadPayload(f"topic {message.topic}: holds a list, one value is wanted: correct the format in site.toml")
    if not isinstance(said, dict):
        return [Tag(metric, said)]
    has_time = options.time.split(".")[0] in said
    at = required(said, options.time, message.topic) if has_time else None
    unit = said.get(options.unit)
    value, quality = required(said, options.value, message.topic), _quality(said.get(options.quality))
    return [Tag(metric, value, at, quality, unit if isinstance(unit, str) else "")]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: numbers of their own surely, words and objects less so."""
    try:
        said = _said(message)
    except BadPayload:
        return 0.0
    if isinstance(said, dict):
        return _fits(said)
    if isinstance(said, str):
        return 0.4 if _PLAIN_WORD.fullmatch(said) or _is_number(said) else 0.0
    return 0.9 if isinstance(said, (bool, int, float)) else 0.0


def fields_of(said: dict[str, Any]) -> dict[str, str]:
    """The options that name the fields of an object which holds one value and nothing else; none of any other."""
    found = {_CALLED.get(field.lower(), ""): field for field in said}
    if "" in found or len(found) < len(said) or isinstance(said.get(found.get("value", "")), (dict, list)):
        return {}
    return found if "value" in found else {}


def _fits(said: dict[str, Any]) -> float:
    """Names that are not the usual ones need a time that surely is one: {"v": 230, "t": 41.5} are two values."""
    found = fields_of(said)
    if not found or ("time" in found and found["time"] != "timestamp" and not is_instant(said[found["time"]])):
        return 0.0
    if "time" in found:
        return 0.8
    return 0.5 if found["value"] == "value" else 0.0


def _quality(said: object) -> Quality:
    if isinstance(said, bool):
        return Quality.GOOD if said else Quality.BAD
    text = said.lower() if isinstance(said, str) else ""
    return next((quality for word, quality in _QUALITY.items() if text.startswith(word)), Quality.GOOD)


def _said(message: Message) -> Any:
    """What a payload says: JSON, or the bare text it is. Raises BadPayload."""
    try:
        return msgspec.json.decode(message.payload)
    except (ValueError, RecursionError) as error:
        word = message.payload[: _LONGEST_WORD + 1].decode("utf-8", "replace").strip()
        if len(word) <= _LONGEST_WORD and _WORD.fullmatch(word) and "\ufffd" not in word:
            return word
        raise BadPayload(
            f"topic {message.topic}: {shown(word)} is no single value ({error}): correct the sender, "
            "or the format in site.toml"
        ) from error


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+(\.\d+)?", text))
