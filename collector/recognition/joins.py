"""Messages without a time that name a thing another topic has just named: they happened when that one did."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from collector.formats.json_object import name_found
from collector.readings import NS_PER_S
from collector.recognition.groups import Group

JOINED_RATIO = 0.95  # of the messages name something known; the first of a sample may have missed theirs
_MOST_LAG_S = 3600.0


class Joined(NamedTuple):
    """Group `partner` names in `field` the same things, `lag_s` before in the median."""

    field: str
    partner: Group
    lag_s: float


def joined(group: Group, groups: Sequence[Group]) -> Joined | None:
    """With whom a group without a time is joined, None where nothing fits. Of several, the nearest in time."""
    found = []
    for partner in groups:
        if partner is not group and partner.time is not None:
            for field in set(group.fields) & set(partner.fields):
                lags_s = _lags_s(group, partner, field)
                if len(lags_s) >= JOINED_RATIO * len(group.objects) and statistics.median(lags_s) <= _MOST_LAG_S:
                    found.append(Joined(field, partner, statistics.median(lags_s)))
    return min(found, key=lambda one: (one.lag_s, one.field), default=None)


def _lags_s(group: Group, partner: Group, field: str) -> list[float]:
    """How long before each message the partner had named the same; only where names tell things apart."""
    named: dict[str, int] = {}
    lags_s, names = [], set()
    theirs = [(message.received_ns, 0, said) for message, said in partner.objects]
    ours = [(message.received_ns, 1, said) for message, said in group.objects]
    for received_ns, is_ours, said in sorted(theirs + ours, key=lambda one: one[:2]):
        name = name_found(said, field)
        if name is None:
            continue
        if is_ours and name in named:
            lags_s.append((received_ns - named[name]) / NS_PER_S)
            names.add(name)
        elif not is_ours:
            named[name] = received_ns
    return lags_s if 2 * len(names) >= len(lags_s) else []
