"""The name of a spool's log, for whoever counts its offsets elsewhere: a spool begun anew counts from 1 again."""

from __future__ import annotations

import secrets

from collector.spool.spool import Spool

_MEMORY = "log name"


def name_of(spool: Spool) -> str:
    """The log's name, sixteen hex digits that no other log has; given once, by the first who asks."""
    known = spool.recall(_MEMORY)
    if not known:
        with spool.transaction():
            known = spool.recall(_MEMORY) or secrets.token_hex(8).encode()
            spool.remember(_MEMORY, known)
    return known.decode()
