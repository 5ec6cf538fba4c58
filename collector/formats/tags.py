"""Tags: what all dialects have in common that send values under names of their own, many to a message.

A dialect says which tags a message holds (`Tag`); this says whose they are and what they are worth. A site may describe
its tags; what it does not describe becomes a gauge under its own name, so that a new line is seen the same hour:

    [[subscribe]]
    topic = "scada/{line}/#"
    format = "kepware"
    cell = "cell 1"                        # levels: text with {slots}, captures of topic and tag, words of the message
    [[subscribe.tag]]                      # the first that fits a tag's name
    name = "Press.{cell}.Count"            # {capture}: up to the next / or . ; * : anything
    metric = "good"                        # default: the tag's own name
    kind = "counter"
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from re import Pattern
from typing import NamedTuple

from collector.config import Name, Section, Site
from collector.formats.event_time import EventTime, TimeUnit, receipt_ns, shown, site_zone
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.formats.json_object import Quantity, worth
from collector.formats.object_map import LEVELS, filled
from collector.readings import Equipment, Quality, Reading, Readings, Series
from collector.sources.source import Message
from collector.topics import TopicTemplate

MOST_REMEMBERED = 100_000  # series; more than any site has, so a sender of endless names cannot fill the memory
_TO_PLAIN = dict.fromkeys(map(ord, '+#:"'), "_")  # what names of metrics may not hold
_SLOT = re.compile(r"\{([a-z_]+)\}")


class Tag(NamedTuple):
    """One value as a dialect sends it. `at`: the time as it was written, None where the receipt's is meant.

    `unit`: what the sender says it counts in, `""` where it says nothing. `said`: further words a level may name.
    """

    name: str
    value: object
    at: object = None
    quality: int = Quality.GOOD
    unit: str = ""
    said: tuple[tuple[str, str], ...] = ()


class TagRule(Quantity, frozen=True, kw_only=True):
    """One [[subscribe.tag]]: what the tags are whose name fits. `skip`: they are no measurements."""

    name: Name
    site: str = ""
    area: str = ""
    line: str = ""
    cell: str = ""
    skip: bool = False


class TagOptions(Section, frozen=True, kw_only=True):
    """What the [[subscribe]] of such a dialect may say."""

    tag: tuple[TagRule, ...] = ()
    time_unit: TimeUnit = "ms"
    site: str = ""
    area: str = ""
    line: str = ""
    cell: str = ""


class _Known(NamedTuple):
    """What a tag is: its series, None where site.toml says that it is none, and whether site.toml describes it."""

    series: Series | None
    is_described: bool


class TagFormat(Stateless):
    """The Format of a dialect. `tags_in` gives the tags of a message, in order; it raises BadPayload only."""

    def __init__(
        self,
        tags_in: Callable[[Message], Iterable[Tag]],
        options: TagOptions,
        site: Site,
        topic: TopicTemplate,
    ) -> None:
        """Raises ValueError, a sentence, for rules that could never be followed."""
        self._tags_in = tags_in
        self._options = options
        self._site = site
        self._topic = topic.matcher()
        self._time = EventTime(options.time_unit, site_zone(site))
        self._rules = [(_matcher(rule.name), rule) for rule in options.tag]
        self._known: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], _Known] = {}

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        return Decoded(Readings.of(filter(None, [self._reading(message, tag) for tag in self._tags_in(message)])))

    def place(self, topic: str) -> Equipment | None:
        """Where a topic's tags belong, None where tags or messages have a say in it."""
        levels = _levels(self._options)
        captures = self._captures(topic)
        slots = {slot for text in levels.values() for slot in _SLOT.findall(text)}
        if self._rules or not slots.issubset(captures):
            return None
        try:
            return self._equipment(levels, captures)
        except ValueError:
            return None

    def _reading(self, message: Message, tag: Tag) -> Reading | None:
        """None for what is no measurement: what nobody described and is no number, or null of good quality."""
        key = message.topic, tag.name, tag.unit, tag.said
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._find(message.topic, tag)
        series = known.series
        if series is None or not _is_measured(tag, known):
            return None
        at_ns = self._at_ns(message, tag)
        if tag.value is None or tag.value == "":
            return Reading(series, at_ns, math.nan, tag.quality)
        return Reading(series, at_ns, worth(tag.value, series, tag.name, message.topic), tag.quality)

    def _at_ns(self, message: Message, tag: Tag) -> int:
        if tag.at is None:
            return receipt_ns(message)
        return self._time.read(tag.at, topic=message.topic, field=tag.name, received_ns=message.received_ns)

    def _find(self, topic: str, tag: Tag) -> _Known:
        """What a tag is, by the first rule that fits. Raises BadPayload."""
        fitting = ((rule, found) for fits, rule in self._rules if (found := fits.fullmatch(tag.name)))
        rule, found = next(fitting, (None, None))
        if rule is not None and rule.skip:
            return _Known(None, True)
        quantity = rule or Quantity(unit=tag.unit or "1")
        if rule is not None and tag.unit not in ("", rule.unit):
            raise BadPayload(
                f"topic {topic}: {shown(tag.name)} is sent in {shown(tag.unit)}, site.toml says {shown(rule.unit)}: "
                "correct whichever is wrong"
            )
        words = {**dict(tag.said), **self._captures(topic), **(found.groupdict() if found else {})}
        levels = {level: text for level, text in _levels(rule).items() if text} if rule else {}
        try:
            place = self._equipment({**_levels(self._options), **levels}, words)
            metric = filled(quantity.metric or tag.name, words).translate(_TO_PLAIN)
            return _Known(quantity.of(place, metric), rule is not None)
        except (ValueError, KeyError) as error:
            raise BadPayload(f"topic {topic}: tag {shown(tag.name)}: {_why(error)}") from error

    def _equipment(self, levels: Mapping[str, str], words: Mapping[str, str]) -> Equipment:
        """Raises ValueError or KeyError (a slot that nothing fills)."""
        own = {level: text or words.get(level, "") for level, text in levels.items()}
        own["site"] = own["site"] or self._site.name
        return Equipment(self._site.enterprise, **{level: filled(text, words) for level, text in own.items()})

    def _captures(self, topic: str) -> dict[str, str]:
        found = self._topic.fullmatch(topic)
        return found.groupdict() if found else {}


