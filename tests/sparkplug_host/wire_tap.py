"""A tap on the wire: passes on what goes between clients and a broker of 127.0.0.1, and notes every packet in order."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from tests.sparkplug_host.packets import Body, Cutter, Kind, read

Sender = Literal["client", "broker", "tap"]
_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing answers with a reset


class Packet(msgspec.Struct, frozen=True):
    """One packet: when (UTC ns), on which wire, in which of its connections (from 0), from whom, and what it says.

    Of a connection's end the body is CLOSED and the sender is who ended it first."""

    at_ns: int
    wire: str
    connection: int
    sender: Sender
    body: Body

    @property
    def kind(self) -> Kind:
        return self.body.kind


class _Link(NamedTuple):
    number: int
    near: socket.socket
    far: socket.socket
    heard: dict[socket.socket, Cutter]


class WireTap:
    """Listens on `port` for clients of the broker. `note` is called in the tap's thread, before a packet goes on."""

    def __init__(self, broker_port: int, wire: str, note: Callable[[Packet], None]) -> None:
        self._broker_port = broker_port
        self._wire = wire
        self._note = note
        self._levels: dict[int, int] = {}  # connection -> protocol level its CONNECT named
        self._links: dict[socket.socket, _Link] = {}
        self._count = 0
        self._to_cut, self._closing = threading.Event(), threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=f"tap {wire}", daemon=True)

    def __enter__(self) -> WireTap:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._thread.join()
        for link in list(self._links.values()):
            self._close(link, "tap")
        self._selector.close()
        self._door.close()

    def cut(self) -> None:
        """Resets every connection, both ends, without a word of MQTT."""
        self._to_cut.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.02):
                if key.fileobj is self._door:
                    self._join()
                elif key.fileobj in self._links:
                    self._pass_on(key.fileobj)
            if self._to_cut.is_set():
                self._to_cut.clear()
                for link in list(self._links.values()):
                    self._close(link, "tap", resets=True)

    def _join(self) -> None:
        near, _ = self._door.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._broker_port), timeout=5)
        except OSError:
            near.close()
            return
        link = _Link(self._count, near, far, {near: Cutter(), far: Cutter()})
        self._count += 1
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links[end] = link
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, came_from: socket.socket) -> None:
        link = self._links[came_from]
        sender: Sender = "client" if came_from is link.near else "broker"
        try:
            if chunk := came_from.recv(_CHUNK):
                self._hear(link, came_from, sender, chunk)
                (link.far if sender == "client" else link.near).sendall(chunk)
                return
        except OSError:
            pass  # one end is gone: so is the other
        self._close(link, sender)

    def _hear(self, link: _Link, came_from: socket.socket, sender: Sender, chunk: bytes) -> None:
        for head, data in link.heard[came_from].feed(chunk):
            body = read(head, data, self._levels.get(link.number, 0))
            if body.kind is Kind.CONNECT:
                self._levels[link.number] = body.level
            self._tell(link, sender, body)

    def _tell(self, link: _Link, sender: Sender, body: Body) -> None:
        self._note(Packet(time.time_ns(), self._wire, link.number, sender, body))

    def _close(self, link: _Link, by: Sender, *, resets: bool = False) -> None:
        if link.near not in self._links:
            return
        for end in (link.near, link.far):
            del self._links[end]
            self._selector.unregister(end)
            with suppress(OSError):
                if resets:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()
        self._tell(link, by, Body(Kind.CLOSED))
