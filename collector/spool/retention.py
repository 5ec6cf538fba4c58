"""What goes when the spool reaches its bounds: delivered frames first, then the oldest readings, never what was said
about an alert. Whatever goes before every reader had it is booked in the ledger.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from collector.config import SpoolSettings
from collector.readings import NS_PER_S
from collector.spool.frames import FrameKind
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool

log = logging.getLogger(__name__)

_FRAMES_AT_ONCE = 500
_LOOK_EVERY = 200  # appends between two looks at the size
_FULL_RATIO = 0.9
_NS_PER_D = 86_400 * NS_PER_S


@dataclass(slots=True)
class Retention:
    """Keeps a spool within its size and age; owned by the thread that appends."""

    settings: SpoolSettings
    _appends: int = 0

    def keep_bounds(self, spool: Spool) -> None:
        """Now and then drops delivered frames that are too old, and makes room before the file is full."""
        self._appends += 1
        if self._appends % _LOOK_EVERY:
            return
        oldest_ns = spool.log.clock_ns() - int(self.settings.keep_d * _NS_PER_D)
        with spool.transaction():
            spool.log.evict(spool.log.delivered(), _FRAMES_AT_ONCE, before_ns=oldest_ns)
        if spool.size_bytes() > _FULL_RATIO * self.settings.max_mb * 1e6:
            self.make_room(spool)

    def make_room(self, spool: Spool) -> int:
        """Drops a portion of the oldest frames; returns how many, 0 when nothing may go."""
        with spool.transaction():
            delivered, *_ = spool.log.evict(spool.log.delivered(), _FRAMES_AT_ONCE)
            if delivered:
                return delivered
            lost, from_ns, to_ns = spool.log.evict(spool.log.end(), _FRAMES_AT_ONCE, kinds=(FrameKind.BATCH,))
            if lost:
                note = "the spool was full: oldest readings went before every reader had them"
                spool.ledger.add(Gap("spool", Cause.EVICTED, from_ns, to_ns, lost, note))
                log.warning("spool.evicted frames=%d", lost)
            return lost
