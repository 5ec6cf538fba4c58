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
    [subscribe.units]
    "°C" = "Cel"                           # what the senders' own words for units mean, as UCUM codes
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from collector.config import Name, Section, Site
from collector.formats.event_time import EventTime, TimeUnit, receipt_ns, shown, site_zone
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.formats.json_object import Quantity, worth
from collector.formats.limits import check_names
from collector.formats.numeral import is_numeral, looks_like_number
from collector.formats.object_map import LEVELS, filled
from collector.formats.tag_name import SLOT, pattern_of
from collector.readings import Equipment, Kind, Quality, Reading, Readings, Series
from collector.sources.source import Message
from collector.topics import TopicTemplate
from collector.units.agreement import check_words, meant
from collector.units.code import BadUnit

MOST_REMEMBERED = 100_000  # series; more than any site has, so a sender of endless names cannot fill the memory
_TO_PLAIN = dict.fromkeys(map(ord, '+#:"'), "_")  # what names of metrics may not hold
_TO_LEVEL = dict.fromkeys(map(ord, '/+#:"'), "_")  # and names of levels


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
    """What the [[subscribe]] of such a dialect may say. `units`: the UCUM codes of the senders' own words for units."""

    tag: tuple[TagRule, ...] = ()
    time_unit: TimeUnit = "ms"
    units: dict[str, str] = {}
    site: str = ""
    area: str = ""
    line: str = ""
    cell: str = ""

    def __post_init__(self) -> None:
        check_words(self.units)


@dataclass(slots=True)
class _Known:
    """What a tag is: its series, None where site.toml says that it is none, and whether site.toml describes it.

    `fault`: why its values cannot be taken, should it have any. `gave_numbers`: since the start.
    """

    series: Series | None
    is_described: bool
    fault: str = ""
    time_field: str = ""
    gave_numbers: bool = False


