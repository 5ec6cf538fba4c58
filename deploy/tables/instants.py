"""When the rows of a table are: a column of texts -> UTC ns, whatever way of writing it is in.

Read are ISO 8601, numbers of s, ms, us or ns since 1970, dates with the day, the month or the year first, and seconds
counted from some start. Which it is, is told from the whole column. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.formats.event_time import TimeUnit
from collector.readings import NS_PER_S
from collector.recognition.instants import unit_of

UNREAD = np.iinfo(np.int64).min  # in place of an instant
START_NS = 946_684_800 * NS_PER_S  # 2000-01-01: where rows without a date begin
_READ_RATIO = 0.9  # of the cells a way of writing reads; the rest are broken rows
_LOOKED_AT = 2_000
_NS_PER_UNIT: dict[TimeUnit, int] = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DATE = re.compile(
    r"\s*(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})"
    r"(?:[ T,;]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,:](\d{1,9}))?)?\s*([AaPp])?\.?[Mm]?\.?)?\s*"
)
_ISO = re.compile(r"\s*\d{4}-\d{2}-\d{2}([ T]\d{2}(:?\d{2}).*)?")

Instants = NDArray[np.int64]
_Read = Callable[[str], int]


class Written(NamedTuple):
    """The instants of a column, UNREAD where a cell holds none, and how they were written."""

    at_ns: Instants
    how: str


def instants_in(name: str, texts: Sequence[str], zone: dt.tzinfo) -> Written | None:
    """The instants of a column, None when it holds no times. Times without a zone are those of `zone`."""
    sample = [text.strip() for text in texts[:: max(1, len(texts) // _LOOKED_AT)] if text.strip()]
    if not sample:
        return None
    if _share(sample, _ISO.fullmatch) >= _READ_RATIO:
        return Written(_iso(texts, zone), "ISO 8601")
    if _share(sample, _DATE.fullmatch) >= _READ_RATIO:
        order = _order(sample)
        return Written(_each(texts, lambda text: _dated_ns(text, order, zone)), f"{order} dates")
    found = unit_of(name, [(text.replace(",", "."), 0) for text in sample], zone)
    if found is not None and found.unit != "iso":
        scale = _NS_PER_UNIT[found.unit]
        return Written(_each(texts, lambda text: _counted_ns(text, scale)), f"{found.unit} since 1970")
    return None


def seconds_in(texts: Sequence[str], per: float = 1.0, *, must_be_even: bool = False) -> Written | None:
    """The instants of a column that counts units of `per` s from some start, None when it does not rise.

    `must_be_even`: nor when its steps differ, for then it may measure how long something took.
    """
    numbers = _each(texts, lambda text: START_NS + int(per * _counted_ns(text, NS_PER_S)))
    known = numbers[numbers != UNREAD]
    if len(known) < max(2, _READ_RATIO * len(texts)) or known[-1] <= known[0]:
        return None
    steps = np.diff(known)
    is_even = bool((np.abs(steps - np.median(steps)) <= 0.5 * np.median(steps)).mean() >= _READ_RATIO)
    if (steps < 0).mean() > 1 - _READ_RATIO or (must_be_even and not is_even):
        return None
    return Written(numbers, "seconds from a start" if per == 1.0 else f"counts of {per:g} s from a start")


def looks_like_time(text: str) -> bool:
    return bool(_DATE.fullmatch(text) or _ISO.fullmatch(text))


def _share(texts: Sequence[str], reads: Callable[[str], object]) -> float:
    return sum(reads(text) is not None for text in texts) / len(texts)


def _each(texts: Sequence[str], read: _Read) -> Instants:
    """Reads cell by cell; what cannot be read, or fits no ns, is UNREAD."""
    found = []
    for text in texts:
        try:
            at_ns = read(text)
        except (ValueError, OverflowError):
            at_ns = UNREAD
        found.append(at_ns if abs(at_ns) < 2**63 else UNREAD)
    return np.array(found, np.int64)


def _iso(texts: Sequence[str], zone: dt.tzinfo) -> Instants:
    """Fast where no cell names a zone and all are sound, else cell by cell."""
    if zone is dt.UTC and len(texts[0]) <= 29 and not re.search(r"[Zz]|\d[+-]\d\d:?\d\d$", texts[0][10:]):
        try:
            return np.array(texts, "datetime64[ns]").astype(np.int64)
        except (ValueError, DeprecationWarning):
            pass  # a broken cell: the others are read one by one
    return _each(texts, lambda text: _ns_of(dt.datetime.fromisoformat(text.strip()), zone))


def _ns_of(moment: dt.datetime, zone: dt.tzinfo) -> int:
    since = (moment if moment.tzinfo else moment.replace(tzinfo=zone)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def _counted_ns(text: str, scale: int) -> int:
    """A number to the microsecond: that is what a float of seconds resolves today."""
    plain = text.strip().replace(",", ".")
    if plain.isdigit():
        return int(plain) * scale
    number = float(plain)
    return round(number * (scale / 1_000)) * 1_000 if scale > 1 else round(number)


def _order(texts: Sequence[str]) -> str:
    """Which comes first: `year`, `day` or `month`. Where both of the last fit, the one with the smaller steps."""
    found = [match.groups() for text in texts if (match := _DATE.fullmatch(text))]
    if any(len(one[0]) == 4 for one in found):
        return "year-first"
    if any(int(one[0]) > 12 for one in found) or found[0][1] == ".":
        return "day-first"
    if any(int(one[2]) > 12 for one in found):
        return "month-first"
    day, month = (_mean_step(texts, order) for order in ("day-first", "month-first"))
    has_halves = any(one[8] for one in found)  # AM and PM are written where months come first
    return "day-first" if (day, has_halves) <= (month, False) else "month-first"


def _mean_step(texts: Sequence[str], order: str) -> float:
    at_ns = [_dated_ns(text, order, dt.UTC) for text in texts]
    steps = [abs(after - before) for before, after in pairwise(at_ns)]
    return statistics.fmean(steps) if steps else 0.0


def _dated_ns(text: str, order: str, zone: dt.tzinfo) -> int:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("no date")
    first, _, second, third, hour, minute, second_s, fraction, half = match.groups()
    year, month, day = {
        "year-first": (first, second, third),
        "day-first": (third, second, first),
        "month-first": (third, first, second),
    }[order]
    in_h = int(hour or 0)
    if half:
        in_h = in_h % 12 + (12 if half in "Pp" else 0)
    in_year = int(year) + (2000 if len(year) <= 2 else 0)
    moment = dt.datetime(in_year, int(month), int(day), in_h, int(minute or 0), int(second_s or 0))
    return _ns_of(moment, zone) + int((fraction or "").ljust(9, "0"))
