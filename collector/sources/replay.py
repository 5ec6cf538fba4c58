"""A recorded message file as a Source, without a broker: for tests, back-tests and dry runs of a mapping."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from threading import Event

from collector.clocks.clock import Clock
from collector.sources.recording import read_recording
from collector.sources.source import Delivery, Message


class ReplaySource:
    """Hands over the file's messages in order; sets `at_end` when all were acknowledged."""

    def __init__(self, path: Path, clock: Clock, at_end: Event) -> None:
        self._messages = read_recording(path)
        self._clock = clock
        self._at_end = at_end

    def receive(self, limit: int, wait_s: float) -> Delivery:
        now_ns = self._clock.now_ns()
        messages = [Message(topic, payload, now_ns) for _, topic, payload in islice(self._messages, limit)]
        return Delivery(messages, lambda: self._note_end(len(messages)))

    def close(self) -> None:
        self._messages = iter(())

    def _note_end(self, handed_over: int) -> None:
        if not handed_over:
            self._at_end.set()
