"""Long tables, as historians export them: a row is one value of one tag at one instant. Here they become wide.

time;tag;value              time   press temp
06:00;temp;41,5      ->     06:00  1,2   41,5
06:00;press;1,2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from deploy.tables.instants import UNREAD, Instants
from detectors.offline.table import Floats

_FIELD, _SERIES = "_field", "table"  # InfluxDB's: a field of several series is told apart by their numbers
_TAGS = frozenset(
    (_FIELD, "name", "tag", "tagname", "tag_name", "tag name", "point", "sensor", "signal", "variable", "metric")
)
_VALUES = frozenset(("_value", "value", "val", "wert", "reading"))
_MOST_TAGS = 2_000


class Wide(NamedTuple):
    """Instants in order, each once; `value` float64[n, k] of the k tags; the file's row each instant was read from."""

    at_ns: Instants
    tags: tuple[str, ...]
    value: Floats
    row: Sequence[int]


def tag_and_value(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns that name a row's tag and hold its value, None where a table is not long."""
    tag = _FIELD if _FIELD in names else next((name for name in names if name.lower() in _TAGS), None)
    value = next((name for name in names if name.lower() in _VALUES), None)
    return (tag, value) if tag is not None and value is not None else None


def apart(tag: str, tags: Sequence[str], numbers: Mapping[str, Floats]) -> Sequence[str]:
    """The tags of the rows, with the number of their series where a field alone does not say which it is."""
    if tag != _FIELD or _SERIES not in numbers:
        return tags
    series = [f"{number:g}" for number in numbers[_SERIES].tolist()]
    told = [f"{one} {number}" for one, number in zip(tags, series, strict=True)]
    return told if len(set(told)) > len(set(tags)) else tags


def widened(at_ns: Instants, tags: Sequence[str], values: Floats) -> Wide | None:
    """One row an instant; of a tag told twice at one the last counts. None where tags do not repeat: no long table."""
    names, column = np.unique(np.array(tags, dtype=object).astype(str), return_inverse=True)
    if len(names) > min(_MOST_TAGS, len(tags) / 2):
        return None
    known = np.flatnonzero(at_ns != UNREAD)
    instants, first, inverse = np.unique(at_ns[known], return_index=True, return_inverse=True)
    value = np.full((len(instants), len(names)), np.nan)
    value[inverse, column[known]] = values[known]
    return Wide(instants, tuple(name or "value" for name in names.tolist()), value, known[first].tolist())
