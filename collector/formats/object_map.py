"""From one topic and the fields of its objects to series: where they belong, and what each field measures there.

A level of a place is written as text with `{name}` slots; a slot is a capture of the topic or, where the topic has none
of that name, a field of the payload. Levels that nobody states take the capture of their own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from collector.config import Site
from collector.formats.format import BadPayload
from collector.formats.json_object import Measured, Quantity, measured, name_in
from collector.readings import Equipment, Kind

LEVELS = ("site", "area", "line", "cell")
MOST_REMEMBERED = 10_000  # topics or places whose series are kept ready; past that all are worked out anew
_SLOT = re.compile(r"\{([^{}]+)\}")


class FieldMap(NamedTuple):
    """A field of the payload, the metric it becomes, what that measures, and whether a message may lack it."""

    field: str
    metric: str
    quantity: Quantity
    optional: bool


class ObjectMap:
    """The map of one topic. `levels` are the templates as stated, `""` where not."""

    def __init__(
        self, topic: str, site: Site, levels: Mapping[str, str], captures: Mapping[str, str], fields: Sequence[FieldMap]
    ) -> None:
        self.captures = captures
        self._topic = topic
        self._enterprise = site.enterprise
        own = {level: f"{{{level}}}" for level in LEVELS if level in captures}
        self._levels = {level: levels[level] or own.get(level, "") for level in LEVELS}
        self._levels["site"] = self._levels["site"] or site.name
        slots = dict.fromkeys(slot for text in self._levels.values() for slot in _SLOT.findall(text))
        self._asked = tuple(slot for slot in slots if slot not in captures)
        self._fields = tuple(fields)
        self._known: dict[tuple[str, ...], tuple[Measured, ...]] = {}

    def measured(self, payload: Mapping[str, Any]) -> tuple[Measured, ...]:
        """The measured fields at the place this payload belongs to. Raises BadPayload when it names none."""
        names = tuple([name_in(payload, field, self._topic) for field in self._asked])
        known = self._known.get(names)
        return known if known is not None else self._work_out(names)

    def fixed(self) -> tuple[Measured, ...] | None:
        """The measured fields where the topic alone says the place; None where the payload has a say in it."""
        return None if self._asked else self.measured({})

    def place(self) -> Equipment | None:
        """Where the readings belong as far as the topic says it; None when the payload has a say in site or line."""
        asked = {level for level, text in self._levels.items() if set(_SLOT.findall(text)).intersection(self._asked)}
        if asked.intersection(("site", "line")):
            return None
        try:
            levels = {level: "" if level in asked else text for level, text in self._levels.items()}
            return Equipment(self._enterprise, **{level: filled(text, self.captures) for level, text in levels.items()})
        except ValueError:
            return None

    def _work_out(self, names: tuple[str, ...]) -> tuple[Measured, ...]:
        said = {**dict(zip(self._asked, names, strict=True)), **self.captures}
        levels = {level: filled(text, said) for level, text in self._levels.items()}
        try:
            place = Equipment(self._enterprise, **levels)
        except ValueError as error:
            raise BadPayload(f"topic {self._topic}: {error}: rename it at the sender or in site.toml") from error
        found = tuple(measured(f.field, f.quantity.of(place, f.metric), optional=f.optional) for f in self._fields)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[names] = found
        return found


def filled(text: str, said: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: said[slot[1]], text)


def check_fields(fields: Sequence[FieldMap], where: str) -> None:
    """Raises ValueError, a sentence naming `where`, when a field could not become a series or two become the same."""
    metrics: set[str] = set()
    for _, metric, quantity, _ in fields:
        try:
            quantity.of(Equipment("any", "any"), metric)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if quantity.states and quantity.kind is not Kind.STATE:
            raise ValueError(f'{where}: metric {metric!r} has states; write kind = "state" or remove them')
        if len(set(quantity.states)) < len(quantity.states):
            raise ValueError(f"{where}: metric {metric!r} names a state twice; each needs its own name")
        if metric in metrics:
            raise ValueError(f"{where}: two fields become the metric {metric!r}; rename one")
        metrics.add(metric)
    if not fields:
        raise ValueError(f"{where}: names no field to read; add one")
