"""Dead letters: messages and rows that could not be taken, kept with topic, bytes and reason.

The same message again (a redelivery, a device that repeats itself) is the same letter, counted.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import NamedTuple


class DeadLetter(NamedTuple):
    """`topic` is the MQTT topic, or `sink:NAME` for a row a store refused. `times`: how often it came."""

    topic: str
    payload: bytes
    reason: str
    received_ns: int
    times: int = 1


class DeadLetters:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, letter: DeadLetter) -> None:
        """Keeps a letter, inside the caller's transaction."""
        topic, payload, reason, received_ns, times = letter
        digest = hashlib.sha256(topic.encode() + b"\0" + payload).digest()
        self._connection.execute(
            "INSERT INTO dead (topic, payload, reason, received_ns, times, digest) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET times = times + excluded.times, reason = excluded.reason",
            (topic, payload, reason, received_ns, times, digest),
        )

    def count(self) -> int:
        """How many different letters there are."""
        return int(self._connection.execute("SELECT count(*) FROM dead").fetchone()[0])

    def read(self, limit: int = 100) -> list[DeadLetter]:
        """The newest letters, newest first."""
        rows = self._connection.execute(
            "SELECT topic, payload, reason, received_ns, times FROM dead ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [DeadLetter(topic, bytes(payload), *rest) for topic, payload, *rest in rows]

    def after(self, id_: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """Up to `limit` letters past the one with this id, in order of arrival, each with its own id; 0 begins."""
        rows = self._connection.execute(
            "SELECT id, topic, payload, reason, received_ns, times FROM dead WHERE id > ? ORDER BY id LIMIT ?",
            (id_, limit),
        )
        return [(int(own), DeadLetter(topic, bytes(payload), *rest)) for own, topic, payload, *rest in rows]

    def amend(self, id_: int, reason: str) -> None:
        """Gives a letter a new reason, inside the caller's transaction."""
        self._connection.execute("UPDATE dead SET reason = ? WHERE id = ?", (reason, id_))

    def remove(self, id_: int) -> None:
        """Takes a letter away that could be read after all, inside the caller's transaction."""
        self._connection.execute("DELETE FROM dead WHERE id = ?", (id_,))

    def size_bytes(self) -> int:
        """What payloads and reasons take."""
        row = self._connection.execute("SELECT coalesce(sum(length(payload) + length(reason)), 0) FROM dead").fetchone()
        return int(row[0])

    def evict_oldest(self, limit: int) -> tuple[int, int, int]:
        """Drops up to `limit` of the oldest letters; (how many messages that was, from_ns, to_ns) of their receipt."""
        rows = self._connection.execute(
            "SELECT id, received_ns, times FROM dead ORDER BY id LIMIT ?", (limit,)
        ).fetchall()
        if not rows:
            return 0, 0, 0
        self._connection.executemany("DELETE FROM dead WHERE id = ?", [(row[0],) for row in rows])
        return sum(row[2] for row in rows), min(row[1] for row in rows), max(row[1] for row in rows)
