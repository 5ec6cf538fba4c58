"""What the broker itself says it dropped: Mosquitto counts that in a topic of its own.

The count is for all of the broker's clients together, so it bounds what this collector lost; brokers that have no such
topic, or do not let us read it, say nothing.
"""

from __future__ import annotations

from collector.spool.ledger import Cause, Gap

TOPIC = "$SYS/broker/publish/messages/dropped"
_NOTE = "the broker dropped these for slow or absent clients, counted over all of them; raise its max_queued_messages"


class DropCount:
    """Follows the count; it starts over with the broker."""

    def __init__(self, asset: str) -> None:
        self._asset = asset
        self._seen: int | None = None
        self._seen_ns = 0

    def saw(self, payload: bytes, at_ns: int) -> Gap | None:
        """The drops since the count was last seen, None when there are none."""
        if not payload.isdigit():
            return None
        count, before, since_ns = int(payload), self._seen, self._seen_ns
        self._seen, self._seen_ns = count, at_ns
        if before is None or count <= before:
            return None
        return Gap(self._asset, Cause.NOT_RECEIVED, since_ns, at_ns, count - before, _NOTE)
