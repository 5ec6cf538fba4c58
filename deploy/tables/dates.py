"""One cell's text as an instant: ISO 8601, dates in any order, months by name, a clock's time, a spreadsheet's days.

Each `..._ns` raises ValueError for a text that is not written its way. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
import statistics
from collections.abc import Sequence
from itertools import pairwise

from collector.readings import NS_PER_S

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ISO = re.compile(r"\s*\d{4}-\d{2}-\d{2}([ T]\d{2}(:?\d{2}).*)?")
_ZONE_WORD = re.compile(r"(\s*[+-]\d{2}:?\d{2})?\s*(?:UTC|GMT|Z)\s*$", re.IGNORECASE)
_CLOCK_PART = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,:](\d{1,9}))?)?\s*([AaPp])?\.?[Mm]?\.?"
DATE = re.compile(rf"\s*(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{1,4}})(?:[ T,;]+{_CLOCK_PART})?\s*")
CLOCK = re.compile(rf"\s*{_CLOCK_PART}\s*")
COMPACT = re.compile(
    r"\s*((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[T ]?([01]\d|2[0-3])([0-5]\d)([0-5]\d)"
    r"(?:[.,](\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})?\s*"
)
_MONTH = r"([A-Za-zä]{3,9})\.?"
_DAY_MONTH = re.compile(rf"\s*(\d{{1,2}})[-/. ]\s*{_MONTH}[-/., ]\s*(\d{{2}}|\d{{4}})(?:[T,; ]\s*{_CLOCK_PART})?\s*")
_MONTH_DAY = re.compile(rf"\s*{_MONTH}[-/ ]\s*(\d{{1,2}}),?[-/ ]\s*(\d{{4}})(?:[T,; ]\s*{_CLOCK_PART})?\s*")
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {**{name: i + 1 for i, name in enumerate(_ENGLISH)}, "mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12}
_SPREADSHEET_EPOCH = dt.datetime(1899, 12, 30)
SERIAL_DAYS = (30_000.0, 60_000.0)  # 1982 to 2064
SERIAL = re.compile(r"\s*\d{5}[.,]\d{5,}\s*")  # a part of a day; seconds from a start begin near 0


def looks_like_time(text: str) -> bool:
    return bool(DATE.fullmatch(text) or ISO.fullmatch(text) or COMPACT.fullmatch(text) or named_month(text))


def is_date_alone(text: str) -> bool:
    """A date that says no time of the day."""
    found = DATE.fullmatch(text) or named_month(text)
    return bool(found and not re.search(r"\d:\d", text)) or bool(re.fullmatch(r"\s*\d{4}-\d\d-\d\d\s*", text))


def is_clock(text: str) -> bool:
    return bool(CLOCK.fullmatch(text))


def iso_ns(text: str, zone: dt.tzinfo) -> int:
    plain = _ZONE_WORD.sub(lambda match: (match[1] or "+00:00").strip(), text).strip()
    return _ns_of(dt.datetime.fromisoformat(plain.replace(" +", "+")), zone)


def compact_ns(text: str, zone: dt.tzinfo) -> int:
    match = COMPACT.fullmatch(text)
    if match is None:
        raise ValueError("no date")
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    own_zone = dt.datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo if offset else None
    moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=own_zone)
    return _ns_of(moment, zone) + int((fraction or "").ljust(9, "0"))


def named_month(text: str) -> re.Match[str] | None:
    match = _DAY_MONTH.fullmatch(text)
    if match is not None:
        return match if match[2][:3].lower() in _MONTHS else None
    match = _MONTH_DAY.fullmatch(text)
    return match if match is not None and match[1][:3].lower() in _MONTHS else None


def named_month_ns(text: str, zone: dt.tzinfo) -> int:
    match = named_month(text)
    if match is None:
        raise ValueError("no date")
    day, month, year, *clock = match.groups()
    if not day.isdigit():
        day, month = month, day
    in_year = int(year) + (2000 if len(year) == 2 else 0)
    return _at_ns(dt.datetime(in_year, _MONTHS[month[:3].lower()], int(day)), _clock_ns(*clock), zone)


def of_day_ns(text: str) -> int:
    match = CLOCK.fullmatch(text)
    if match is None:
        raise ValueError("no time of a day")
    return _clock_ns(*match.groups())


def _clock_ns(hour: str | None, minute: str | None, second: str | None, fraction: str | None, half: str | None) -> int:
    """What a clock's parts say after midnight. Raises ValueError."""
    in_h = int(hour or 0)
    if half:
        in_h = in_h % 12 + (12 if half in "Pp" else 0)
    of_day = dt.time(in_h, int(minute or 0), int(second or 0))
    in_s = (of_day.hour * 60 + of_day.minute) * 60 + of_day.second
    return in_s * NS_PER_S + int((fraction or "").ljust(9, "0"))


def serial_ns(text: str, zone: dt.tzinfo, to_ns: int) -> int:
    days = float(text.replace(",", "."))
    if not SERIAL_DAYS[0] <= days < SERIAL_DAYS[1]:
        raise ValueError("no day of a spreadsheet")
    of_day_ns = round(days % 1 * 86_400 * NS_PER_S / to_ns) * to_ns
    return _at_ns(_SPREADSHEET_EPOCH + dt.timedelta(int(days)), of_day_ns, zone)


def _at_ns(day_begins: dt.datetime, of_day_ns: int, zone: dt.tzinfo) -> int:
    """What a wall clock of `zone` shows as it shows it, on days that are an hour longer or shorter, too."""
    return _ns_of(day_begins + dt.timedelta(microseconds=of_day_ns // 1_000), zone) + of_day_ns % 1_000


def _ns_of(moment: dt.datetime, zone: dt.tzinfo) -> int:
    since = (moment if moment.tzinfo else moment.replace(tzinfo=zone)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def order_of(texts: Sequence[str]) -> str:
    """Which comes first: `year`, `day` or `month`. Where both of the last fit, the one with the smaller steps."""
    found = [match.groups() for text in texts if (match := DATE.fullmatch(text))]
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
    at_ns = [dated_ns(text, order, dt.UTC) for text in texts]
    steps = [abs(after - before) for before, after in pairwise(at_ns)]
    return statistics.fmean(steps) if steps else 0.0


def dated_ns(text: str, order: str, zone: dt.tzinfo) -> int:
    match = DATE.fullmatch(text)
    if match is None:
        raise ValueError("no date")
    first, _, second, third, hour, minute, second_s, fraction, half = match.groups()
    year, month, day = {
        "year-first": (first, second, third),
        "day-first": (third, second, first),
        "month-first": (third, first, second),
    }[order]
    in_year = int(year) + (2000 if len(year) <= 2 else 0)
    day_begins = dt.datetime(in_year, int(month), int(day))
    return _at_ns(day_begins, _clock_ns(hour, minute, second_s, fraction, half), zone)
