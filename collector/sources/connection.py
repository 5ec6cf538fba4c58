"""A broker that is stayed in touch with: one `link.Link` after the other, in a thread of its own."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from collector.clocks.clock import Clock
from collector.config import BrokerSettings, ConfigError
from collector.health.counters import Counters
from collector.sources.arrivals import Arrivals
from collector.sources.backoff import Backoff
from collector.sources.link import Link
from collector.sources.reasons import pauses_s
from collector.sources.session import Session
from collector.sources.source import Presence, Saying

_PATIENCE_S = 15.0  # for the thread at the end: a connection being made takes up to two time-outs of 5 s


class Connection:
    """Starts its thread at once. `since_ns` as in Session; `presence` is announced on the broker, and asked for.

    Raises ConfigError where the settings make no client.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        filters: Sequence[str],
        folder: Path,
        clock: Clock,
        counters: Counters,
        arrivals: Arrivals,
        since_ns: int = 0,
        presence: Presence | None = None,
    ) -> None:
        self.failure: BaseException | None = None  # what ended the thread
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._arrivals = arrivals
        self._presence = presence
        asked = [presence.topic, *filters] if presence else filters
        self._session = Session(settings, asked, counters, since_ns)
        self._backoff = Backoff(random.random)
        self._closing = Event()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        arrivals.call_on_room(self._wake)
        self._link = self._new_link()
        self._thread = Thread(target=self._run, name=f"mqtt {self._session.address}", daemon=True)
        self._thread.start()

    @property
    def up_since_s(self) -> float | None:
        """Monotonic; None while there is no connection."""
        return self._link.up_since_s

    @property
    def holds_back(self) -> bool:
        """The broker may be waiting for acknowledgements."""
        return self._link.holds_back

    def reads(self, topic: str) -> bool:
        """Whether this broker is asked for messages of such a topic, so what is said under it concerns this broker."""
        return self._session.reads(topic)

    def publish(self, sayings: Sequence[Saying]) -> None:
        """Has messages published if there is a connection. Any thread."""
        self._link.say(sayings)

    def end(self) -> None:
        """Has the connection end after what is acknowledged is sent; the session stays with the broker."""
        self._closing.set()
        self._wake()

    def join(self) -> None:
        """Waits until it has ended."""
        self._thread.join(_PATIENCE_S)
        if not self._thread.is_alive():
            self._woken.close()
            self._waker.close()

    def _wake(self) -> None:
        with suppress(OSError):  # full of calls to wake up: one is enough; closed: nobody is left to wake
            self._waker.send(b"\0")

    def _new_link(self) -> Link:
        return Link(
            self._settings, self._session, self._folder, self._clock, self._arrivals, self._wake, self._presence
        )

    # the thread

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                lasted_s = self._serve()
                if not self._session.tries_older:
                    self._closing.wait(self._backoff.next_s(lasted_s, *pauses_s(self._session.code)))
        except BaseException as error:
            self.failure = error
            self._arrivals.rouse()
            raise
        finally:
            self._link.end()

    def _serve(self) -> float:
        """Connects and serves until the connection ends; for how long it was up, in s."""
        self._session.begins()
        try:
            before, self._link = self._link, self._new_link()
            before.end()
            self._link.connect()
        except (OSError, UnicodeError, ConfigError) as error:
            self._session.unreachable(str(error))
            return 0.0
        began_s = 0.0
        while self._link.is_open and not self._closing.is_set():
            self._link.turn(self._woken)
            began_s = self._link.up_since_s or began_s
        if self._link.is_open:
            self._link.leave()
        return time.monotonic() - began_s if began_s else 0.0
