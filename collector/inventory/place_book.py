"""What is booked of one item at one place: counts and movements, whatever order and however often they come.

A count is an anchor at its time: what moved up to then is in it, what moved after it is added. Events stay single
within the window, so that one that comes late is put where it belongs and one that comes again is known; older ones are
folded into one number, and nothing older is taken any more. So a repeat never counts twice, however old it is. An
instant is never cut in two: an ERP's export has a whole day under one date. Pure.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import NamedTuple

import msgspec

from collector.inventory.signals import Level, Movement
from collector.readings import NS_PER_S

WINDOW_NS = 7 * 86_400 * NS_PER_S  # behind an item's newest event; a weekend's files and an outage come within it
MOST_EVENTS = (
    1_000  # kept single for each place, and what else is of the oldest's instant; if busier, window is shorter
)
MOST_AT_ONCE = 10_000  # events of one instant: all of them stay single, and the book is written with every append
_MOST_FOLDED = 5_000  # events folded last that are known when they come again, as in an export of the last 30 days
_DIGEST_BYTES = 8


class Verdict(Enum):
    """What became of a signal."""

    COUNTED = "counted"
    KNOWN = "known"  # it came before
    LATE = "late"  # from before the window
    CONFLICT = "conflict"  # its id is taken by something else
    FULL = "full"  # more is open than is kept
    CROWDED = "crowded"  # more of one instant than is kept


class Event(msgspec.Struct, array_like=True, frozen=True):
    """A count (`is_level`) or a movement; one that was taken back is worth nothing."""

    at_ns: int
    quantity: float
    is_level: bool = False
    is_void: bool = False


class Figure(NamedTuple):
    """What a place comes to as of its newest event, below zero where more went out than was there.

    `is_counted`: it was counted once, so the number is a stock and not a mere sum. `difference`: by how much the last
    count that is still single differed from the book, and when.
    """

    quantity: float
    is_counted: bool
    as_of_ns: int
    difference: tuple[int, float] | None = None


class PlaceBook(msgspec.Struct):
    """`base` is what everything up to `closed_ns` came to; `events` are those after it, by id.

    `folded`: digests of those that went into `base` last, one after the other.
    """

    events: dict[str, Event] = {}
    base: float = 0.0
    is_counted: bool = False
    first_ns: int = 0  # of all events ever
    closed_ns: int = 0
    folded: bytes = b""

    def take(self, signal: Level | Movement) -> Verdict:
        """Books an event; `fold` afterwards."""
        event = _event(signal)
        known = self.events.get(signal.id)
        if known is not None and not (event.is_void and not known.is_void):
            return Verdict.KNOWN if known == event or known.is_void else Verdict.CONFLICT
        if known is None and event.at_ns <= self.closed_ns:
            return self._take_older(signal.id, event)
        if known is None and self._is_crowded(event.at_ns):
            return Verdict.CROWDED
        self.events[signal.id] = event
        self.first_ns = min(self.first_ns or event.at_ns, event.at_ns)
        return Verdict.COUNTED

    @property
    def is_blank(self) -> bool:
        """Whether all of it was taken back."""
        return not self.closed_ns and not self.is_counted and all(event.is_void for event in self.events.values())

    def fold(self) -> None:
        """Folds what has left the window."""
        instants_ns = sorted(event.at_ns for event in self.events.values())
        horizon_ns = instants_ns[-1] - WINDOW_NS if instants_ns else 0
        if len(instants_ns) > MOST_EVENTS:
            horizon_ns = max(horizon_ns, instants_ns[-MOST_EVENTS] - 1)
        if horizon_ns <= self.closed_ns:
            return
        folded = [self.folded]
        for id_, event in self._in_order():
            if event.at_ns > horizon_ns:
                break
            self.base = event.quantity if event.is_level else self.base + event.quantity
            self.is_counted |= event.is_level
            del self.events[id_]
            folded.append(_digest(id_, event))
        self.closed_ns = horizon_ns
        self.folded = b"".join(folded)[-_MOST_FOLDED * _DIGEST_BYTES :]

    def figure(self) -> Figure:
        quantity, is_counted, as_of_ns, difference = self.base, self.is_counted, self.closed_ns, None
        for _, event in self._in_order():
            as_of_ns = event.at_ns
            if event.is_level:
                difference = (event.at_ns, event.quantity - quantity) if is_counted else None
                quantity, is_counted = event.quantity, True
            else:
                quantity += event.quantity
        return Figure(quantity, is_counted, as_of_ns, difference)

    def _is_crowded(self, at_ns: int) -> bool:
        if len(self.events) < MOST_AT_ONCE:
            return False
        return sum(event.at_ns == at_ns for event in self.events.values()) >= MOST_AT_ONCE

    def _take_older(self, id_: str, event: Event) -> Verdict:
        """Of what is older than the window, only a first count from before all else still has its place."""
        if _digest(id_, event) in self.folded:
            return Verdict.KNOWN
        if self.is_counted or not event.is_level or event.at_ns >= self.first_ns:
            return Verdict.LATE
        self.base += event.quantity
        self.is_counted, self.first_ns = True, event.at_ns
        return Verdict.COUNTED

    def _in_order(self) -> list[tuple[str, Event]]:
        """By time; at one instant movements come before counts, which have them in."""
        return sorted(self.events.items(), key=lambda one: (one[1].at_ns, one[1].is_level, one[0]))


def _digest(id_: str, event: Event) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode((id_, event)), digest_size=_DIGEST_BYTES).digest()


def _event(signal: Level | Movement) -> Event:
    if isinstance(signal, Level):
        return Event(signal.at_ns, signal.quantity, is_level=True)
    if signal.is_void:
        return Event(signal.at_ns, 0.0, is_void=True)
    return Event(signal.at_ns, signal.quantity)
