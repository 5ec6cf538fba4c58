"""A broker that answers by the book and does as it is told: a small server on 127.0.0.1 for tests of refusals.

It speaks MQTT 5 and 3.1.1, keeps nothing, and acknowledges every SUBSCRIBE. What a test wants else it sets before, or
sends by hand over the `Link` of a client that is connected.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.collector.mqtt_packets import Sent, packet, publish

CONNECT, SUBSCRIBE, PUBACK, PINGREQ, DISCONNECT = 0x10, 0x80, 0x40, 0xC0, 0xE0


@dataclass
class Link:
    """One client's connection, as the broker sees it."""

    connection: socket.socket
    is_5: bool = True
    acked: list[int] = field(default_factory=list)
    pings: int = 0
    filters: list[str] = field(default_factory=list)
    said_goodbye: bool = False
    subscribed: threading.Event = field(default_factory=threading.Event)
    _outgoing: queue.Queue[bytes | None] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, *sent: Sent) -> None:
        """Queues messages behind what is already being sent."""
        self.write(b"".join(publish(one, is_5=self.is_5) for one in sent))

    def write(self, data: bytes) -> None:
        self._outgoing.put(data)

    def disconnect(self, code: int) -> None:
        """DISCONNECT of MQTT 5, and the end of the connection."""
        self.write(packet(DISCONNECT, bytes([code])))
        self.end()

    def end(self) -> None:
        """Closes the connection when all is sent."""
        self._outgoing.put(None)

    def _write(self) -> None:
        with suppress(OSError):
            while (data := self._outgoing.get()) is not None:
                self.connection.sendall(data)
        self.drop()

    def drop(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


@dataclass
class BookBroker:
    """`connack(is_5)` is the body of every CONNACK, None: it closes instead; `suback(filter)` the code for a filter."""

    connack: Callable[[bool], bytes | None] = lambda is_5: b"\x00\x00\x00" if is_5 else b"\x00\x00"
    suback: Callable[[str], int] = lambda _: 1
    links: queue.Queue[Link] = field(default_factory=queue.Queue)
    connects: list[int] = field(default_factory=list)  # the protocol level each client asked for

    def __enter__(self) -> BookBroker:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def link(self, within_s: float = 20.0) -> Link:
        """The next client that was accepted and has subscribed."""
        link = self.links.get(timeout=within_s)
        assert link.subscribed.wait(within_s), "no SUBSCRIBE"
        return link

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Link(connection),), daemon=True).start()

    def _serve(self, link: Link) -> None:
        with suppress(OSError, EOFError):
            while True:
                self._answer(link, *_read(link.connection))
        link.drop()

    def _answer(self, link: Link, head: int, body: bytes) -> None:
        kind = head & 0xF0
        if kind == CONNECT:
            self._welcome(link, level=body[6])
        elif kind == SUBSCRIBE:
            filters = _filters(body[2:], is_5=link.is_5)
            link.filters += filters
            codes = bytes(self.suback(one) for one in filters)
            link.write(packet(0x90, body[:2] + (b"\x00" if link.is_5 else b"") + codes))
            link.subscribed.set()
        elif kind == PUBACK:
            link.acked.append(int.from_bytes(body[:2], "big"))
        elif kind == PINGREQ:
            link.pings += 1
            link.write(packet(0xD0, b""))
        elif kind == DISCONNECT:
            link.said_goodbye = True

    def _welcome(self, link: Link, level: int) -> None:
        self.connects.append(level)
        link.is_5 = level == 5
        body = self.connack(link.is_5)
        if body is None:
            raise EOFError
        link.write(packet(0x20, body))
        if body[1]:
            link.end()
            return
        self.links.put(link)


def _read(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 1)[0]
    size, shift = 0, 0
    while True:
        byte = _exactly(connection, 1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 128:
            return head, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def _filters(body: bytes, *, is_5: bool) -> Sequence[str]:
    at, found = 1 + body[0] if is_5 else 0, []
    while at < len(body):
        size = int.from_bytes(body[at : at + 2], "big")
        found.append(body[at + 2 : at + 2 + size].decode())
        at += 2 + size + 1
    return found
