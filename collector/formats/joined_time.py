"""Time for messages that carry none: that of another message about the same thing, such as the weighing of a bottle.

A Join remembers when the last things were named by the one topic, and tells the other. It is memory of its format, so
it is part of what `snapshot` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.formats.event_time import shown
from collector.formats.format import BadPayload
from collector.formats.json_object import name_found, name_in

NAMES_KEPT = 1_000


class Join:
    """The times of the last 1,000 things that messages of `partner` named in `field`.

    `shared` are the captures both topics have: bottle 7 of one line is not bottle 7 of another.
    """

    def __init__(self, partner: str, field: str, shared: tuple[str, ...]) -> None:
        self.name = "|".join((partner, field, *shared))
        self.partner = partner
        self.times: dict[str, int] = {}
        self._field = field
        self._shared = shared

    def remember(self, payload: Mapping[str, Any], captures: Mapping[str, str], at_ns: int) -> None:
        """Keeps the time of what this payload names, if it names anything; forgets the thing not named for longest."""
        name = name_found(payload, self._field)
        if name is None:
            return
        key = self._key(name, captures)
        self.times.pop(key, None)  # so that it stands last again
        self.times[key] = at_ns
        if len(self.times) > NAMES_KEPT:
            del self.times[next(iter(self.times))]

    def at_ns(self, payload: Mapping[str, Any], captures: Mapping[str, str], topic: str) -> int:
        """The time of the thing this payload names. Raises BadPayload when it was not named before."""
        name = name_in(payload, self._field, topic)
        at_ns = self.times.get(self._key(name, captures))
        if at_ns is None:
            raise BadPayload(
                f"topic {topic}: {self._field} {shown(name)} has no time: no message of {self.partner} named it before "
                "(the last 1,000 are kept): send that one first, then replay this letter"
            )
        return at_ns

    def _key(self, name: str, captures: Mapping[str, str]) -> str:
        return "/".join((*(captures[capture] for capture in self._shared), name)) if self._shared else name
