"""Waiting out what passes by itself: a full disk, one that takes no writes, a file that another process holds."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from collector.health.counters import Counters
from collector.spool.connection import PASSING

T = TypeVar("T")

_WAIT_S = 1.0


def patiently(work: Callable[[], T], who: str, counters: Counters, stop: Event) -> T | None:
    """What `work` returns; while the spool is full, busy or cannot be written it is tried again, counted and told once.

    None when told to stop meanwhile. `work` must leave nothing half done when it raises.
    """
    while True:
        try:
            done = work()
        except PASSING as error:
            counters.held_up(who, str(error))
            if stop.wait(_WAIT_S):
                return None
            continue
        counters.goes_on(who)
        return done


def work_until(stop: Event, step: Callable[[], int], who: str, counters: Counters, idle_s: float) -> None:
    """Calls `step` until told to stop, pausing when it returns 0; patient as `patiently`."""
    while not stop.is_set():
        if not patiently(step, who, counters, stop):
            stop.wait(idle_s)
