"""What detectors remember, per line: state and log position, moved by compare-and-set inside one transaction."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from collector.errors import AndonError


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
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self, shard: str) -> ShardState:
        row = self._connection.execute(
            "SELECT offset, rev, version, body FROM shard_state WHERE shard = ?", (shard,)
        ).fetchone()
        return ShardState(int(row[0]), int(row[1]), int(row[2]), bytes(row[3])) if row else NEW

    def commit(self, shard: str, offset: int, version: int, body: bytes, expected_rev: int) -> int:
        """Replaces the state if it still is at `expected_rev`, inside the caller's transaction; returns the new rev.

        Raises Fenced when it is not.
        """
        if self.load(shard).rev != expected_rev:
            raise Fenced(f"line {shard}: another `andon detect` works on this spool; stop one of them")
        rev = expected_rev + 1
        self._connection.execute(
            "INSERT OR REPLACE INTO shard_state VALUES (?, ?, ?, ?, ?)", (shard, offset, rev, version, body)
        )
        return rev
