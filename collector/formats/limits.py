"""How much one message may be: what a broken or hostile sender can make the collector hold at once has an end.

Applied in one place (`collector.decoder`), before a format sees the payload and after it has read it. A message beyond
is a dead letter, kept whole, so that it can be replayed once [limits] was raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import numpy as np

from collector.config import Section
from collector.formats.format import BadPayload, Decoded
from collector.sources.source import Message

LONGEST_TOPIC = 1_024  # characters; series, maps and stretches are remembered by topic
LONGEST_REASON = 2_000  # characters of a dead letter's reason, which may quote what was sent
LONGEST_NAME = 256  # characters of a metric's, a tag's or a place's name
MOST_METRICS = 100_000  # of a protobuf message, before one of them is looked at
SHORT_BYTES = 512  # what is no longer cannot be nested so deep that a decoder minds, nor hold too much
_SEPARATORS = (b",", b";", b"\n", b"\t")  # 4 MB of any binary hold 65,000 by chance
_NO_STEPS = bytes(set(range(256)).difference(b'[]{}"'))
_STEPS = bytes.maketrans(b'[{]}"', b"\x01\x01\xff\xff\x00")  # into, out of, and a text's edge


class Limits(Section, frozen=True, kw_only=True):
    """The section [limits]. `max_depth` is of JSON; protobuf has 100 of its own.

    `max_values`: what separators part in a text, and the readings of a message of any kind.
    """

    max_message_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=2**28)] = 4 * 2**20
    max_depth: Annotated[int, msgspec.Meta(ge=4, le=400)] = 64
    max_values: Annotated[int, msgspec.Meta(ge=100, le=10_000_000)] = 100_000

    def check_payload(self, message: Message) -> None:
        """Raises BadPayload where no format should look at a payload; one within SHORT_BYTES need not be checked."""
        topic, payload, _ = message
        if len(payload) > self.max_message_bytes:
            raise BadPayload(
                f"topic {topic}: {len(payload)} bytes, `limits.max_message_bytes` is {self.max_message_bytes}: have "
                "the sender split its messages, or raise it in site.toml and replay this letter"
            )
        if len(payload) > self.max_values and sum(map(payload.count, _SEPARATORS)) > self.max_values:
            raise self._too_many(topic)
        if payload[:1] in b"{[ \t\r\n" and self._is_too_deep(payload):
            raise BadPayload(
                f"topic {topic}: nested more than {self.max_depth} deep, which is `limits.max_depth`: "
                "correct the sender, or raise it in site.toml and replay this letter"
            )

    def check_decoded(self, message: Message, decoded: Decoded) -> None:
        """Raises BadPayload where a message said more than may be taken from one."""
        if len(decoded.readings) > self.max_values * decoded.messages:
            raise self._too_many(message.topic)

    def _too_many(self, topic: str) -> BadPayload:
        return BadPayload(
            f"topic {topic}: holds more than {self.max_values} values, which is `limits.max_values`: have the sender "
            "split its messages, or raise it in site.toml and replay this letter"
        )

    def _is_too_deep(self, payload: bytes) -> bool:
        """Whether brackets outside of texts are nested deeper than allowed."""
        if payload.count(b"{") + payload.count(b"[") <= self.max_depth:
            return False
        if b"\\" in payload:
            payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
        steps = np.frombuffer(payload.translate(_STEPS, _NO_STEPS), np.int8)
        is_text = np.cumsum(steps == 0, dtype=np.int32) & 1
        return int(np.cumsum(np.where(is_text, 0, steps), dtype=np.int32).max()) > self.max_depth


def short_reason(reason: str) -> str:
    """A dead letter's reason as people read it: of one that quotes a lot, the beginning and the end with the remedy."""
    if len(reason) <= LONGEST_REASON:
        return reason
    half = LONGEST_REASON // 2
    return f"{reason[:half]} ... {reason[-half:]}"


def check_topic(topic: str) -> None:
    """Raises BadPayload for a topic nobody should remember; asked once for each topic."""
    if len(topic) > LONGEST_TOPIC:
        raise BadPayload(
            f"topic {topic[:60]}...: has {len(topic)} characters, {LONGEST_TOPIC} are the most: rename it at the sender"
        )


def check_names(where: str, names: Iterable[str]) -> None:
    """Raises BadPayload, saying `where`, for a name longer than anybody reads: formats remember names."""
    for name in names:
        if len(name) > LONGEST_NAME:
            raise BadPayload(
                f"{where}: the name {name[:40]!r}... has {len(name)} characters, {LONGEST_NAME} are the most: "
                "rename it at the sender"
            )


def has_more_than(most: int, field: int, payload: bytes) -> bool:
    """Whether the length-delimited `field` stands more than `most` times at the top level of a protobuf message.

    For formats that would build an object for each before they could count: an empty one takes 2 bytes to send. Costs
    nothing where the payload has no room for so many; what is no protobuf is left to the decoder to name.
    """
    if len(payload) <= 2 * most:
        return False
    tag, at, found = field << 3 | 2, 0, 0
    while at < len(payload) and found <= most:
        key, at = _varint(payload, at)
        kind = key & 7
        length, after = _varint(payload, at) if kind in (0, 2) else ({1: 8, 5: 4}.get(kind, len(payload)), at)
        found += key == tag
        at = after + (0 if kind == 0 else length)
    return found > most


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    number = shift = 0
    while at < len(payload) and shift < 64:
        number |= (payload[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if payload[at - 1] < 0x80:
            break
    return number, at
