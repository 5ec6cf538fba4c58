"""Numbers, times and names as people on the floor read them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from collector.readings import NS_PER_S

_S_PER_D = 86_400.0
_UNITS = {"Cel": "°C", "1": ""}  # UCUM codes that people write otherwise
_RATES = {"_per_h": "/h", "_per_d": "/d", "_per_min": "/min", "_per_s": "/s"}


class Times:
    """Instants (UTC ns) in the site's time zone, told from the site's clock."""

    def __init__(self, timezone: str, now_ns: int) -> None:
        self._zone = ZoneInfo(timezone)
        self.now_ns = now_ns

    def clock(self, at_ns: int) -> str:
        """`14:03:20`, with the date when it is another day than the site's."""
        moment = self._moment(at_ns)
        same_day = moment.date() == self._moment(self.now_ns).date()
        return moment.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M")

    def minute(self, at_ns: int) -> str:
        """`14:03`, with the day when it is another one."""
        moment = self._moment(at_ns)
        return moment.strftime("%H:%M" if moment.date() == self._moment(self.now_ns).date() else "%d %b %H:%M")

    def full(self, at_ns: int) -> str:
        return self._moment(at_ns).strftime("%Y-%m-%d %H:%M:%S")

    def ago(self, at_ns: int) -> str:
        """How long ago, in whole minutes once it is one."""
        return duration(whole_minutes((self.now_ns - at_ns) / NS_PER_S))

    def ahead(self, in_s: float) -> str:
        """The clock `in_s` from now, to the minute when it is far."""
        return self._moment(self.now_ns + int(in_s * NS_PER_S)).strftime(
            "%H:%M" if in_s < _S_PER_D else "%a %d %b %H:%M"
        )

    def _moment(self, at_ns: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(at_ns // NS_PER_S, self._zone)


class Names:
    """Series and lines by the shortest name that is still clear: the site, and the line, go where there is but one."""

    def __init__(self, lines: Iterable[str]) -> None:
        shards = set(lines)
        sites = {shard.partition("/")[0] for shard in shards}
        self._site = f"{next(iter(sites))}/" if len(sites) == 1 else ""
        self._line = f"{next(iter(shards))}/" if len(shards) == 1 else self._site

    def line(self, shard: str) -> str:
        return plain(shard.removeprefix(self._site)) or shard

    def of(self, subject: str) -> str:
        """A series (`site/line/cell:metric`) or a place."""
        place, colon, metric = subject.partition(":")
        if not colon:
            return self.line(subject)
        short = place.removeprefix(self._line).removeprefix(self._site)
        return plain(f"{short} · {metric}")


def whole_minutes(span_s: float) -> float:
    return span_s if span_s < 60 else span_s // 60 * 60


def duration(span_s: float) -> str:
    """`45 s`, `2 min 40 s`, `12 min`, `1 h 20 min`, `3.2 d`: as exact as a person can act on."""
    if span_s < 0:
        return f"−{duration(-span_s)}"
    if math.isinf(span_s):
        return "no end"
    if span_s < 59.5:
        return f"{span_s:.0f} s"
    if span_s < 595:
        minutes, tens = divmod(round(span_s / 10), 6)
        return f"{minutes} min {tens}0 s" if tens else f"{minutes} min"
    if span_s < 90 * 60:
        return f"{span_s / 60:.0f} min"
    if span_s < 2 * _S_PER_D:
        hours, minutes = divmod(round(span_s / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{span_s / _S_PER_D:.1f} d" if span_s < 100 * _S_PER_D else f"{span_s / _S_PER_D:,.0f} d"


def span(early_s: float, late_s: float) -> str:
    """`33 to 46 min`: an interval, its unit once where both have it."""
    early, late = duration(early_s), duration(late_s)
    if early == late:
        return late
    value, _, unit = early.partition(" ")
    return f"{value} to {late}" if late.partition(" ")[2] == unit else f"{early} to {late}"


def days(span_d: float | None) -> str:
    return "unknown" if span_d is None else duration(span_d * _S_PER_D)


def number(value: float | None) -> str:
    """Three figures, thousands apart, no false decimals; a dash where nothing is known."""
    if value is None:
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def amount(value: float | None, unit: str) -> str:
    shown = _UNITS.get(unit, unit)
    return f"{number(value)} {shown}" if shown else number(value)


def plain(name: str) -> str:
    """A stored name as words: `blue_beads` -> `blue beads`."""
    return name.replace("_", " ").strip()


def spoken(name: str) -> str:
    """A stored name as words that open a line: `output_drop` -> `Output drop`."""
    words = plain(name)
    return words[:1].upper() + words[1:]


def told(found: Mapping[str, float | str | bool], times: Times) -> list[tuple[str, str]]:
    """Evidence as (what, how much), in its order; `x` and its `x_unit` are one piece."""
    pieces = []
    for name, value in found.items():
        unit = found.get(f"{name}_unit")
        if name.endswith("_unit") and name.removesuffix("_unit") in found:
            continue
        measured = isinstance(unit, str) and isinstance(value, int | float)
        pieces.append((spoken(name), amount(float(value), str(unit))) if measured else evidence(name, value, times))
    return pieces


def evidence(name: str, value: float | str | bool, times: Times) -> tuple[str, str]:
    """A piece of evidence as (what, how much), by the unit its name wears."""
    if isinstance(value, bool):
        return spoken(name), "yes" if value else "no"
    if isinstance(value, str):
        return spoken(name), value
    for suffix, unit in _RATES.items():
        if name.endswith(suffix):
            return spoken(name.removesuffix(suffix)), f"{number(value)} {unit}"
    if name.endswith("_ratio"):
        return spoken(name.removesuffix("_ratio")), f"{value * 100:.0f} %"
    if name.endswith("_ns"):
        return spoken(name.removesuffix("_ns")), times.clock(int(value))
    if name.endswith(("_since_s", "_at_s")):
        return spoken(name.removesuffix("_s")), times.clock(int(value * NS_PER_S))
    if name.endswith("_s"):
        return spoken(name.removesuffix("_s")), duration(value)
    if name.endswith("_d"):
        return spoken(name.removesuffix("_d")), days(value)
    return spoken(name), number(value)
