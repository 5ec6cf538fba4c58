"""A paho client that reads many packets with one `recv` and writes many acknowledgements with one `send`.

paho reads a packet with four `recv`s and builds an object for each: 28 us a message. Here PUBLISH packets are cut
straight from the buffer (`packets.PacketReader`); every other packet is handed to paho's own handling, which stays in
charge of the session. This leans on names that paho keeps to itself, so paho is pinned below 3 and `why_not_bulk` tries
it once on a pair of sockets; where it does not work, `PlainClient` does the same the slow way.

Both are driven from outside (paho's documented `socket`, `loop_write`, `loop_misc`) by the one thread that owns them.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from collector.sources.packets import (
    PUBACK,
    PUBCOMP,
    PUBREL,
    Aside,
    Control,
    MalformedPacket,
    PacketReader,
    Published,
    TooLarge,
)
from collector.sources.source import Message

READ_BYTES = 256 * 1024
_PINGREQ = 0xC0
_PLAIN_READS = 100  # then the acknowledgements have their turn
_PAHO_SAYS_MALFORMED = (MQTTException, struct.error, IndexError, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class Handlers:
    """Where what was received goes, and what it is stamped with."""

    published: Callable[[Published], None]
    too_large: Callable[[TooLarge], None]
    aside: Callable[[Message], None]
    malformed: Callable[[str], None]
    now_ns: Callable[[], int]
    most_bytes: int
    aside_topic: str = ""


class BulkClient(paho.Client):
    """paho with a fast lane for PUBLISH and PUBACK. `hand_to` before connecting."""

    def hand_to(self, handlers: Handlers) -> None:
        has_properties = self.protocol == paho.MQTTv5
        self._handlers = handlers
        self._packets = PacketReader(
            has_properties=has_properties, most_bytes=handlers.most_bytes, aside=handlers.aside_topic
        )
        self._pinged_s = 0.0

    def read(self) -> bool:
        """Hands over what has arrived; true when no more is waiting."""
        left = READ_BYTES
        while left > 0 and self._sock is not None:
            try:
                data = self._sock_recv(READ_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                data = b""
            rc = self._cut(data) if data else MQTTErrorCode.MQTT_ERR_CONN_LOST
            if rc:
                self._loop_rc_handle(rc)
                return True
            if isinstance(self._sock, socket.socket) and not self._ssl and len(data) < READ_BYTES:
                return True
            left -= len(data)
        return False

    def acknowledge(self, acks: bytes) -> None:
        """Sends acknowledgements, as they came with the messages, in one piece."""
        self._packet_queue(PUBACK[0], acks, 0, 1)

    def stay_alive_unread(self) -> None:
        """Pings often enough while nothing is read; the answers wait behind what is not read."""
        now_s = time.monotonic()
        if now_s - self._pinged_s > self.keepalive / 2:
            self._pinged_s = now_s
            self._send_simple_command(_PINGREQ)

    def read_again(self) -> None:
        """Ends a time without reading: its unread answers are not held against the broker."""
        self._ping_t = 0.0
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()

    def _cut(self, data: bytes) -> MQTTErrorCode:
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        try:
            for one in self._packets.feed(data, self._handlers.now_ns()):
                if isinstance(one, Published):
                    self._handlers.published(one)
                elif isinstance(one, TooLarge):
                    self._handlers.too_large(one)
                elif isinstance(one, Aside):
                    self._handlers.aside(one.message)
                else:
                    rc = self._handle(one)
                    if rc or self._sock is None:
                        return rc
        except MalformedPacket as error:
            self._handlers.malformed(str(error))
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle(self, packet: Control) -> MQTTErrorCode:
        """paho's own handling of one packet. Raises MalformedPacket."""
        if packet.head & 0xF0 == PUBREL and len(packet.body) >= 2:  # of a QoS 2 message that is already safe
            self.acknowledge(PUBCOMP + packet.body[:2])
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        self._in_packet = {
            "command": packet.head,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(packet.body),
            "packet": bytearray(packet.body),
            "to_process": 0,
            "pos": 0,
        }
        try:
            return self._packet_handle()
        except _PAHO_SAYS_MALFORMED as error:
            raise MalformedPacket(f"packet {packet.head:#04x}: {error}") from error


class PlainClient(paho.Client):
    """The same by paho's documented means alone, one message at a time. A full queue may cost it the connection."""

    def hand_to(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._handed = 0
        self.on_message = self._take_in

    def read(self) -> bool:
        for _ in range(_PLAIN_READS):
            before = self._handed
            self.loop_read()
            if self._handed == before:
                return True
        return False

    def acknowledge(self, acks: bytes) -> None:
        for command, mid in struct.iter_unpack("!BxH", acks):
            self.ack(mid, 1 if command == PUBACK[0] else 2)

    def stay_alive_unread(self) -> None:
        self.loop_misc()

    def read_again(self) -> None:
        """paho knows no time without reading."""

    def _take_in(self, _client: paho.Client, _data: Any, got: paho.MQTTMessage) -> None:
        self._handed += 1
        message = Message(got.topic, bytes(got.payload), self._handlers.now_ns())
        if message.topic == self._handlers.aside_topic:
            self._handlers.aside(message)
            return
        acks = (PUBACK if got.qos == 1 else PUBCOMP) + got.mid.to_bytes(2, "big") if got.qos else b""
        self._handlers.published(Published([message], acks, len(message.payload)))


Receiver = BulkClient | PlainClient


@lru_cache
def why_not_bulk() -> str:
    """Empty when this paho can be read in bulk; otherwise what went wrong when that was tried."""
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            return _tried(ours, theirs)
    except (AttributeError, TypeError, KeyError, OSError) as error:
        return f"{type(error).__name__}: {error}"


def _tried(ours: socket.socket, theirs: socket.socket) -> str:
    """Connects, receives and acknowledges one message without a broker."""
    connected: list[Any] = []
    published: list[Published] = []
    client = BulkClient(CallbackAPIVersion.VERSION2, "probe", protocol=paho.MQTTv5, manual_ack=True)
    client.on_connect = lambda *said: connected.append(said)
    client.hand_to(Handlers(published.append, print, print, print, lambda: 0, READ_BYTES))
    ours.setblocking(False)
    client._sock = ours
    theirs.sendall(b"\x20\x03\x00\x00\x00" + b"\x32\x08\x00\x01t\x00\x07\x00hi")
    client.read()
    client.stay_alive_unread()
    client.read_again()
    if not connected or [one.messages for one in published] != [[Message("t", b"hi", 0)]]:
        return "what was read is not what was sent"
    client.acknowledge(published[0].acks)
    theirs.settimeout(1.0)
    sent = theirs.recv(16)
    return "" if sent == bytes([_PINGREQ, 0]) + PUBACK + b"\x00\x07" else "what was acknowledged did not arrive"
