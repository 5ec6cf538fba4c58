"""What the messages of a sample hold: each field of their objects as columns, one for each thing that is measured.

Columns are what `quantity` judges: a counter is one only if every machine's own values never fall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from collector.sources.source import Message

DEEPEST = 4  # objects inside objects; deeper ones are no readings but documents
Values = list[Any]
Objects = list[tuple[Message, dict[str, Any]]]  # messages and the fields they hold, nested ones as `a.b`


class Column:
    """The values one name had in a sample: those of each place apart, in order of arrival."""

    def __init__(self) -> None:
        self.by_place: dict[str, Values] = {}

    def add(self, place: str, value: object) -> None:
        self.by_place.setdefault(place, []).append(value)

    @property
    def values(self) -> Values:
        """All of them that say something."""
        return [value for own in self.by_place.values() for value in own if value is not None]

    @property
    def count(self) -> int:
        """How often the name was there, null included."""
        return sum(map(len, self.by_place.values()))


def object_in(payload: bytes) -> dict[str, Any] | None:
    """A payload's object, flat: `a.b` for `b` inside `a`. None for what is no JSON object."""
    try:
        said = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return None
    return dict(_flat(said, "", 0)) if isinstance(said, dict) else None


def _flat(said: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Left out is what no path of names could find again: nested names with a dot, and names of nothing."""
    for name, value in said.items():
        if not name or ("." in name and (depth or isinstance(value, dict))):
            continue
        if isinstance(value, dict) and value and depth < DEEPEST:
            yield from _flat(value, f"{before}{name}.", depth + 1)
        else:
            yield f"{before}{name}", value
