"""siemens_databus: what connectors publish on the databus of Siemens Industrial Edge (common databus payload format).

    ie/d/j/simatic/v1/s7c1/dp/r/Press/default
    {"seq": 7, "vals": [{"id": "101", "qc": 3, "ts": "2024-07-11T20:41:28.000Z", "val": "12.3"}]}

    ie/m/j/simatic/v1/s7c1/dp                                                     retained, what the ids stand for
    {"connections": [{"name": "Press", "dataPoints": [{"topic": "ie/d/j/simatic/v1/s7c1/dp/r/Press/default",
                      "dataPointDefinitions": [{"name": "Temperature", "id": "101", "dataType": "Real"}]}]}]}

One [[subscribe]] reads both, `ie/+/j/simatic/v1/#`. A value has the name its id stands for, the id itself while nothing
said so; the connection is the cell unless site.toml names another, and `{connector}`, `{connection}`, `{collection}`
may be named in every level. Also read: `records` of time series. Written values (dp/w), events and states of
connectors are left out. `qc`: 2 and 3 good, 1 uncertain (stale), 0 bad. Options: `collector.formats.tags`, with
`time_unit = "iso"` unless site.toml says otherwise.

Source: developer.siemens.com, Industrial Edge, common databus payload format; github.com/industrial-edge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from collector.config import Site
from collector.formats.event_time import TimeUnit
from collector.formats.format import BadPayload, Decoded
from collector.formats.tags import Tag, TagFormat, TagOptions, level_name
from collector.readings import Equipment, Quality
from collector.sources.source import Message
from collector.topics import TopicTemplate

TOPICS = ("ie/+/j/simatic/v1/#",)
MOST_POINTS = 20_000  # data points remembered; their names go into the spool with every append
_QUALITY = {0: Quality.BAD, 1: Quality.STALE, 2: Quality.GOOD, 3: Quality.GOOD}
Kind = Literal["values", "metadata", "other", ""]
_WORDS = {"true": True, "false": False}
_ROOT = ("ie", "j", "simatic", "v1")


class Options(TagOptions, frozen=True, kw_only=True):
    """What the [[subscribe]] may say."""

    time_unit: TimeUnit = "iso"


class Value(msgspec.Struct):
    """One value of a message."""

    id: str
    val: Any
    ts: Any = None
    qc: int = 3


class Record(msgspec.Struct):
    """The values of one instant in a time series."""

    vals: list[Value]
    ts: Any = None


class Report(msgspec.Struct):
    """A message of values: `vals`, or `records` of them."""

    vals: list[Value] | None = None
    ts: Any = None
    records: list[Record] | None = None

    def __post_init__(self) -> None:
        if self.vals is None and self.records is None:
            raise ValueError("neither `vals` nor `records` in it")

    def all(self) -> Iterator[tuple[Value, Any]]:
        """The values, each with its time."""
        for record in [Record(self.vals or [], self.ts), *(self.records or [])]:
            for value in record.vals:
                yield value, record.ts if value.ts is None else value.ts


class Definition(msgspec.Struct):
    """What an id stands for."""

    name: str
    id: str


class Collection(msgspec.Struct):
    """The data points that share a topic."""

    topic: str
    definitions: list[Definition] = msgspec.field(name="dataPointDefinitions")


class Connection(msgspec.Struct):
    """A device of a connector."""

    collections: list[Collection] = msgspec.field(name="dataPoints")


class Metadata(msgspec.Struct):
    """All that a connector publishes."""

    connections: list[Connection]

    def names(self) -> dict[str, dict[str, str]]:
        """The name of each id of each topic."""
        found: dict[str, dict[str, str]] = {}
        for connection in self.connections:
            for collection in connection.collections:
                points = found.setdefault(collection.topic, {})
                points.update((point.id, point.name) for point in collection.definitions)
        return found


_report = msgspec.json.Decoder(Report)
_metadata = msgspec.json.Decoder(Metadata)


class SiemensDatabus:
    """Remembers what each connector's metadata said last: connector -> topic -> id -> name."""

    def __init__(self, options: Options, site: Site, topic: TopicTemplate) -> None:
        self._tags = TagFormat(self._named, options, site, topic, words_in, time_field="ts")
        self._names: dict[str, dict[str, dict[str, str]]] = {}
        self._memory = b""

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        if _kind(message.topic) == "metadata":
            self._learn(message)
            return Decoded()
        return self._tags.decode(message)

    def place(self, topic: str) -> Equipment | None:
        return self._tags.place(topic)

    def snapshot(self) -> bytes:
        return self._memory

    def restore(self, memory: bytes) -> None:
        self._names = msgspec.msgpack.decode(memory, type=dict[str, dict[str, dict[str, str]]]) if memory else {}
        self._memory = memory

    def _learn(self, message: Message) -> None:
        """Metadata is always all of a connector's. Raises BadPayload."""
        known = {**self._names, message.topic: _names_in(message)}
        points = sum(len(ids) for topics in known.values() for ids in topics.values())
        if points > MOST_POINTS:
            raise BadPayload(
                f"topic {message.topic}: {points} data points with those known, {MOST_POINTS} are remembered: "
                "spread the connectors over more [[subscribe]] in site.toml"
            )
        if known != self._names:
            self._names, self._memory = known, msgspec.msgpack.encode(known)

    def _named(self, message: Message) -> list[Tag]:
        """The tags of a message under the names of their ids. Raises BadPayload."""
        names = next((topics[message.topic] for topics in self._names.values() if message.topic in topics), {})
        return _renamed(tags_in(message), names)


