"""How far an answer is from what is expected (`furthest`), and where.

Numbers: |mine - theirs| / max(1, |theirs|), so absolute below 1 and relative above. All else (null, true, text, the
length of a list, the keys of a map) agrees exactly or is infinitely far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, isfinite
from typing import Any, NamedTuple


class Deviation(NamedTuple):
    """The largest of a case: `ratio`, the `key` where it is, and what stands there."""

    ratio: float
    key: str = ""
    mine: Any = None
    theirs: Any = None


def furthest(mine: Any, theirs: Any) -> Deviation:
    """The largest deviation; of equal ones the first."""
    return max(_each(mine, theirs, ""), key=lambda one: one.ratio, default=Deviation(0.0))


def _each(mine: Any, theirs: Any, key: str) -> Iterator[Deviation]:
    if isinstance(theirs, Mapping) and isinstance(mine, Mapping):
        named = _as_named(mine, theirs)
        for name in dict.fromkeys([*theirs, *named]):
            inner = f"{key}.{name}" if key else str(name)
            if name in theirs and name in named:
                yield from _each(named[name], theirs[name], inner)
            else:
                yield Deviation(inf, inner, named.get(name, "nothing"), theirs.get(name, "nothing"))
    elif isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        for i, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            yield from _each(one, other, f"{key}[{i}]")
    else:
        yield Deviation(_apart(mine, theirs), key, mine, theirs)


def _as_named(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Mine under their names: a day may be written `2` or `2.0`."""
    if mine.keys() == theirs.keys():
        return mine
    written = {_meant(name): name for name in theirs}
    return {name if name in theirs else written.get(_meant(name), name): value for name, value in mine.items()}


def _meant(name: str) -> float | str:
    try:
        return float(name)
    except ValueError:
        return name


def _apart(mine: Any, theirs: Any) -> float:
    if _plain(mine) and _plain(theirs):
        apart = abs(mine - theirs) / max(1.0, abs(theirs)) if mine != theirs else 0.0
        return apart if isfinite(apart) else inf
    return 0.0 if type(mine) is type(theirs) and mine == theirs else inf


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
