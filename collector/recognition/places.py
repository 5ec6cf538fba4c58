"""Where readings belong, by the levels of their topics: enterprise / site / area / line / cell, as ISA-95 has them.

The levels that all topics share at the front are enterprise and site, or one root where there are few; what varies
behind them is area, line and cell, the last being the cell. A last level that is named like a field of the message is
no place but what is measured.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from collector.config import Site
from collector.topics import TopicTemplate

# As a last level: what kind of message it is, no place.
_SAY_NOTHING = frozenset((
    "status", "state", "data", "telemetry", "sensor", "sensors",
    "values", "json", "payload", "measurements", "report", "upload",
    "uplink", "up", "message", "messages", "readings", "rows",
    "reported", "publish",
))  # fmt: skip
_CONTROL = (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))
_TO_PLAIN = dict.fromkeys((*map(ord, '/+#:"{}'), *_CONTROL), "_")
_BEHIND = ((), ("cell",), ("line", "cell"), ("area", "line", "cell"))


class Scheme(NamedTuple):
    """What the first levels of all topics mean: `head` of them, the second being the site where `has_site`."""

    head: int
    has_site: bool
    why: str


@dataclass(frozen=True)
class Template:
    """The topics of one group: `topic` with captures, and the levels said as text, `why` for the whole."""

    topic: str
    levels: dict[str, str] = field(default_factory=dict)
    why: str = ""

    @property
    def captures(self) -> tuple[str, ...]:
        return TopicTemplate(self.topic).captures

    def reads(self, topic: str) -> bool:
        return self._matcher.fullmatch(topic) is not None

    @cached_property
    def _matcher(self) -> re.Pattern[str]:
        return TopicTemplate(self.topic).matcher()


def scheme_of(topics: Iterable[Sequence[str]], site: Site | None) -> Scheme:
    """What the topics of a sample begin with, their levels given without those that say what is measured."""
    all_levels = [levels for levels in topics if levels]
    if not all_levels:
        return Scheme(0, False, "no topics")
    shared = len(shared_levels(all_levels))
    deepest, first = max(map(len, all_levels)), all_levels[0]
    if site is not None and shared and first[0] == site.enterprise and deepest > 1:
        return Scheme(2, True, "the first level is [site] enterprise, so the next is the site")
    if site is not None and shared > 1 and site.name in first[:2]:
        return Scheme(first[:2].index(site.name) + 1, False, "the site is [site] name")
    if deepest >= 4 or (deepest == 3 and shared >= 2 and len(all_levels) > 1):
        return Scheme(2, True, "the first two levels are taken for enterprise and site")
    return Scheme(min(1, deepest - 1), False, "the first level is taken for the root of all topics")


def template_of(topics: Sequence[str], measured: int, scheme: Scheme, rest_of: dict[str, str]) -> Template:
    """The template of topics of equally many levels, the last `measured` of them being no places.

    `rest_of` gives the name in a last level that holds more than a name (`dispenser_red`: `red`), `{}` where it is the
    level itself.
    """
    split = [topic.split("/") for topic in topics]
    count = len(split[0])
    roles = _roles(count - measured, scheme)
    parts, said = [], {}
    for i, role in enumerate(roles + [""] * measured):
        values = list(dict.fromkeys(levels[i] for levels in split))
        if len(values) == 1 and not (rest_of and i == count - measured - 1):
            parts.append(literal(values[0]))
            if role and values[0]:
                said[role] = named(values[0])
        elif role and i == count - measured - 1 and rest_of:
            before = values[0].removesuffix(rest_of[values[0]])
            parts.append(f"{before}{{{role}}}" if literal(before) == before else f"{{{role}}}")
        elif role:
            parts.append(f"{{{role}}}")
        else:
            parts.append("+")
    return Template("/".join(parts), _with_whole_cells(said, roles), scheme.why)


def documented(topics: Sequence[str], patterns: Sequence[str]) -> list[Template]:
    """The `patterns` that a dialect documents as its own, below the levels that a bridge put before them, the last of
    which is the line; none where a topic is of no pattern."""
    own = [Template(pattern) for pattern in patterns]
    before: dict[tuple[str, int], list[list[str]]] = {}
    for topic in topics:
        levels = topic.split("/")
        ends = ((one.topic, at) for at in range(len(levels)) for one in own if one.reads("/".join(levels[at:])))
        end = next(ends, None)
        if end is None:
            return []
        before.setdefault(end, []).append(levels[: end[1]])
    return [_below(heads, pattern) for (pattern, _), heads in before.items()]


def _below(heads: Sequence[Sequence[str]], pattern: str) -> Template:
    levels = [literal(same[0]) if len(set(same)) == 1 else "+" for same in zip(*heads, strict=True)]
    said = {"line": named(heads[0][-1])} if levels and levels[-1] != "+" else {}
    if levels and not said:
        levels[-1] = "{line}"
    return Template("/".join([*levels, pattern]), said, "the dialect's own topics")


def beginnings(topics: Sequence[str]) -> list[str]:
    """The fewest topics with a closing # that admit all of `topics`, but for the one that admits everything."""
    by_first: dict[str, list[list[str]]] = {}
    for topic in topics:
        levels = list(map(literal, topic.split("/")))
        by_first.setdefault(levels[0], []).append(levels)
    return ["/".join(own[0] if len(own) == 1 else [*shared_levels(own), "#"]) for own in by_first.values()]


def shared_levels(topics: Sequence[Sequence[str]]) -> list[str]:
    """The levels with which all topics begin."""
    levels = zip(*topics, strict=False)
    return [same[0] for same in itertools.takewhile(lambda values: len(set(values)) == 1, levels)]


def says_nothing(topic: str) -> bool:
    """Whether the last level of a topic says what kind of message it is, and no place."""
    return bool(topic.count("/")) and topic.rsplit("/", 1)[-1].lower() in _SAY_NOTHING


def literal(level: str) -> str:
    """A level as a template has it; any level where it could not say this one."""
    return "+" if {"{", "}", "+", "#"} & set(level) else level


def named(level: str) -> str:
    """A level as a place may be called."""
    return level.translate(_TO_PLAIN)


def _roles(count: int, scheme: Scheme) -> list[str]:
    """What each of `count` levels says, `""` for nothing we keep."""
    head = ["", "site" if scheme.has_site else ""][: min(scheme.head, count)]
    behind = count - len(head)
    roles = _BEHIND[min(behind, 3)]
    more = [f"part_{chr(ord('a') + i)}" for i in range(behind - len(roles))]
    return [*head, *roles, *more]


def _with_whole_cells(said: dict[str, str], roles: Sequence[str]) -> dict[str, str]:
    """The levels as text. Levels past the cell are part of its name, so that no two cells become one."""
    own = [role for role in roles if role == "cell" or role.startswith("part_")]
    if len(own) > 1:
        said["cell"] = "_".join(said.get(role, f"{{{role}}}") for role in own)
    return {role: text for role, text in said.items() if not role.startswith("part_")}
