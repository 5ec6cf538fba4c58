"""Dead letters: messages and rows that could not be taken, kept with topic, bytes and reason.

The same message again (a redelivery) is the same letter.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import NamedTuple


class DeadLetter(NamedTuple):
    """`topic` is the MQTT topic, or `sink:NAME` for a row a store refused."""

    topic: str
    payload: bytes
    reason: str
    received_ns: int


class DeadLetters:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, letter: DeadLetter) -> None:
        """Keeps a letter, inside the caller's transaction."""
        digest = hashlib.sha256(letter.topic.encode() + b"\0" + letter.payload).digest()
        self._connection.execute(
            "INSERT OR IGNORE INTO dead (topic, payload, reason, received_ns, digest) VALUES (?, ?, ?, ?, ?)",
            (*letter, digest),
        )

    def count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM dead").fetchone()[0])

    def read(self, limit: int = 100) -> list[DeadLetter]:
        """The newest letters, newest first."""
        rows = self._connection.execute(
            "SELECT topic, payload, reason, received_ns FROM dead ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [DeadLetter(topic, bytes(payload), reason, received_ns) for topic, payload, reason, received_ns in rows]