def _is_measured(tag: Tag, known: _Known) -> bool:
    """What is described must be worth something; of the rest, numbers are. No value of bad quality is worth knowing."""
    if tag.value is None or tag.value == "":
        return tag.quality != Quality.GOOD
    return known.is_described or isinstance(tag.value, (int, float)) or _is_number(tag.value)


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str) and "_" not in value and math.isfinite(float(value))
    except ValueError:
        return False


def _levels(said: TagOptions | TagRule) -> dict[str, str]:
    return {level: getattr(said, level) for level in LEVELS}


def _matcher(name: str) -> Pattern[str]:
    """Raises ValueError for a name that cannot be one."""
    pieces = re.split(r"(\{[a-z_]+\}|\*)", name)
    captures = _SLOT.findall(name)
    if len(captures) != len(set(captures)):
        raise ValueError(f"tag name {name!r}: a capture stands twice; give each its own name")
    return re.compile("".join(map(_pattern, pieces)), re.DOTALL)


def _pattern(piece: str) -> str:
    if piece == "*":
        return ".*"
    slot = _SLOT.fullmatch(piece)
    return f"(?P<{slot[1]}>[^/.]+)" if slot else re.escape(piece)


def _why(error: ValueError | KeyError) -> str:
    if isinstance(error, KeyError):
        return f"nothing fills the slot {{{error.args[0]}}}: name it in the topic or the tag's name in site.toml"
    return f"{error}: rename it at the sender or in site.toml"
