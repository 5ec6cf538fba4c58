"""MQTT control packets of 3.1.1 and 5 as the checks need them, read anew and not by the collector's own reader.

Section numbers are those of the OASIS standard MQTT 5.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import msgspec

_SESSION_EXPIRY = 0x11
_PROPERTY_BYTES = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}  # of fixed width, 2.2.2.2; the others begin with their length


class Kind(IntEnum):
    """The types of 2.1.2, and what a tap notes of the connection itself."""

    CLOSED = 0
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    DISCONNECT = 14
    OTHER = 15


class Publication(msgspec.Struct, frozen=True):
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Body(msgspec.Struct, frozen=True):
    """What a packet says; fields it does not have are as here. `level` 4 is MQTT 3.1.1, 5 is 5; `code` of CONNACK and
    DISCONNECT; `published` of PUBLISH, and of CONNECT its will; `expiry_s` as an MQTT 5 CONNECT says it, 0 without."""

    kind: Kind
    client_id: str = ""
    level: int = 0
    is_clean: bool = False
    expiry_s: int = 0
    published: Publication | None = None
    filters: tuple[str, ...] = ()
    code: int = 0


class Cutter:
    """Cuts the bytes of one direction of a connection into packets, however they arrive."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The first byte and the body of each packet that is whole now."""
        self._bytes += data
        while (ends := _ends(self._bytes)) is not None:
            begin, end = ends
            head, body = self._bytes[0], bytes(self._bytes[begin:end])
            del self._bytes[:end]
            yield head, body


def read(head: int, body: bytes, level: int) -> Body:
    """A packet's meaning; `level` is that of its connection, 0 where that is not known yet."""
    match head >> 4:
        case Kind.CONNECT:
            return _connect(_Reader(body))
        case Kind.PUBLISH:
            return Body(Kind.PUBLISH, published=_publish(head, _Reader(body), level))
        case Kind.SUBSCRIBE:
            return Body(Kind.SUBSCRIBE, filters=tuple(_filters(_Reader(body), level)))
        case Kind.CONNACK:
            return Body(Kind.CONNACK, code=body[1])
        case Kind.DISCONNECT:
            return Body(Kind.DISCONNECT, code=body[0] if body else 0)
        case kind if kind in Kind.__members__.values():
            return Body(Kind(kind))
    return Body(Kind.OTHER)


def _ends(data: bytearray) -> tuple[int, int] | None:
    """Where the first packet's body begins and ends (1.5.5), None while it is not whole."""
    size, shift = 0, 0
    for at in range(1, min(len(data), 5)):
        size |= (data[at] & 0x7F) << shift
        shift += 7
        if data[at] < 0x80:
            return (at + 1, at + 1 + size) if len(data) > at + size else None
    return None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def field(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.field().decode()

    def variable(self) -> int:
        size, shift = 0, 0
        while True:
            byte = self.number(1)
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return size

    def properties(self) -> dict[int, int]:
        """Those that are numbers; the others are passed over."""
        end = self.variable() + self._at
        found: dict[int, int] = {}
        while self._at < end:
            name = self.number(1)
            if name in _PROPERTY_BYTES:
                found[name] = self.number(_PROPERTY_BYTES[name])
            elif name == 0x0B:
                found[name] = self.variable()
            else:
                self.field()
                if name == 0x26:  # a user property is a pair
                    self.field()
        return found

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    @property
    def is_read(self) -> bool:
        return self._at >= len(self._data)


def _connect(reader: _Reader) -> Body:
    reader.text()
    level, flags = reader.number(1), reader.number(1)
    reader.number(2)
    properties = reader.properties() if level == 5 else {}
    client_id = reader.text()
    will = _will(reader, flags, level) if flags & 0x04 else None
    return Body(
        Kind.CONNECT,
        client_id=client_id,
        level=level,
        is_clean=bool(flags & 0x02),
        expiry_s=properties.get(_SESSION_EXPIRY, 0),
        published=will,
    )


def _will(reader: _Reader, flags: int, level: int) -> Publication:
    if level == 5:
        reader.properties()
    return Publication(reader.text(), reader.field(), flags >> 3 & 0x03, bool(flags & 0x20))


def _publish(head: int, reader: _Reader, level: int) -> Publication:
    topic, qos = reader.text(), head >> 1 & 0x03
    if qos:
        reader.number(2)
    if level == 5:
        reader.properties()
    return Publication(topic, reader.rest(), qos, bool(head & 0x01))


def _filters(reader: _Reader, level: int) -> Iterator[str]:
    reader.number(2)
    if level == 5:
        reader.properties()
    while not reader.is_read:
        yield reader.text()
        reader.number(1)
