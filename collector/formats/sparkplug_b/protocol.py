"""The words of Sparkplug: who speaks and what kind of message it is, by the topic, and how wide its numbers are.

The one place to touch when 4.0 comes: its namespace, its verbs and the width of `seq` are one more `Version`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from collector.formats.format import BadPayload


class MessageType(StrEnum):
    """The message types that carry an edge node's life and values."""

    NBIRTH = "NBIRTH"
    DBIRTH = "DBIRTH"
    NDATA = "NDATA"
    DDATA = "DDATA"
    NDEATH = "NDEATH"
    DDEATH = "DDEATH"


BIRTHS = frozenset((MessageType.NBIRTH, MessageType.DBIRTH))
DEATHS = frozenset((MessageType.NDEATH, MessageType.DDEATH))
STATE = "STATE"
NODE_COMMAND, DEVICE_COMMAND = "NCMD", "DCMD"
REBIRTH, DEVICE_REBIRTH = "Node Control/Rebirth", "Device Control/Rebirth"
BD_SEQ = "bdSeq"
PROTOCOL_OWN = (BD_SEQ, "Node Control/*", "Device Control/*")  # metrics that measure nothing


class Version(NamedTuple):
    """One version on the wire: its namespace, how many `seq` numbers there are, the verbs that are not for us."""

    namespace: str
    seq_numbers: int
    commands: frozenset[str]


B_3_0 = Version("spBv1.0", 256, frozenset((NODE_COMMAND, DEVICE_COMMAND)))
VERSIONS = {version.namespace: version for version in (B_3_0,)}


class Address(msgspec.Struct, frozen=True, cache_hash=True):
    """Who speaks: `group/edge_node` or `group/edge_node/device` (`device` is "" for the edge node itself)."""

    group: str
    edge_node: str
    device: str = ""

    @property
    def node(self) -> str:
        return f"{self.group}/{self.edge_node}"

    @property
    def name(self) -> str:
        return f"{self.node}/{self.device}" if self.device else self.node


class Spoken(NamedTuple):
    """What a topic says of its message."""

    kind: MessageType
    address: Address
    version: Version


@lru_cache(maxsize=10_000)
def spoken(topic: str) -> Spoken | None:
    """Who says what (Sparkplug 3.0, 4.2); None for commands and host states. Raises BadPayload: an illegal topic, or a
    verb that this version does not have; the message is then kept and booked as a dead letter."""
    levels = topic.split("/")
    version = VERSIONS.get(levels[0])
    if version is None or len(levels) < 3 or not all(levels) or "+" in topic or "#" in topic:
        raise _no_topic()
    if levels[1] == STATE or levels[2] in version.commands:
        return None
    if levels[2] not in MessageType.__members__:
        if not 4 <= len(levels) <= 5:
            raise _no_topic()
        raise BadPayload(
            f"{levels[2][:20]!r} is no message type of {version.namespace}, which has {', '.join(MessageType)}: "
            "correct the sender, or install an Andon that knows it and replay the dead letters"
        )
    kind = MessageType(levels[2])
    if len(levels) != (5 if kind.startswith("D") else 4):
        raise _no_topic()
    return Spoken(kind, Address(levels[1], *levels[3:]), version)


def _no_topic() -> BadPayload:
    return BadPayload(
        f"no Sparkplug B topic, which is {'/'.join(VERSIONS)}/group/type/edge_node and, for DBIRTH, DDATA and DDEATH "
        "only, /device: correct the sender or [[subscribe]] topic"
    )
