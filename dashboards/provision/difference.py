"""Where what Grafana says differs from what it was told. Pure.

Grafana adds ids, times and defaults of its own to what it stores, and upgrades a board's schemaVersion. So what counts
is whether it still says all that it was told; what it says besides is an addition, which is told but never set right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

_DURATION = re.compile(r"(\d+[smhdw])+")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST = 70


class Nothing(Enum):
    """Where one of the two sides says nothing at all, which is not the same as null."""

    HERE = "nothing"


NOTHING = Nothing.HERE


class Difference(NamedTuple):
    """At `path`, Grafana has `stored` where `wanted` was meant; either may be NOTHING."""

    path: str
    stored: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.stored)} -> {_short(self.wanted)}"


def differences(stored: Any, wanted: Any, path: str = "") -> Iterator[Difference]:
    """Everything wanted that is not so; a list must hold the same number of things in the same order."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        for key, value in wanted.items():
            yield from differences(stored.get(key, NOTHING), value, f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(stored, list):
        for i in range(max(len(wanted), len(stored))):
            yield from differences(_nth(stored, i), _nth(wanted, i), f"{path}[{i}]")
    elif not _same(path, stored, wanted):
        yield Difference(path, stored, wanted)


def additions(stored: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Paths that Grafana has beside what was wanted: its own defaults, or what somebody added by hand."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        for key, value in stored.items():
            below = f"{path}.{key}" if path else key
            if key not in wanted:
                yield below
            else:
                yield from additions(value, wanted[key], below)
    elif isinstance(wanted, list) and isinstance(stored, list):
        for i, (one, other) in enumerate(zip(stored, wanted, strict=False)):
            yield from additions(one, other, f"{path}[{i}]")


def _same(path: str, stored: Any, wanted: Any) -> bool:
    if path == "schemaVersion" and isinstance(stored, int):
        return bool(stored >= wanted)  # Grafana upgrades what it reads
    if isinstance(wanted, bool) or isinstance(stored, bool):
        return stored is wanted
    return bool(stored == wanted) or (_seconds(stored) is not None and _seconds(stored) == _seconds(wanted))


def _seconds(duration: Any) -> int | None:
    """Of `90s`, `1m30s`: Grafana may write a duration another way than it was told."""
    if not isinstance(duration, str) or not _DURATION.fullmatch(duration):
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", duration))


def _nth(values: list[Any], i: int) -> Any:
    return values[i] if i < len(values) else NOTHING


def _short(value: Any) -> str:
    text = value.value if isinstance(value, Nothing) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
