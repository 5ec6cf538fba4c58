"""The formats' memory in the spool: by name, and only what changed is written.

Input: what `collector.decoder` remembers after a delivery. It is kept in the append's own transaction, so a kill
between two messages does not change what the second one means.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from collector.spool.spool import Spool

Memory = Mapping[str, bytes]

_WHOLE = "decoder"  # how older spools kept all of it: one body
_PART = "decoder "


def recalled(spool: Spool) -> Memory:
    """What the spool remembers for the formats."""
    whole = spool.recall(_WHOLE)
    older = msgspec.msgpack.decode(whole, type=dict[str, bytes]) if whole else {}
    return {**older, **spool.recall_all(_PART)}


def keep(spool: Spool, memory: Memory, before: Memory) -> None:
    """Writes what differs from `before`, what the spool has; call inside the append's transaction."""
    for name, body in memory.items():
        if body != before.get(name):
            spool.remember(_PART + name, body)
    for name in before.keys() - memory.keys():
        spool.forget(_PART + name)
