"""Mutated payloads all the way into a spool, whose books must then be exact to the message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

from collector.clocks.clock import MessageClock
from collector.config import Site, SpoolSettings
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S
from collector.retention import Retention
from collector.sources.source import Delivery, Message
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from deploy.books import Books, books_of
from tests.fuzz.trial import Trial


class _Payloads:
    """A source that delivers these messages, then stops the collector."""

    def __init__(self, messages: Sequence[Message], stop: Event) -> None:
        self._messages = list(messages)
        self._stop = stop

    def receive(self, limit: int, wait_s: float) -> Delivery:
        now, self._messages = self._messages[:limit], self._messages[limit:]
        return Delivery(now, self._stop.set if not self._messages else lambda: None)

    def close(self) -> None:
        pass


class Stored(NamedTuple):
    """`books`: of the spool; `messages`, `letters`, `silent`: what the collector's counters say of those `sent`.

    A delivery that says nothing at all costs no transaction and is in the counters alone.
    """

    books: Books
    sent: int
    messages: int
    letters: int
    silent: int

    @property
    def is_exact(self) -> bool:
        books = self.books
        is_same = self.letters == books.dead_lettered and self.sent == self.messages >= books.messages_received
        uncounted = self.messages - books.messages_received  # of deliveries that said nothing at all
        is_balanced = books.messages_received == books.messages_read + books.dead_lettered
        return is_same and books.is_exact and is_balanced and self.silent == books.messages_silent + uncounted


def stored(name: str, count: int, folder: Path, seed: int = 1) -> Stored:
    """What became of `count` payloads of one format: those of all of its cases in turn, in one spool."""
    trial = Trial(name, seed)
    sent = list(trial.messages(count))
    counters = Counters(report_every_s=None)
    with Spool.open(folder / f"{name}.sqlite") as spool:
        for case in trial.cases:
            clock, stop = MessageClock(), Event()
            decoder = Decoder([(TopicTemplate("#"), case.build())], clock)
            retention = Retention(SpoolSettings(), counters)
            site = Site(enterprise="fuzz", name="fuzz")
            appender = Appender(spool, site, clock, 5 * NS_PER_S, retention, counters)
            own = [message for whose, message in sent if whose == case]
            ingest(_Payloads(own, stop), decoder, appender, stop)
        counts = counters.counts
        counted = (counts.get(name, 0) for name in ("messages_stored", "dead_lettered", "messages_silent"))
        return Stored(books_of(spool, ()), len(sent), *counted)
