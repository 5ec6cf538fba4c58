"""When things happened: which field says it, in which unit, with the proof.

The proof is the receipt: only one unit takes a number near the time its message came. Without a receipt, it is whether
the instant lies between 2000 and 2100 at all.
"""

from __future__ import annotations

import datetime as dt
import re
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from collector.formats.event_time import EventTime, TimeUnit, instant, is_plausible, shown
from collector.formats.format import BadPayload
from collector.readings import NS_PER_S
from collector.recognition.columns import Objects
from collector.recognition.quantity import number_of, words_of

UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)
_NAMED = frozenset(("time", "ts", "timestamp", "t", "at", "date", "datetime", "when", "instant", "stamp"))
_READ_RATIO = 0.95  # of the values a unit reads; the rest are broken messages
_NEAR_S = 86_400  # what no name calls a time must at least be near its receipt
_SECONDS_PER = {86_400: "d", 3_600: "h", 60: "min", 1: "s"}
_MOST_LOOKED_AT = 500
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

Stamped = tuple[Any, int]  # a time as it was written, and its message's receipt in UTC ns, 0 where unknown


class TimeGuess(NamedTuple):
    """`field`: where the time is, `""` for none; `unit`; `proof`, a sentence; `distance_s` from the receipt."""

    field: str
    unit: TimeUnit
    proof: str
    distance_s: float = 0.0


def time_field(objects: Objects, zone: dt.tzinfo) -> TimeGuess | None:
    """The field that says when, None where none does. Of several, one called so goes before, then the nearest."""
    guesses = []
    for field in dict.fromkeys(name for _, fields in objects[:_MOST_LOOKED_AT] for name in fields):
        written = [(fields[field], message.received_ns) for message, fields in objects if field in fields]
        if len(written) >= _READ_RATIO * len(objects):
            found = unit_of(field, written, zone)
            if found and (is_called_time(field) or _is_near(found, written)):
                guesses.append(found)
    return min(guesses, key=lambda one: (not is_called_time(one.field), one.distance_s), default=None)


def unit_of(field: str, written: Sequence[Stamped], zone: dt.tzinfo) -> TimeGuess | None:
    """The unit in which `written` is read, None when there is none: a date without a clock's time says no instant,
    and all readings of a day would be one."""
    looked_at = _spread([one for one in written if one[0] is not None])
    if not looked_at or all(map(_is_date_alone, looked_at)):
        return None
    fitting = [(unit, off_s) for unit in UNITS if (off_s := _distance_s(looked_at, EventTime(unit, zone))) is not None]
    if not fitting:
        return None
    unit, off_s = min(fitting, key=lambda one: one[1])
    return TimeGuess(field, unit, _proof(field, EventTime(unit, zone), *looked_at[0]), off_s)


def is_called_time(field: str) -> bool:
    words = words_of(field.rsplit(".", 1)[-1])
    return bool(_NAMED.intersection(words)) or field.lower().endswith(("time", "timestamp"))


def _is_near(found: TimeGuess, written: Sequence[Stamped]) -> bool:
    """A number that no name calls a time is one only if it says nearly what the receipt says."""
    return any(received_ns for _, received_ns in written) and found.distance_s < _NEAR_S


def _distance_s(written: Sequence[Stamped], time: EventTime) -> float | None:
    """How far from the receipts the times are, read so, in the median; None where they cannot be read so."""
    read = [(at_ns, received_ns) for value, received_ns in written if (at_ns := _read(value, time, received_ns))]
    if len(read) < _READ_RATIO * len(written):
        return None
    return statistics.median(abs(received_ns - at_ns) / NS_PER_S if received_ns else 0.0 for at_ns, received_ns in read)


def _read(value: Any, time: EventTime, received_ns: int) -> int | None:
    if isinstance(value, bool) or (time.unit != "iso" and number_of(value) is None):
        return None
    try:
        at_ns = time.read(value, topic="", field="", received_ns=received_ns)
    except BadPayload:
        return None
    return at_ns if is_plausible(at_ns, received_ns) else None


def _proof(field: str, time: EventTime, value: Any, received_ns: int) -> str:
    """`time` 1720730488: as s it is 2024-07-11T20:41:28Z, 2 s before receipt; as ms 1970-01-20."""
    unit, at_ns = time.unit, _read(value, time, received_ns) or 0
    zone = f", read in {time.zone}" if unit == "iso" and _has_no_zone(value) else ""
    said = f"{shown(value)}{zone}: as {unit} it is {instant(at_ns)}{_against(at_ns, received_ns)}"
    other: dict[TimeUnit, TimeUnit] = {"s": "ms", "ms": "s", "us": "ms", "ns": "ms"}
    if unit in other:
        number = number_of(value) or 0.0
        at_other_ns = int(number * {"s": NS_PER_S, "ms": 1_000_000}[other[unit]])
        said += f"; as {other[unit]} {instant(at_other_ns).removesuffix('Z').split('T')[0]}"
    return f"`{field}` {said}" if field else said


def _is_date_alone(written: Stamped) -> bool:
    return isinstance(written[0], str) and bool(_DATE.fullmatch(written[0]))


def _has_no_zone(value: Any) -> bool:
    try:
        return isinstance(value, str) and dt.datetime.fromisoformat(value).tzinfo is None
    except ValueError:
        return False


def _against(at_ns: int, received_ns: int) -> str:
    if not received_ns:
        return ""
    off_s = (received_ns - at_ns) / NS_PER_S
    return (
        f", {_lasting(abs(off_s))} {'before' if off_s > 0 else 'after'} receipt" if abs(off_s) >= 1 else ", at receipt"
    )


def _lasting(seconds: float) -> str:
    per = next(per for per in _SECONDS_PER if seconds >= per or per == 1)
    return f"{seconds / per:.0f} {_SECONDS_PER[per]}"


def _spread(written: Sequence[Stamped]) -> Sequence[Stamped]:
    """At most 500 of them, from beginning to end."""
    return written[:: max(1, len(written) // _MOST_LOOKED_AT)]
