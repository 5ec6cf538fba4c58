"""MQTT control packets cut from a stream of bytes, many PUBLISH packets at a time (MQTT 3.1.1 and 5).

Input: what a socket gave, cut anywhere. Output, in the order of the stream: `Published` (messages with the PUBACKs they
are owed), `Control` (any other packet, whole), `TooLarge` (a PUBLISH whose payload was left out) and `Aside` (what the
broker says of itself). No clock, no socket.
Section numbers are those of the OASIS standard MQTT 5.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from typing import NamedTuple

from collector.sources.source import Message

_message = partial(tuple.__new__, Message)  # from an iterable of its fields: a third of the cost of Message(...)

PUBLISH, PUBREL = 0x30, 0x60
PUBACK, PUBREC, PUBCOMP = b"\x40\x02", b"\x50\x02", b"\x70\x02"  # of two bytes: success in both versions (3.4.2.1)
_NOT_BULK = 0xF4  # head & this == PUBLISH for a PUBLISH of QoS 0 or 1
_QOS = 0x06
_SHORTEST = 5  # no PUBLISH is shorter: two bytes of fixed header, the topic's length, a topic of one byte
_LONGEST_HEAD = 5 + 2 + 65535 + 2  # fixed header, topic and packet identifier
_MOST_TOPICS = 20_000


class MalformedPacket(Exception):
    """The bytes are no MQTT; the connection has to be closed (4.13)."""


class Published(NamedTuple):
    """Messages in order, the PUBACK packets they are owed, and the bytes they came in."""

    messages: list[Message]
    acks: bytes
    size_bytes: int


class Control(NamedTuple):
    """A packet that is for the session: its first byte and all after the fixed header."""

    head: int
    body: bytes


class TooLarge(NamedTuple):
    """A PUBLISH over the limit. `acks`: without its PUBACK the broker would send it again for ever."""

    topic: str
    size_bytes: int
    acks: bytes


class Aside(NamedTuple):
    """A message on the topic that is not the plant's but the broker's own."""

    message: Message


class _Topics(dict[bytes, str]):
    """Topic names decoded once, but for the one aside, which is noticed by never being known.

    A name that is no UTF-8 is kept readable instead of closing the connection (1.5.4): the broker would send the same
    message again after every reconnect.
    """

    def __init__(self, aside: str) -> None:
        self.aside = aside.encode()
        self.met_aside = False

    def __missing__(self, name: bytes) -> str:
        topic = name.decode("utf-8", "backslashreplace")
        if name == self.aside:
            self.met_aside = True
            return topic
        if len(self) >= _MOST_TOPICS:
            self.clear()
        self[name] = topic
        return topic


class PacketReader:
    """Cuts one connection's bytes. `has_properties`: MQTT 5. Packets over `most_bytes` are passed over; messages on the
    topic `aside` (QoS 0) come apart from the others."""

    def __init__(self, *, has_properties: bool, most_bytes: int, aside: str = "") -> None:
        self._has_properties = has_properties
        self._most_bytes = most_bytes
        self._topics = _Topics(aside)
        self._held: list[bytes] = []  # the beginning of a packet whose end has not come
        self._held_bytes = 0
        self._wanted_bytes = 0  # below this it is not worth looking at `_held` again
        self._passing_bytes = 0  # still to come of a packet that is passed over

    def feed(self, data: bytes, received_ns: int) -> Iterator[Published | Control | TooLarge | Aside]:
        """What is complete with these bytes. Raises MalformedPacket, after all before it was yielded."""
        data = self._with_held(self._past_passed_over(data))
        at = 0
        while at < len(data):
            published, at, broken = self._publishes(data, at, received_ns)
            if self._topics.met_aside:
                yield from self._apart(published)
            elif published.messages:
                yield published
            if broken:
                raise MalformedPacket(broken)
            body, end = _extent(data, at)
            if end < 0:
                raise MalformedPacket("a packet's length has more than four bytes")
            if end and end - at > self._most_bytes:
                too_large = self._too_large(data, at, body, end)
                if too_large is None:
                    break
                yield too_large
                self._passing_bytes = max(0, end - len(data))
            elif not end or end > len(data):
                break
            elif data[at] & (0xF0 | _QOS) == PUBLISH | 0x04:
                yield self._of_qos_2(data, body, end, received_ns)
            else:
                yield Control(data[at], data[body:end])
            at = end
        self._hold(data[at:])

    def _past_passed_over(self, data: bytes) -> bytes:
        passed = min(self._passing_bytes, len(data))
        self._passing_bytes -= passed
        return data[passed:]

    def _with_held(self, data: bytes) -> bytes:
        """All that is not yet cut; empty while more has to come before a packet can be whole."""
        if not self._held:
            return data
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes < self._wanted_bytes:
            return b""
        whole = b"".join(self._held)
        self._held = []
        return whole

    def _hold(self, rest: bytes) -> None:
        if rest:
            _, end = _extent(rest, 0)
            wanted = min(end, _LONGEST_HEAD) if end > self._most_bytes else end
            self._held, self._held_bytes = [rest], len(rest)
            self._wanted_bytes = max(wanted, len(rest) + 1)

    def _publishes(self, data: bytes, pos: int, received_ns: int) -> tuple[Published, int, str]:
        """The run of whole PUBLISH packets of QoS 0 and 1 from `pos`, where it ends, and why if it is no MQTT.

        The one loop that every message passes: about 1 us each, so it is not divided.
        """
        topics, most, properties, end = self._topics, self._most_bytes, int(self._has_properties), len(data)
        names, payloads, mids, broken, begin = [], [], [], "", pos
        while pos + _SHORTEST <= end:
            head, size, body = data[pos], data[pos + 1], pos + 2
            if head & _NOT_BULK != PUBLISH:
                break
            if size > 127:
                size += (data[body] << 7) - 128
                body += 1
                if size > 16383:
                    body, stop = _extent(data, pos)
                    if stop <= 0:
                        break
                    size = stop - body
            stop = body + size
            if stop > end or stop - pos > most:
                break
            at = body + 2 + (data[body] << 8 | data[body + 1])
            payload = at + (head & 2) + properties
            if payload > stop or at == body + 2:
                broken = "a PUBLISH is shorter than it says, or its topic is empty"
                break
            if properties and data[payload - 1]:
                payload = _past_properties(data, payload - 1)
                if payload > stop:
                    broken = "the properties of a PUBLISH are longer than the packet"
                    break
            names.append(topics[data[body + 2 : at]])
            payloads.append(data[payload:stop])
            if head & 2:
                mids.append(data[at : at + 2])
            pos = stop
        messages = list(map(_message, zip(names, payloads, repeat(received_ns), strict=False)))
        return Published(messages, PUBACK + PUBACK.join(mids) if mids else b"", pos - begin), pos, broken

    def _apart(self, published: Published) -> Iterator[Published | Aside]:
        self._topics.met_aside = False
        aside = self._topics.aside.decode()
        yield published._replace(messages=[message for message in published.messages if message.topic != aside])
        yield from (Aside(message) for message in published.messages if message.topic == aside)

    def _of_qos_2(self, data: bytes, body: int, end: int, received_ns: int) -> Published:
        """A PUBLISH we never asked for: it is owed a PUBREC, sent like a PUBACK only when it is safe (4.3.3)."""
        at = _name_end(data, body)
        payload = at + 2
        if payload < end and self._has_properties:
            payload = _past_properties(data, payload)
        if payload > end or at == body + 2:
            raise MalformedPacket("a PUBLISH is shorter than it says, or its topic is empty")
        message = Message(self._topics[data[body + 2 : at]], data[payload:end], received_ns)
        return Published([message], PUBREC + data[at : at + 2], end - body)

    def _too_large(self, data: bytes, at: int, body: int, end: int) -> TooLarge | None:
        """What is known of a PUBLISH over the limit, None while even its topic has not come."""
        if data[at] & 0xF0 != PUBLISH:
            raise MalformedPacket(f"a packet of {end - at} bytes that is no PUBLISH")
        if body + 2 > len(data):
            return None
        name_end = _name_end(data, body)
        if name_end + 2 > end:
            raise MalformedPacket("a PUBLISH is shorter than its topic")
        if name_end + 2 > len(data):
            return None
        ack = {0x02: PUBACK, 0x04: PUBREC}.get(data[at] & _QOS)
        owed = ack + data[name_end : name_end + 2] if ack else b""
        return TooLarge(self._topics[data[body + 2 : name_end]], end - at, owed)


def _name_end(data: bytes, body: int) -> int:
    return body + 2 + int.from_bytes(data[body : body + 2], "big")


def _extent(data: bytes, at: int) -> tuple[int, int]:
    """Where the body of the packet at `at` begins and ends (1.5.5); (0, 0) while its length has not come, (-1, -1)
    where it is no length."""
    size, shift = 0, 0
    for pos in range(at + 1, min(at + 5, len(data))):
        size |= (data[pos] & 0x7F) << shift
        if data[pos] < 128:
            return pos + 1, pos + 1 + size
        shift += 7
    return (-1, -1) if len(data) >= at + 5 else (0, 0)


def _past_properties(data: bytes, at: int) -> int:
    """The first byte after the properties whose length stands at `at`; a length that never ends lies past all data."""
    size, shift = 0, 0
    for pos in range(at, min(at + 4, len(data))):
        size |= (data[pos] & 0x7F) << shift
        if data[pos] < 128:
            return pos + 1 + size
        shift += 7
    return len(data) + 1
