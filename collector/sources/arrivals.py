"""What has arrived and was not yet taken: the bounded queue between network threads and the one that receives.

A network thread asks `is_full` before it reads its socket, so that a full queue becomes the broker's problem and no
thread ever waits inside `put`. Whoever takes gets chunks, not single messages: a lock per message would cost more than
the message.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Condition

from collector.sources.source import Message
from collector.spool.ledger import Gap

MOST_MESSAGES = 5_000
MOST_BYTES = 32 * 2**20  # a gateway has 100 MB


@dataclass(slots=True)
class Chunk:
    """Messages of one read, gaps found meanwhile, and what gives the broker its acknowledgements for all of them."""

    messages: Sequence[Message] = ()
    acks: bytes = b""
    acknowledge: Callable[[bytes], None] | None = None
    size_bytes: int = 0
    gaps: Sequence[Gap] = ()

    def split(self, count: int) -> tuple[Chunk, Chunk]:
        """The first `count` messages, and the rest, which keeps all acknowledgements: they are due when all is safe."""
        share = self.size_bytes * count // len(self.messages)
        first = Chunk(self.messages[:count], size_bytes=share)
        return first, replace(self, messages=self.messages[count:], size_bytes=self.size_bytes - share)


class Arrivals:
    """Chunks in order of arrival, within bounds that one read may overrun."""

    def __init__(self, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._changed = Condition()
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self.messages = 0
        self._on_room: list[Callable[[], None]] = []

    def call_on_room(self, wake: Callable[[], None]) -> None:
        """`wake` is called when a queue that was full has room again."""
        self._on_room.append(wake)

    @property
    def is_full(self) -> bool:
        return self.messages >= self._most_messages or self._bytes >= self._most_bytes

    def put(self, chunk: Chunk) -> None:
        """Adds a chunk; never waits."""
        with self._changed:
            self._chunks.append(chunk)
            self.messages += len(chunk.messages)
            self._bytes += chunk.size_bytes
            self._changed.notify()

    def rouse(self) -> None:
        """Ends a `wait`, so that the one who waits looks around."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, count: int, until_s: float, enough: Callable[[], bool]) -> None:
        """Returns when `count` messages are here, `enough()`, or it is `until_s` (monotonic)."""
        with self._changed:
            while self.messages < count and not enough():
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    return

    def take(self, limit: int) -> list[Chunk]:
        """The oldest chunks, `limit` messages at most."""
        taken: list[Chunk] = []
        with self._changed:
            was_full, room = self.is_full, limit
            while self._chunks and room > 0:
                chunk = self._chunks.popleft()
                if len(chunk.messages) > room:
                    chunk, rest = chunk.split(room)
                    self._chunks.appendleft(rest)
                taken.append(chunk)
                room -= len(chunk.messages)
                self.messages -= len(chunk.messages)
                self._bytes -= chunk.size_bytes
        if was_full and not self.is_full:
            for wake in self._on_room:
                wake()
        return taken
