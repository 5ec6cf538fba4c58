"""What really happened in a simulated plant, to judge detectors by. Written while the plant runs, read afterwards.

All instants are UTC ns of true plant time. `msgspec.json.encode(truth)` gives the file for a back-test.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Stop(msgspec.Struct, frozen=True):
    """A line did not work. `why`: micro_stop, starved, a planned stop's reason, "outside shifts" or a breakdown's."""

    site: str
    line: str
    from_ns: int
    to_ns: int
    why: str
    planned: bool


class Empty(msgspec.Struct, frozen=True):
    """An item fell below what one unit needs. `refilled_at_ns` is 0 when it still was at the end."""

    site: str
    line: str
    item: str
    empty_at_ns: int
    refilled_at_ns: int


class FaultSpan(msgspec.Struct, frozen=True):
    """A fault of the scenario as it was played; `parameters` are its own keys."""

    fault: str
    site: str
    line: str
    from_ns: int
    to_ns: int
    parameters: dict[str, Any]


class LineCount(msgspec.Struct, frozen=True):
    """Units a line finished, of which `scrapped` were no good (ISO 22400: produced and scrap quantity)."""

    site: str
    line: str
    produced: int
    scrapped: int


class ItemBalance(msgspec.Struct, frozen=True):
    """`last = first + delivered - used`, in pieces."""

    site: str
    line: str
    item: str
    first: int
    delivered: int
    used: int
    last: int


class Truth(msgspec.Struct, frozen=True):
    """The whole run, every list in order of time or of the scenario."""

    start_ns: int
    end_ns: int
    seed: int
    stops: tuple[Stop, ...]
    empties: tuple[Empty, ...]
    faults: tuple[FaultSpan, ...]
    lines: tuple[LineCount, ...]
    items: tuple[ItemBalance, ...]
