"""Modes: in which state a line is, so that what is usual can be remembered for each by itself.

Input: readings of the line's STATE series (product, running, changeover), of whichever cell, and the calendar. Output:
a short text that names the mode of an instant. A signal that changes within every cycle is a step, not a mode: one that
stays on average for less than `least_dwell_s` is passed over. Pure; one small entry per series.
"""

from __future__ import annotations

import msgspec

from collector.readings import NS_PER_S
from detectors.calendar import Calendar

_MOST_SIGNALS = 8  # of a line; those met first


class Signal(msgspec.Struct):
    """Of one STATE series: the newest value and instant, when it was first heard and how often it has changed."""

    value: float
    at_ns: int
    first_ns: int
    changes: int = 0


class Modes(msgspec.Struct):
    signals: dict[int, Signal] = {}

    def note(self, series: int, at_ns: int, value: float) -> None:
        """A reading of a STATE series; one that is not newer changes nothing."""
        signal = self.signals.get(series)
        if signal is None:
            if len(self.signals) < _MOST_SIGNALS:
                self.signals[series] = Signal(value, at_ns, at_ns)
            return
        if at_ns > signal.at_ns:
            signal.changes += value != signal.value
            signal.value, signal.at_ns = value, at_ns

    def mode(self, calendar: Calendar, line: str, at_ns: int, least_dwell_s: float) -> str:
        """The mode at an instant; `""` where nobody says anything of one."""
        if calendar.planned_stop(line, at_ns) is not None:
            return "planned stop"
        told = [
            f"{series}={signal.value:g}"
            for series, signal in sorted(self.signals.items())
            if (signal.at_ns - signal.first_ns) / NS_PER_S >= least_dwell_s * signal.changes
        ]
        return " ".join(told)