def build(options: Options, site: Site, topic: TopicTemplate) -> SiemensDatabus:
    """The format as site.toml describes it. Raises ValueError, a sentence, for rules that could never be followed."""
    return SiemensDatabus(options, site, topic)


def tags_in(message: Message) -> list[Tag]:
    """The values of a message as tags named by their ids, none of metadata and states. Raises BadPayload."""
    if _kind(message.topic) in ("metadata", "other"):
        return []
    try:
        report = _report.decode(message.payload)
    except (ValueError, RecursionError) as error:
        wanted = '{"seq", "vals": [{"id", "val", "ts", "qc"}]}'
        raise _refused(message, f"no values of the Industrial Edge databus, which are {wanted}", error) from error
    return [Tag(one.id, _plain(one.val), at, _QUALITY.get(one.qc, Quality.BAD)) for one, at in report.all()]


def tags_after(messages: Iterable[Message]) -> Callable[[Message], list[Tag]]:
    """`tags_in` by the names that the metadata among `messages` gives to ids."""
    known: dict[str, dict[str, str]] = {}
    for message in messages:
        if _kind(message.topic) == "metadata":
            with contextlib.suppress(BadPayload):
                known.update(_names_in(message))
    return lambda message: _renamed(tags_in(message), known.get(message.topic, {}))


def _renamed(tags: Sequence[Tag], names: Mapping[str, str]) -> list[Tag]:
    return [tag._replace(name=names.get(tag.name, tag.name)) for tag in tags]


def words_in(topic: str) -> dict[str, str]:
    """What a topic of values says: ie/d/j/simatic/v1/<connector>/dp/r/<connection>/<collection>."""
    words = [level_name(word) for word in topic.split("/")]
    if _kind(topic) != "values" or len(words) < 9:
        return {}
    return {"connector": words[5], "connection": words[8], "collection": "_".join(words[9:]), "cell": words[8]}


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    kind = _kind(message.topic)
    try:
        if kind in ("metadata", "other"):
            return 1.0 if kind == "other" or _names_in(message) else 0.0
        is_whole = b'"seq"' in message.payload and any(_report.decode(message.payload).all())
    except (ValueError, RecursionError, BadPayload):
        return 0.0
    return (1.0 if kind else 0.9) if is_whole else 0.0


def _kind(topic: str) -> Kind:
    """What stands on a topic of a connector, `""` where it is none."""
    words = topic.split("/")
    if len(words) < 7 or (words[0], *words[2:5]) != _ROOT:
        return ""
    if words[1] == "d" and words[6:8] == ["dp", "r"]:
        return "values"
    return "metadata" if words[1] == "m" and words[6] == "dp" else "other"


def _names_in(message: Message) -> dict[str, dict[str, str]]:
    try:
        return _metadata.decode(message.payload).names()
    except (ValueError, RecursionError) as error:
        wanted = '{"connections": [{"dataPoints": [{"topic", "dataPointDefinitions": [{"name", "id"}]}]}]}'
        raise _refused(message, f"no metadata of the Industrial Edge databus, which is {wanted}", error) from error


def _refused(message: Message, why: str, error: Exception) -> BadPayload:
    return BadPayload(
        f"topic {message.topic}: {why} ({error}): subscribe to connectors only, or correct the format in site.toml"
    )


def _plain(value: object) -> object:
    """Older connectors quote everything: numbers are read as they stand, truth values here."""
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value
