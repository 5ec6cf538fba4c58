"""MQTT packets as bytes, written by the standard and by nothing of ours."""

from __future__ import annotations

from typing import NamedTuple


class Sent(NamedTuple):
    """A message as a broker sends it."""

    topic: str
    payload: bytes
    qos: int = 0
    mid: int = 1
    properties: bytes = b""
    retain: bool = False
    dup: bool = False


def packet(head: int, body: bytes) -> bytes:
    """A control packet: the first byte, the remaining length (1.5.5), the rest."""
    left, length = len(body), bytearray()
    while True:
        left, seven = divmod(left, 128)
        length.append(seven | (128 if left else 0))
        if not left:
            return bytes([head]) + bytes(length) + body


def publish(sent: Sent, *, is_5: bool) -> bytes:
    topic = sent.topic.encode()
    body = len(topic).to_bytes(2, "big") + topic
    if sent.qos:
        body += sent.mid.to_bytes(2, "big")
    if is_5:
        body += packet(0, sent.properties)[1:]  # their length is written like a packet's
    return packet(0x30 | sent.dup << 3 | sent.qos << 1 | sent.retain, body + sent.payload)
