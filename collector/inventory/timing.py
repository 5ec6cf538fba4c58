"""When a signal of a stock or an order holds: at the time it says, unless that is still to come.

A count or movement is put where its time says, so one from a clock that is ahead would stand after all that follows.
It is taken at its receipt instead, and the ledger says so. A time long past is no fault here: files come late.
"""

from __future__ import annotations

from msgspec.structs import replace

from collector.clocks.watch import AHEAD_NS
from collector.inventory.signals import Signal
from collector.schema import INVENTORY_LINE
from collector.spool.ledger import Cause, Gap

_NOTE = "counts, movements or orders more than 5 min ahead were taken at their receipt: set the sender's clock"


def judged_in_time(signal: Signal, received_ns: int) -> tuple[Signal, Gap | None]:
    """The signal as it is to be taken, and what to book where its time was wrong. `received_ns` 0: not known."""
    if not 0 < received_ns < signal.at_ns - AHEAD_NS:
        return signal, None
    gap = Gap(f"{signal.site}/{INVENTORY_LINE}", Cause.CLOCK, received_ns, received_ns, 1, _NOTE)
    return replace(signal, at_ns=received_ns), gap
