"""What detectors remember, per line: state and log position, moved by compare-and-set inside one transaction."""

from __future__ import annotations

from typing import NamedTuple

from collector.errors import AndonError
from collector.spool.connection import SpoolConnection
from collector.spool.mark import Standing
from collector.spool.tables import TABLES


class Fenced(AndonError):
    """Another process moved this line's state meanwhile: only one may run a line's detectors."""


class ShardState(NamedTuple):
    """State after the frame at `offset`; `rev` counts commits, `version` is the writer's state format."""

    offset: int
    rev: int
    version: int
    body: bytes


NEW = ShardState(offset=0, rev=0, version=0, body=b"")


class ShardStates:
    def __init__(self, connection: SpoolConnection, standing: Standing) -> None:
        self._connection = connection
        self._standing = standing

    def load(self, shard: str) -> ShardState:
        """A line's state, NEW where there is none. Raises SpoolDamaged rather than give back a changed bit."""
        found = self._standing.rows("shard_state", "shard = ?", (shard,))
        return ShardState(*found[0][1:]) if found else NEW

    def commit(self, shard: str, offset: int, version: int, body: bytes, expected_rev: int) -> int:
        """Replaces the state if it still is at `expected_rev`, inside the caller's transaction; returns the new rev.

        Raises Fenced when it is not.
        """
        row = self._connection.execute("SELECT rev FROM shard_state WHERE shard = ?", (shard,)).fetchone()
        if (row[0] if row else 0) != expected_rev:
            raise Fenced(f"line {shard}: another `andon detect` works on this spool; stop one of them")
        rev = expected_rev + 1
        state = self._standing.sealed("shard_state", shard, offset, rev, version, body)
        self._connection.execute(TABLES["shard_state"].insert(), state)
        return rev
