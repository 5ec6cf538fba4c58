"""Dead letters: messages and rows that could not be taken, kept with topic, bytes and reason.

The same message again (a redelivery, a device that repeats itself) is the same letter, counted.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from collector.spool.connection import SpoolConnection
from collector.spool.mark import Standing
from collector.spool.tables import TABLES

_INSERT = TABLES["dead"].insert()
_ROWS = "sink:"  # how the topics begin of rows that a store refused


class DeadLetter(NamedTuple):
    """`topic` is the MQTT topic, or `sink:NAME` for a row a store refused. `times`: how often it came."""

    topic: str
    payload: bytes
    reason: str
    received_ns: int
    times: int = 1

    @property
    def is_row(self) -> bool:
        """Whether it is a row that a store refused, no message."""
        return self.topic.startswith(_ROWS)

    @property
    def size_bytes(self) -> int:
        return len(self.payload) + len(self.reason.encode())


class DeadLetters:
    def __init__(self, connection: SpoolConnection, standing: Standing) -> None:
        self._connection = connection
        self._standing = standing

    def add(self, letter: DeadLetter) -> None:
        """Keeps a letter, inside the caller's transaction."""
        digest = hashlib.sha256(letter.topic.encode() + b"\0" + letter.payload).digest()
        known = self._standing.rows("dead", "digest = ?", (digest,))
        if known:
            given, *before, _ = known[0]
            times = DeadLetter(*before).times + letter.times
            self._replace(given, DeadLetter(*before), digest, reason=letter.reason, times=times)
        else:
            self._connection.execute(_INSERT, self._standing.sealed("dead", self._next_id(), *letter, digest))
            self._count(1, letter.size_bytes)

    def count(self) -> int:
        """How many different letters there are."""
        return self._standing.mark.dead_count

    def read(self, limit: int = 100) -> list[DeadLetter]:
        """The newest letters, newest first."""
        return [letter for _, letter in self.newest(limit)]

    def newest(self, limit: int) -> list[tuple[int, DeadLetter]]:
        """The newest letters, newest first, each with its own id."""
        rows = self._standing.rows("dead", "1 ORDER BY id DESC LIMIT ?", (limit,))
        return [(row[0], DeadLetter(*row[1:6])) for row in rows]

    def letter(self, id_: int) -> DeadLetter | None:
        """The letter with this id, None where it is gone or never was."""
        return next((DeadLetter(*row[1:6]) for row in self._standing.rows("dead", "id = ?", (id_,))), None)

    def after(self, id_: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """Up to `limit` letters past the one with this id, in order of arrival, each with its own id; 0 begins."""
        rows = self._standing.rows("dead", "id > ? ORDER BY id LIMIT ?", (id_, limit))
        return [(row[0], DeadLetter(*row[1:6])) for row in rows]

    def amend(self, id_: int, reason: str) -> None:
        """Gives a letter a new reason, inside the caller's transaction."""
        for given, *letter, digest in self._standing.rows("dead", "id = ?", (id_,)):
            self._replace(given, DeadLetter(*letter), digest, reason=reason)

    def remove(self, id_: int) -> None:
        """Takes a letter away that could be read after all, inside the caller's transaction."""
        for row in self._standing.rows("dead", "id = ?", (id_,)):
            self._connection.execute("DELETE FROM dead WHERE id = ?", (id_,))
            self._count(-1, -DeadLetter(*row[1:6]).size_bytes)

    def size_bytes(self) -> int:
        """What payloads and reasons take."""
        return self._standing.mark.dead_bytes

    def evict_oldest(self, limit: int) -> list[DeadLetter]:
        """Drops up to `limit` of the oldest letters, inside the caller's transaction, and returns them."""
        mark = self._standing.mark
        rows = self._standing.rows("dead", "id > ? ORDER BY id LIMIT ?", (mark.dead_gone, limit))
        if not rows:
            return []
        gone = rows[-1][0]
        self._connection.execute("DELETE FROM dead WHERE id <= ?", (gone,))
        self._standing.move(dead_gone=gone)
        letters = [DeadLetter(*row[1:6]) for row in rows]
        self._count(-len(rows), -sum(letter.size_bytes for letter in letters))
        return letters

    def _replace(self, given: int, before: DeadLetter, digest: bytes, *, reason: str, times: int = 0) -> None:
        after = before._replace(reason=reason, times=times or before.times)
        self._connection.execute(_INSERT, self._standing.sealed("dead", given, *after, digest))
        self._count(0, after.size_bytes - before.size_bytes)

    def _count(self, letters: int, size_bytes: int) -> None:
        mark = self._standing.mark
        self._standing.move(dead_count=mark.dead_count + letters, dead_bytes=mark.dead_bytes + size_bytes)

    def _next_id(self) -> int:
        (last,) = self._connection.execute("SELECT max(id) FROM dead").fetchone()
        return max(last or 0, self._standing.mark.dead_gone) + 1
