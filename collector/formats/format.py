"""The seam where bytes become readings. A payload format is one file beside this one, found by its name.

A format module offers `Options` (a frozen msgspec struct, what site.toml may say) and `build(options, site) -> Format`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collector.readings import Reading
from collector.sources.source import Message
from collector.spool.ledger import Gap


class BadPayload(Exception):
    """This message cannot be read. The text is the dead letter's reason: what is wrong and the remedy."""


class Decoded(NamedTuple):
    """What one message said, possibly nothing, and which gaps it revealed."""

    readings: Sequence[Reading]
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


class Stateless:
    """For formats that remember nothing."""

    def snapshot(self) -> bytes:
        return b""

    def restore(self, memory: bytes) -> None:
        """Nothing to take up."""
