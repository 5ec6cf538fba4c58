"""The ledger: every interval of which something is known to be missing, per asset, with cause and count."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import NamedTuple


class Cause(StrEnum):
    SEQ_GAP = "seq_gap"  # Sparkplug sequence numbers are missing
    EVICTED = "evicted"  # dropped from a full spool before every reader had it
    CLOCK = "clock"  # readings whose time cannot be right were kept out of the detectors
    DISCONNECTED = "disconnected"  # an edge node declared its death


class Gap(NamedTuple):
    """`missing` frames, messages or readings of `asset` between the two instants (UTC ns)."""

    asset: str
    cause: Cause
    from_ns: int
    to_ns: int
    missing: int
    note: str = ""


class Ledger:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, gap: Gap) -> None:
        """Books a gap, inside the caller's transaction."""
        self._connection.execute(
            "INSERT INTO ledger (asset, cause, from_ns, to_ns, missing, note) VALUES (?, ?, ?, ?, ?, ?)", gap
        )

    def read(self, limit: int = 1000) -> list[Gap]:
        """The newest entries, newest first."""
        rows = self._connection.execute(
            "SELECT asset, cause, from_ns, to_ns, missing, note FROM ledger ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [Gap(asset, Cause(cause), *rest) for asset, cause, *rest in rows]
