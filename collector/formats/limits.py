"""How much one message may be: what a broken or hostile sender can make the collector hold at once has an end.

Applied in one place (`collector.decoder`), before a format sees the payload and after it has read it. A message beyond
is a dead letter, kept whole, so that it can be replayed once [limits] was raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.config import Section
from collector.formats.format import BadPayload, Decoded
from collector.sources.source import Message

LONGEST_TOPIC = 1_024  # characters; series, maps and stretches are remembered by topic
LONGEST_NAME = 256  # characters of a metric's, a tag's or a place's name
SHORT_BYTES = 512  # what is no longer cannot be nested so deep that a decoder minds, nor hold too much
_NOT_BRACKETS = bytes(set(range(256)).difference(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class Limits(Section, frozen=True, kw_only=True):
    """The section [limits]. `max_depth` is of JSON; protobuf has 100 of its own."""

    max_message_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=2**28)] = 4 * 2**20
    max_depth: Annotated[int, msgspec.Meta(ge=4, le=400)] = 64
    max_readings: Annotated[int, msgspec.Meta(ge=100, le=10_000_000)] = 50_000

    def check_message(self, message: Message) -> None:
        """Raises BadPayload where no format should look at a message; nothing no longer than SHORT_BYTES is."""
        topic, payload, _ = message
        if len(topic) > LONGEST_TOPIC:
            raise BadPayload(
                f"topic {topic[:60]}...: has {len(topic)} characters, {LONGEST_TOPIC} are the most: rename it"
            )
        if len(payload) > self.max_message_bytes:
            raise BadPayload(
                f"topic {topic}: {len(payload)} bytes, `limits.max_message_bytes` is {self.max_message_bytes}: have "
                "the sender split its messages, or raise it in site.toml and replay this letter"
            )
        if payload[:1] in b"{[ \t\r\n" and self._is_too_deep(payload):
            raise BadPayload(
                f"topic {topic}: nested more than {self.max_depth} deep, which is `limits.max_depth`: "
                "correct the sender, or raise it in site.toml and replay this letter"
            )

    def check_decoded(self, message: Message, decoded: Decoded) -> None:
        """Raises BadPayload where a message said more than may be taken from one."""
        if len(decoded.readings) > self.max_readings:
            raise BadPayload(
                f"topic {message.topic}: holds {len(decoded.readings)} readings, `limits.max_readings` is {self.max_readings}"
                ": have the sender split its messages, or raise it in site.toml and replay this letter"
            )

    def _is_too_deep(self, payload: bytes) -> bool:
        """Whether brackets are nested deeper than allowed. Brackets inside texts are looked at only in doubt."""
        if payload.count(b"{") + payload.count(b"[") <= self.max_depth:
            return False
        return self._nests_deep(payload) and self._nests_deep(_TEXT.sub(b"", payload))

    def _nests_deep(self, payload: bytes) -> bool:
        """Takes away the innermost level `max_depth` times: what then still opens was deeper, or never closes."""
        left = payload.translate(_ONE_KIND, _NOT_BRACKETS)
        for _ in range(self.max_depth):
            less = left.replace(b"{}", b"")
            if len(less) == len(left):
                return left.count(b"{") > self.max_depth
            left = less
        return b"{" in left


def check_names(topic: str, names: Iterable[str]) -> None:
    """Raises BadPayload where a name is longer than anybody reads: formats remember names."""
    for name in names:
        if len(name) > LONGEST_NAME:
            raise BadPayload(
                f"topic {topic}: the name {name[:40]!r}... has {len(name)} characters, {LONGEST_NAME} are the most: "
                "rename it at the sender"
            )


def messages_in(payload: bytes, field: int, most: int) -> int:
    """How often the length-delimited `field` stands at the top level of a protobuf message, no further than `most` + 1.

    For formats that would build an object for each before they could count: an empty one takes 2 bytes to send.
    What is no protobuf is left to the decoder to name.
    """
    tag, at, found = field << 3 | 2, 0, 0
    while at < len(payload) and found <= most:
        key, at = _varint(payload, at)
        kind = key & 7
        length, after = _varint(payload, at) if kind in (0, 2) else ({1: 8, 5: 4}.get(kind, len(payload)), at)
        found += key == tag
        at = after + (0 if kind == 0 else length)
    return found


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    number = shift = 0
    while at < len(payload) and shift < 64:
        number |= (payload[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if payload[at - 1] < 0x80:
            break
    return number, at
