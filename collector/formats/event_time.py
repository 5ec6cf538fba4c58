"""When a payload says something happened: one value of it -> UTC event time in ns, or the reason it cannot be read.

Every format whose payloads carry their own time reads it here, so the same mistake is refused in the same words. A time
that merely cannot be right is read all the same: a device's clock is judged later, by `collector.clocks.watch`. Refused
is what fits another unit, for then the mapping is wrong and the message can be replayed, and what no ns can hold.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from collector.config import Site
from collector.formats.format import BadPayload
from collector.readings import NS_PER_S
from collector.sources.source import Message

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]  # what a number counts since 1970, or `iso`: ISO 8601 text

EARLIEST_NS = 946_684_800 * NS_PER_S  # 2000-01-01: older means a clock that was never set
AHEAD_NS = 24 * 3600 * NS_PER_S  # further ahead of the receipt than a day is no time zone mistake either
_LATEST_NS = 4_102_444_800 * NS_PER_S  # 2100-01-01, the bound where the receipt has no time
_MOST_NS = 2**63  # what an event time is stored in ends here: the years 1677 to 2262
_NS_PER_UNIT: dict[TimeUnit, int] = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
_COUNTED = re.compile(r"1\d{9}(\d{3}){0,3}")  # 2001 to 2033 in s, ms, us, ns
_DATED = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class EventTime:
    """How one source writes its time. `zone` holds for ISO 8601 text that names none."""

    unit: TimeUnit = "s"
    zone: dt.tzinfo = dt.UTC

    def read(self, value: object, *, topic: str, field: str, received_ns: int) -> int:
        """UTC ns of `value`, a number, a numeric text or ISO 8601 text. Raises BadPayload naming topic and field."""
        try:
            at_ns = self._iso_ns(value) if self.unit == "iso" else self._count_ns(value)
        except (ValueError, OverflowError) as error:
            wanted = "ISO 8601 text" if self.unit == "iso" else f"a number of {self.unit} since 1970"
            raise BadPayload(
                f"topic {topic}: field `{field}` holds {shown(value)}, not {wanted}: "
                "correct the sender or the time's unit in site.toml"
            ) from error
        if not is_plausible(at_ns, received_ns):
            self._refuse_other_unit(value, at_ns, topic=topic, field=field, received_ns=received_ns)
        return at_ns

    def _refuse_other_unit(self, value: object, at_ns: int, *, topic: str, field: str, received_ns: int) -> None:
        """Raises BadPayload where the mapping is wrong rather than the clock, or no clock could say this."""
        unit = fitting_unit(value, received_ns)
        if unit or not can_be_stored(at_ns):
            raise BadPayload(implausible(at_ns, topic=topic, field=field, received_ns=received_ns, unit=unit))

    def reader(self, messages: Sequence[Message]) -> Callable[[int | float | str], int | None]:
        """Reads the times of whole numbers of these messages fast: UTC ns, None for what `read` should look at."""
        received = [message.received_ns for message in messages]
        earliest, latest = EARLIEST_NS, latest_ns(min(received, default=0))
        scale = _NS_PER_UNIT.get(self.unit, 0)

        def fast(value: int | float | str) -> int | None:
            if type(value) is not int:
                return None
            at_ns = value * scale
            return at_ns if earliest <= at_ns <= latest else None

        return fast

    def _count_ns(self, value: object) -> int:
        scale = _NS_PER_UNIT[self.unit]
        if type(value) is int:
            return value * scale
        if isinstance(value, str):
            digits = value.removeprefix("-")
            if len(digits) < 40 and digits.isascii() and digits.isdigit():
                return int(value) * scale
            value = float(value.replace("_", "?"))
        if not isinstance(value, float) or not math.isfinite(value):
            raise ValueError("no number")
        # To the microsecond: that is what a float of seconds resolves today, finer digits would be noise.
        return round(value * (scale / 1_000)) * 1_000 if scale > 1 else round(value)

    def _iso_ns(self, value: object) -> int:
        if not isinstance(value, str):
            raise ValueError("no text")
        moment = dt.datetime.fromisoformat(value)
        since = (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)) - _EPOCH
        return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def receipt_ns(message: Message) -> int:
    """The time of receipt, for messages that carry none. Raises BadPayload where there is none either."""
    if EARLIEST_NS <= message.received_ns <= _LATEST_NS:
        return message.received_ns
    raise BadPayload(
        f"topic {message.topic}: carries no time and was received at no known time: name its time's field in site.toml"
    )


def site_zone(site: Site) -> ZoneInfo:
    """The site's time zone. Raises ValueError when the name is none."""
    try:
        return ZoneInfo(site.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {site.timezone!r}; write an IANA name such as Asia/Shanghai") from error


def latest_ns(received_ns: int) -> int:
    """The latest event time to believe of a message received at `received_ns` (0: not known)."""
    return received_ns + AHEAD_NS if received_ns > 0 else _LATEST_NS


def implausible(at_ns: int, *, topic: str, field: str, received_ns: int, unit: str = "") -> str:
    """Why a time is refused: topic, field, the instant read, and the remedy.

    `unit` is the one in which the number would be believed, where there is one.
    """
    remedy = f'write unit "{unit}" in site.toml, in which it fits' if unit else "set the sender's clock"
    return f"topic {topic}: field `{field}` says {disbelief(at_ns, received_ns)}: {remedy}"


def is_plausible(at_ns: int, received_ns: int) -> bool:
    """Whether an event time can be believed of a message received at `received_ns` (0: not known)."""
    return EARLIEST_NS <= at_ns <= latest_ns(received_ns)


def fitting_unit(value: object, received_ns: int) -> str:
    """The unit in which a number of another unit would be believed, `""` when there is none."""
    for unit in _NS_PER_UNIT:
        with contextlib.suppress(ValueError, OverflowError):
            if is_plausible(EventTime(unit)._count_ns(value), received_ns):
                return unit
    return ""


def is_instant(value: object) -> bool:
    """Whether a value is surely a time, whatever it is called: ISO 8601 with a date, or a count of this age."""
    if isinstance(value, str):
        return bool(_COUNTED.fullmatch(value) or _DATED.match(value))
    return isinstance(value, (int, float)) and any(
        10**9 <= value / scale < 2 * 10**9 for scale in (1, 10**3, 10**6, 10**9)
    )


def can_be_stored(at_ns: int) -> bool:
    """Whether an event time fits the column it is kept in."""
    return -_MOST_NS <= at_ns < _MOST_NS


def disbelief(at_ns: int, received_ns: int) -> str:
    """The instant and the bound it breaks, for a sentence."""
    bound = "before 2000" if at_ns < EARLIEST_NS else "more than 24 h ahead of its receipt"
    if at_ns > EARLIEST_NS and received_ns <= 0:
        bound = "after 2100"
    return f"{instant(at_ns)}, {bound}"


def instant(at_ns: int) -> str:
    """An instant as people read it, by its year alone where no calendar reaches."""
    try:
        return (_EPOCH + dt.timedelta(microseconds=at_ns // 1_000)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        year = 1970 + at_ns // (31_556_952 * NS_PER_S)
        return f"the year {year}" if abs(year) < 10**9 else "an instant no calendar reaches"


def shown(value: object) -> str:
    """What a payload held, short enough for a sentence."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:56]}..."