class TagFormat(Stateless):
    """The Format of a dialect. `tags_in` gives the tags of a message, in order; it raises BadPayload only.

    `words_of` gives what a topic of the dialect says by its form alone; the site's own captures come before it.
    `time_field`: how the dialect calls its time. `leaves_out`: texts that nobody described, and that look like no
    number, are left out and told by name; else they cannot be read.
    """

    def __init__(
        self,
        tags_in: Callable[[Message], Iterable[Tag]],
        options: TagOptions,
        site: Site,
        topic: TopicTemplate,
        words_of: Callable[[str], Mapping[str, str]] = lambda _: {},
        *,
        time_field: str = "timestamp",
        leaves_out: bool = True,
    ) -> None:
        """Raises ValueError, a sentence, for rules that could never be followed."""
        self._tags_in = tags_in
        self._words_of = words_of
        self._options = options
        self._site = site
        self._topic = topic.matcher()
        self._time = EventTime(options.time_unit, site_zone(site))
        self._rules = [(pattern_of(rule.name), rule) for rule in options.tag]
        self._time_field = time_field
        self._leaves_out = leaves_out
        self._known: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], _Known] = {}

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        left_out: list[str] = []
        found = [self._reading(message, tag, left_out) for tag in self._tags_in(message)]
        return Decoded(Readings.of(filter(None, found)), left_out=left_out)

    def place(self, topic: str) -> Equipment | None:
        """Where a topic's tags belong, None where tags or messages have a say in it."""
        levels = _levels(self._options)
        captures = self._captures(topic)
        slots = {slot for text in levels.values() for slot in SLOT.findall(text)}
        if any(any(_levels(rule).values()) for _, rule in self._rules) or not slots.issubset(captures):
            return None
        try:
            return self._equipment(levels, captures)
        except ValueError:
            return None

    def _reading(self, message: Message, tag: Tag, left_out: list[str]) -> Reading | None:
        """None for what is no measurement: null of good quality, what is skipped, and what is `left_out`, which it
        joins. Raises BadPayload."""
        key = message.topic, tag.name, tag.unit, tag.said
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._find(message.topic, tag)
        says_nothing = tag.value is None or tag.value == ""
        if says_nothing and tag.quality == Quality.GOOD:
            return None
        if not (says_nothing or known.is_described or is_numeral(tag.value)):
            self._check_left_out(message.topic, tag, known)
            left_out.append(tag.name)
            return None
        if known.fault:
            raise BadPayload(known.fault)
        if known.series is None:
            return None
        at_ns = self._at_ns(message, tag, known)
        if says_nothing:
            return Reading(known.series, at_ns, math.nan, tag.quality)
        known.gave_numbers = True
        return Reading(known.series, at_ns, worth(tag.value, known.series, tag.name, message.topic), tag.quality)

    def _check_left_out(self, topic: str, tag: Tag, known: _Known) -> None:
        """Raises BadPayload for what nobody described and yet is missed: a number that cannot be read as one."""
        if isinstance(tag.value, str) and looks_like_number(tag.value):
            why = "which looks like a number and is none as JSON writes it"
        elif known.gave_numbers:
            why = "and gave numbers before"
        elif not self._leaves_out:
            why = "no number, and nobody described it"
        else:
            return
        decimal = "set `decimal`, " if hasattr(self._options, "decimal") else ""
        raise BadPayload(
            f"topic {topic}: {shown(tag.name)} holds {shown(tag.value)}, {why}: correct the sender, or {decimal}"
            "describe it as a state or `skip` it in a [[subscribe.tag]] of site.toml"
        )

    def _at_ns(self, message: Message, tag: Tag, known: _Known) -> int:
        if tag.at is None:
            return receipt_ns(message)
        return self._time.read(tag.at, topic=message.topic, field=known.time_field, received_ns=message.received_ns)

    def _find(self, topic: str, tag: Tag) -> _Known:
        """What a tag is, by the first rule that fits. Raises BadPayload."""
        fitting = ((rule, found) for fits, rule in self._rules if (found := fits.fullmatch(tag.name)))
        rule, found = next(fitting, (None, None))
        if rule is not None and rule.skip:
            return _Known(None, True)
        check_names(f"topic {topic}", (tag.name, tag.unit, *(word for _, word in tag.said)))
        quantity = rule or Quantity()
        words = {**dict(tag.said), **self._captures(topic), **(found.groupdict() if found else {})}
        levels = {level: text for level, text in _levels(rule).items() if text} if rule else {}
        try:
            place = self._equipment({**_levels(self._options), **levels}, words)
            metric = filled(quantity.metric or tag.name, words).translate(_TO_PLAIN)
            sent_in = "" if quantity.kind is Kind.STATE else meant(tag.unit, self._options.units)
            time_field = f"{self._time_field}` of `{tag.name}"
            return _Known(quantity.of(place, metric, sent_in), rule is not None, time_field=time_field)
        except BadUnit as bad:
            return _Known(None, rule is not None, f"topic {topic}: {shown(tag.name)} {bad}")
        except (ValueError, KeyError) as error:
            raise BadPayload(f"topic {topic}: tag {shown(tag.name)}: {_why(error)}") from error

    def _equipment(self, levels: Mapping[str, str], words: Mapping[str, str]) -> Equipment:
        """Raises ValueError or KeyError (a slot that nothing fills)."""
        own = {level: text or words.get(level, "") for level, text in levels.items()}
        own["site"] = own["site"] or self._site.name
        return Equipment(self._site.enterprise, **{level: filled(text, words) for level, text in own.items()})

    def _captures(self, topic: str) -> dict[str, str]:
        found = self._topic.fullmatch(topic)
        return {**self._words_of(topic), **(found.groupdict() if found else {})}


def level_name(text: str) -> str:
    """A sender's own name as the name of a level may be."""
    return text.translate(_TO_LEVEL)


def placing(options: TagOptions) -> frozenset[str]:
    """The words of a message that say a place: the levels' own, and those that site.toml names in {slots}."""
    levels = [_levels(options), *map(_levels, options.tag)]
    texts = (text for one in levels for text in one.values())
    return frozenset(LEVELS).union(slot for text in texts for slot in re.findall(r"\{([^{}]+)\}", text))


def _levels(said: TagOptions | TagRule) -> dict[str, str]:
    return {level: getattr(said, level) for level in LEVELS}


def _why(error: ValueError | KeyError) -> str:
    if isinstance(error, KeyError):
        return f"nothing fills the slot {{{error.args[0]}}}: name it in the topic or the tag's name in site.toml"
    return f"{error}: rename it at the sender or in site.toml"
