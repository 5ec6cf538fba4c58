"""One connection to a broker, from CONNECT to its end, in the hands of one thread.

What arrives goes on `Arrivals`; acknowledgements come from another thread by a queue and are sent many at a time. While
`Arrivals` is full nothing is read, but the connection is kept alive: the broker waits, nothing is lost, nothing spins.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt import __version__ as paho_version
from paho.mqtt.reasoncodes import ReasonCode

from collector.clocks.clock import Clock
from collector.config import BrokerSettings
from collector.sources import drops
from collector.sources.arrivals import Arrivals, Chunk
from collector.sources.bulk import BulkClient, Handlers, PlainClient, Receiver, why_not_bulk
from collector.sources.client import configured, session_properties
from collector.sources.packets import Published, TooLarge
from collector.sources.reasons import Code
from collector.sources.session import Session
from collector.sources.source import Presence, Saying
from collector.sources.subscriptions import Subscriptions
from collector.sources.voice import Voice
from collector.spool.ledger import Gap

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how long a turn may wait for something to do
_COALESCE_S = 0.005  # after a read that left nothing: what comes meanwhile is read in one go
_ACK_BYTES = 4
_LAST_BYTES = 65536


class Link:
    """A client that is not connected yet. Raises ConfigError where the settings make none."""

    def __init__(
        self,
        settings: BrokerSettings,
        session: Session,
        folder: Path,
        clock: Clock,
        arrivals: Arrivals,
        wake: Callable[[], None],
        presence: Presence | None = None,
    ) -> None:
        self.up_since_s: float | None = None  # monotonic; None until the broker has answered
        self._settings = msgspec.structs.replace(settings, protocol=session.protocol)
        self._session = session
        self._clock = clock
        self._arrivals = arrivals
        self._wake = wake
        self._acks: deque[bytes] = deque()
        self._under_way = self._most_under_way = 0  # messages without an acknowledgement
        self._reads = 0
        self._heard_ns = 0
        self._quiet_until_s = 0.0
        self._has_more = self._is_unread = self._leaves = False
        self._voice = Voice(presence, clock.now_ns(), session.counters)
        self._subscriptions = Subscriptions(session, self._voice)
        self._client = self._new_client(folder)
        self._voice.leave_will(self._client)

    def connect(self) -> None:
        """Raises OSError."""
        host, port, keepalive_s = self._settings.host, self._settings.port, self._settings.keepalive_s
        if self._settings.protocol == "5":
            asked = session_properties(self._settings)
            keeps = self._settings.session_expiry_s > 0
            self._client.connect(host, port, keepalive_s, clean_start=not keeps, properties=asked)
        else:
            self._client.connect(host, port, keepalive_s)

    @property
    def is_open(self) -> bool:
        return self._client.socket() is not None

    @property
    def holds_back(self) -> bool:
        """The broker sent as much ahead of our acknowledgements as it ever did: it may be waiting for them."""
        return 0 < self._most_under_way <= self._under_way

    def acknowledge(self, acks: bytes) -> None:
        """Has acknowledgements sent; void when the connection has ended, for those messages come again. Any thread."""
        self._acks.append(acks)
        self._wake()

    def say(self, sayings: Sequence[Saying]) -> None:
        """Has messages published, if the connection stands when their turn comes. Any thread."""
        self._voice.say(sayings)
        self._wake()

    def end(self) -> None:
        """Nothing is published through this connection any more, whoever still knows it."""
        self._voice.end()

    def turn(self, woken: socket.socket) -> None:
        """Waits for something to do, and does it; a byte on `woken` ends the wait."""
        is_full = self._arrivals.is_full
        self._keep_alive(is_full)
        if not self.is_open:
            return
        quiet_s = self._quiet_until_s - time.monotonic()
        listens = not is_full and quiet_s <= 0
        wait_s = 0.0 if listens and self._has_more else quiet_s if quiet_s > 0 else LOOK_S
        connection: Any = self._client.socket()
        writes = [connection] if self._client.want_write() else []
        heard, may_send, _ = select.select([woken, connection] if listens else [woken], writes, [], wait_s)
        if woken in heard:
            with suppress(BlockingIOError):
                woken.recv(_LAST_BYTES)
            self._send_acks()
            self._voice.speak(self._client, is_up=self.up_since_s is not None)
        if listens and (self._has_more or connection in heard):
            self._read()
        if may_send and self.is_open:
            self._client.loop_write()

    def leave(self) -> None:
        """Says goodbye and hears the broker out: to close on unread bytes is a reset, and that would undo the last
        acknowledgements. The session stays with the broker."""
        self._leaves = True
        connection: Any = self._client.socket()
        deadline_s = time.monotonic() + LOOK_S
        with (
            socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as lingering,
            suppress(OSError),
        ):
            self._send_acks()
            self._voice.take_leave(self._client, self._clock.now_ns())
            self._client.disconnect()
            while self._client.want_write() and self.is_open and time.monotonic() < deadline_s:
                select.select([], [connection], [], LOOK_S)
                self._client.loop_write()
            lingering.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline_s:
                if not select.select([lingering], [], [], LOOK_S)[0] or not lingering.recv(_LAST_BYTES):
                    return

    def _keep_alive(self, is_full: bool) -> None:
        if is_full:
            if not self._is_unread:
                self._session.queue_is_full()
            self._client.stay_alive_unread()
        else:
            if self._is_unread:
                self._client.read_again()
            self._client.loop_misc()
        self._is_unread = is_full

    def _read(self) -> None:
        before = self._reads
        self._has_more = not self._client.read()
        if self._reads > before and not self._has_more:
            self._quiet_until_s = time.monotonic() + _COALESCE_S

    def _send_acks(self) -> None:
        acks = b"".join([self._acks.popleft() for _ in range(len(self._acks))])
        if acks and self.is_open:
            self._under_way -= len(acks) // _ACK_BYTES
            self._client.acknowledge(acks)

    def _take_in(self, published: Published) -> None:
        self._reads += 1
        self._under_way += len(published.acks) // _ACK_BYTES
        most = self._settings.receive_maximum if self._settings.protocol == "5" else self._under_way
        if self._most_under_way <= most < self._under_way:
            self._session.overruns(self._under_way)
        self._most_under_way = max(self._most_under_way, self._under_way)
        self._arrivals.put(Chunk(published.messages, published.acks, self.acknowledge, published.size_bytes))

    def _pass_over(self, large: TooLarge) -> None:
        """Acknowledged when the gap is on disk: else it would come again for ever."""
        self._under_way += len(large.acks) // _ACK_BYTES
        gap = self._session.too_large(large.topic, large.size_bytes, self._heard_ns)
        self._arrivals.put(Chunk(acks=large.acks, acknowledge=self.acknowledge, gaps=[gap]))

    def _book(self, gap: Gap | None) -> None:
        if gap is not None:
            self._arrivals.put(Chunk(gaps=[gap]))

    def _hear(self) -> int:
        self._heard_ns = self._clock.now_ns()
        return self._heard_ns

    def _new_client(self, folder: Path) -> Receiver:
        """New for each connection, so that nothing of an earlier one or of another protocol is left, and renewed
        certificates and passwords are read. Raises ConfigError."""
        settings, session = self._settings, self._session
        kind: type[BulkClient] | type[PlainClient] = BulkClient if _reads_in_bulk() else PlainClient
        keeps = settings.session_expiry_s > 0
        client: Receiver = configured(kind, settings, folder, settings.client_id, keeps=keeps)
        client.manual_ack_set(True)
        client.hand_to(
            Handlers(
                published=self._take_in,
                too_large=self._pass_over,
                aside=lambda message: self._book(session.drops(message.payload, message.received_ns)),
                malformed=session.malformed,
                now_ns=self._hear,
                most_bytes=settings.max_packet_bytes,
                aside_topic=drops.TOPIC if session.watches_drops else "",
            )
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._subscriptions.answered
        client.on_disconnect = self._on_disconnect
        return client

    # paho's callbacks, in the same thread

    def _on_connect(
        self, _client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure:
            self._session.refused(reason.value, str(reason))
            return
        self._book(self._session.accepted(is_present=flags.session_present, now_ns=self._clock.now_ns()))
        self.up_since_s = time.monotonic()
        self._subscriptions.ask(self._client, self._session.filters(properties))

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self.up_since_s = None
        if not self._leaves:
            at_ns = self._heard_ns if reason.value == Code.KEEPALIVE else self._clock.now_ns()
            self._session.ended(reason.value, str(reason), at_ns)


@lru_cache
def _reads_in_bulk() -> bool:
    """Whether this paho can be read in bulk; said once where it cannot."""
    why = why_not_bulk()
    if why:
        sentence = (
            "paho.unknown version=%s reason=%r; messages are read one by one, 20 times slower: install paho-mqtt 2"
        )
        log.warning(sentence, paho_version, why)
    return not why
