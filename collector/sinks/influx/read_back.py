"""Is a point that was said to be stored really there? One row of line protocol, asked for by InfluxQL.

Something that answers 204 need not be a store: a sign-in page, a proxy that drops bodies, a bucket that is mapped to
another database. Such a 204 would move the cursor past readings that are nowhere.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NamedTuple

from collector.sinks.influx.store import Store
from collector.sinks.sink import SinkUnavailable

_ROW = re.compile(r"((?:\\.|[^\\ ])+) .* (-?\d+)", re.DOTALL)
_PART = re.compile(r"(?:\\.|[^\\,])+")
_ESCAPE = re.compile(r"\\(.)")
_WAITS_S = (0.0, 0.2, 1.0)  # a store may show a point a moment after it said 204


class Place(NamedTuple):
    """Where a row must be found: its measurement, its tags and its time."""

    measurement: str
    tags: dict[str, str]
    at_ns: int

    def statement(self) -> str:
        where = [f"time = {self.at_ns}", *(f"{_quoted(tag)} = {_text(value)}" for tag, value in self.tags.items())]
        return f"SELECT * FROM {_quoted(self.measurement)} WHERE {' AND '.join(where)} LIMIT 1"


def place_of(row: bytes) -> Place:
    """Where a row of `collector.rows` must be found (a backslash there only ever escapes what follows it)."""
    match = _ROW.fullmatch(row.decode())
    assert match is not None, "rows come from collector.rows"
    measurement, *pairs = (_ESCAPE.sub(r"\1", part) for part in _PART.findall(match[1]))
    return Place(measurement, dict(pair.split("=", 1) for pair in pairs), int(match[2]))


def read_back(store: Store, row: bytes, sleep: Callable[[float], None] = time.sleep) -> None:
    """Raises SinkUnavailable unless the row's point is there."""
    place = place_of(row)
    for wait_s in _WAITS_S:
        sleep(wait_s)
        if store.select(place.statement()):
            return
    raise SinkUnavailable(
        f"{store.options.url} said 204 and does not show the point ({place.measurement} at {place.at_ns}): is `url` a "
        f"store, and does its bucket {store.options.bucket!r} keep and show what is written? For a store that cannot "
        "be read, set `write_only` and `retention_d`"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
