"""line_protocol: points of InfluxDB's line protocol, one a line, as Telegraf and many gateways publish them.

    press,line=press,cell=7 temp=41.5,good=1718i,running=true 1720730488000000000

A field becomes the metric MEASUREMENT.FIELD; our own rows (`collector.rows`) come back under the metric they name. Tags
named site, area, line and cell say the place, and any tag a level names ("{host}"). The values of all other tags stand
in the metric, in the order of their names, for a store keeps such points apart as well: `cpu,cpu=cpu0 idle=1` is
cpu.cpu0.idle. Lines without a time take that of receipt, comments (#) are passed over, texts are states where site.toml
says so. Options: `collector.formats.tags`, with `time_unit` "ns" where nothing else is said.

Source: docs.influxdata.com, "Line protocol" (InfluxDB 2). The parser is our own: the client we have only writes the
protocol, and a hundred lines need no further dependency on a gateway.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from collector.config import Site
from collector.formats.event_time import TimeUnit, shown
from collector.formats.format import BadPayload
from collector.formats.object_map import LEVELS
from collector.formats.tags import Tag, TagFormat, TagOptions, placing
from collector.sources.source import Message
from collector.topics import TopicTemplate

# Possessive (`++`): no escape is read a second way, nothing takes longer than it is. Other backslashes are themselves.
_NAME = r"((?:\\[,= ]|[^,= ])++)"
_MEASUREMENT = re.compile(r"((?:\\[, ]|[^, ])++)")
_TAG = re.compile(f",{_NAME}={_NAME}")
_FIELD = re.compile(_NAME + r'=("(?:\\["\\]|[^"])*+"|[^,= "]++)')
_TIME = re.compile(r" +(-?\d+) *")
_NUMBER = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?|-?\d++i|\d++u")
_TRUTH = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)
_OWN_METRIC = "metric"  # the tag that names the metric in rows of ours


class Options(TagOptions, frozen=True, kw_only=True):
    """What a line_protocol subscription may say."""

    time_unit: TimeUnit = "ns"


class Point(NamedTuple):
    """One line. `time`: None where it has none."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | bool | str]
    time: str | None


def build(options: Options, site: Site, topic: TopicTemplate) -> TagFormat:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return TagFormat(partial(tags_in, places=placing(options)), options, site, topic, time_field="time")


def tags_in(message: Message, places: frozenset[str] = frozenset(LEVELS)) -> list[Tag]:
    """The fields of a message's points as tags; `places` are the tags that say the place. Raises BadPayload."""
    try:
        points = points_in(message.payload)
    except ValueError as error:
        raise BadPayload(
            f"topic {message.topic}: no line protocol ({error}): correct the sender, or the format in site.toml"
        ) from error
    return [tag for point in points for tag in _tags(point, places)]


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        points = points_in(message.payload)
    except ValueError:
        return 0.0
    return 1.0 if all(point.time for point in points) else 0.7


def points_in(payload: bytes) -> list[Point]:
    """The points of a payload, one at least. Raises ValueError, which says line and place."""
    points = []
    for number, line in enumerate(payload.decode().split("\n"), 1):
        text = line.strip(" \r")
        if text and not text.startswith("#"):
            points.append(_point(text, number))
    if not points:
        raise ValueError("it holds no point")
    return points


def _point(line: str, number: int) -> Point:
    """Raises ValueError."""
    found = _MEASUREMENT.match(line)
    if found is None:
        raise ValueError(f"line {number}: at {shown(line)} a measurement is wanted")
    tags, at = {}, found.end()
    while tag := _TAG.match(line, at):
        tags[_plain(tag[1], ",= ")] = _plain(tag[2], ",= ")
        at = tag.end()
    after = len(line) - len(line[at:].lstrip(" "))
    if after == at:
        raise ValueError(f"line {number}: after {shown(line[:at])} a space and fields are wanted")
    fields, at = _fields(line, after, number)
    time = _TIME.fullmatch(line, at)
    if time is None and line[at:].strip(" "):
        raise ValueError(f"line {number}: {shown(line[at:].strip(' '))} is no time")
    return Point(_plain(found[1], ", "), tags, fields, time[1] if time else None)


def _fields(line: str, at: int, number: int) -> tuple[dict[str, float | bool | str], int]:
    """The fields from `at` on, and where they end. Raises ValueError."""
    fields: dict[str, float | bool | str] = {}
    while True:
        field = _FIELD.match(line, at)
        if field is None:
            raise ValueError(f"line {number}: at {shown(line[at:])} a field and its value are wanted")
        fields[_plain(field[1], ",= ")] = _value(field[2], number)
        at = field.end()
        if line[at : at + 1] != ",":
            return fields, at
        at += 1


def _value(text: str, number: int) -> float | bool | str:
    """Raises ValueError for what is of none of the five types."""
    if text.startswith('"'):
        return _plain(text[1:-1], '"\\')
    if text in _TRUTH:
        return _TRUTH[text]
    if _NUMBER.fullmatch(text):
        return float(text.rstrip("iu"))
    raise ValueError(f"line {number}: {shown(text)} is no value; texts stand in quotes")


def _tags(point: Point, places: frozenset[str]) -> list[Tag]:
    said = tuple(sorted(point.tags.items()))
    own = point.tags.get(_OWN_METRIC)
    if own:
        names = {field: own if field == "value" else f"{own}.{field}" for field in point.fields}
    else:
        words = [point.measurement, *(value for name, value in said if name not in places)]
        names = {field: ".".join([*words, field]) for field in point.fields}
    return [Tag(names[field], value, point.time, said=said) for field, value in point.fields.items()]


def _plain(text: str, escaped: str) -> str:
    """A text without its escapes."""
    return re.sub(f"\\\\([{re.escape(escaped)}])", r"\1", text) if "\\" in text else text
