"""The seam where bytes become readings. A payload format is one file beside this one, found by its name.

A format module offers `Options` (a frozen msgspec struct, what site.toml may say) and `build(options, site) -> Format`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from collector.intake import Columns
from collector.readings import Equipment, Readings
from collector.sources.source import Message
from collector.spool.ledger import Gap


class BadPayload(Exception):
    """This message cannot be read. The text is the dead letter's reason: what is wrong and the remedy."""


class Decoded(NamedTuple):
    """What one message said, possibly nothing, and which gaps it revealed."""

    readings: Readings = Readings()
    gaps: Sequence[Gap] = ()


class Format(Protocol):
    """Decoding is pure but for the format's own memory; it takes time only from the message."""

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        ...

    def snapshot(self) -> bytes:
        """Memory that must survive a restart (`b""` when there is none); stored in the append's own transaction."""
        ...

    def restore(self, memory: bytes) -> None:
        """Takes up what `snapshot` gave."""
        ...


@runtime_checkable
class ReadsWhole(Protocol):
    """What a Format offers besides, where one message at a time would be too slow for what it reads."""

    def decode_whole(self, messages: Sequence[Message], columns: Columns) -> Iterable[Message]:
        """Adds the readings of all messages that are as they should be to `columns`, in order of arrival.

        Yields each other message when its turn comes, for `decode`; gives the same readings as `decode` would.
        """
        ...


@runtime_checkable
class KnowsPlaces(Protocol):
    """What a Format offers besides, where a topic alone says whose readings its messages carry."""

    def place(self, topic: str) -> Equipment | None:
        """The place as far down as the topic says it, None when not even the line is said; raises nothing."""
        ...


class Stateless:
    """For formats that remember nothing."""

    def snapshot(self) -> bytes:
        return b""

    def restore(self, memory: bytes) -> None:
        """Nothing to take up."""
