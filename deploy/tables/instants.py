"""When the rows of a table are: a column of texts -> UTC ns, whatever way of writing it is in.

Read are ISO 8601 with marks or without, numbers of s, ms, us or ns since 1970, dates with the day, the month or the
year first and with months by name, days as spreadsheets count them, times of a day without its date, and seconds
counted from some start. Which it is, is told from the whole column. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.formats.event_time import TimeUnit
from collector.readings import NS_PER_S
from collector.recognition.instants import unit_of
from deploy.tables.dates import (
    CLOCK,
    COMPACT,
    DATE,
    ISO,
    SERIAL,
    SERIAL_DAYS,
    compact_ns,
    dated_ns,
    iso_ns,
    named_month,
    named_month_ns,
    of_day_ns,
    order_of,
    serial_ns,
)

UNREAD = np.iinfo(np.int64).min  # in place of an instant
START_NS = 946_684_800 * NS_PER_S  # 2000-01-01: where rows without a date begin
_READ_RATIO = 0.9  # of the cells a way of writing reads; the rest are broken rows
_LOOKED_AT = 2_000
_HALF_DAY_NS = 43_200 * NS_PER_S
_NS_PER_UNIT: dict[TimeUnit, int] = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
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
    if _share(sample, ISO.fullmatch) >= _READ_RATIO:
        return Written(_iso(texts, zone), "ISO 8601")
    if _share(sample, COMPACT.fullmatch) >= _READ_RATIO:
        return Written(_each(texts, lambda text: compact_ns(text, zone)), "ISO 8601 without marks")
    if _share(sample, DATE.fullmatch) >= _READ_RATIO:
        order = order_of(sample)
        return Written(_each(texts, lambda text: dated_ns(text, order, zone)), f"{order} dates")
    if _share(sample, named_month) >= _READ_RATIO:
        return Written(_each(texts, lambda text: named_month_ns(text, zone)), "dates with months by name")
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


def serials_in(texts: Sequence[str], zone: dt.tzinfo) -> Written | None:
    """The instants of a column of days as spreadsheets count them, None when it is none or does not rise."""
    days = np.array([float(text.replace(",", ".")) if SERIAL.fullmatch(text) else np.nan for text in texts])
    known = days[(days >= SERIAL_DAYS[0]) & (days < SERIAL_DAYS[1])]
    if len(known) < max(2, len(texts) / 2) or (np.diff(known) < 0).mean() > 1 - _READ_RATIO:
        return None
    is_slow = float(np.median(np.diff(known))) * 86_400 >= 1.0
    at_ns = _each(texts, lambda text: serial_ns(text, zone, NS_PER_S if is_slow else 1_000_000))
    return Written(at_ns, "days of a spreadsheet, since 1899-12-30")


def clocks_in(texts: Sequence[str]) -> Written | None:
    """The instants of a column of times of a day, None when it is none; it falls back by half a day at midnight."""
    sample = [text for text in texts[:: max(1, len(texts) // _LOOKED_AT)] if text.strip()]
    if not sample or _share(sample, CLOCK.fullmatch) < _READ_RATIO:
        return None
    at_ns = _each(texts, of_day_ns)
    known = np.flatnonzero(at_ns != UNREAD)
    days = np.cumsum(np.diff(at_ns[known], prepend=at_ns[known][:1]) < -_HALF_DAY_NS)
    at_ns[known] += START_NS + days * 2 * _HALF_DAY_NS
    return Written(at_ns, "times of a day, whose date nobody says")


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
    has_zone = re.search(r"[A-Za-z]|[+-]\d\d:?\d\d\s*$", texts[0].strip()[11:])
    found = _iso_at_once(texts) if zone is dt.UTC and len(texts[0]) <= 29 and not has_zone else None
    return _each(texts, lambda text: iso_ns(text, zone)) if found is None else found


def _iso_at_once(texts: Sequence[str]) -> Instants | None:
    """None where a cell is broken or names a zone, of which numpy warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.array(texts, "datetime64[ns]").astype(np.int64)
        except (ValueError, UserWarning, DeprecationWarning):
            return None


def _counted_ns(text: str, scale: int) -> int:
    """A number to the microsecond: that is what a float of seconds resolves today."""
    plain = text.strip().replace(",", ".")
    if plain.isdigit():
        return int(plain) * scale
    number = float(plain)
    return round(number * (scale / 1_000)) * 1_000 if scale > 1 else round(number)
