"""The seam where bytes become readings. A payload format is one file beside this one, found by its name.

A format module offers `Options` (a frozen msgspec struct, what site.toml may say) and `build(options, site) -> Format`.
It may offer what `collector.recognition` asks: `fits(message) -> float`, how surely a message is of it (0 to 1);
`tags_in(message)`, where it sends tags (`collector.formats.tags`), and `tags_after(messages)`, the same once all of
these were heard, where some name the tags of others; `TOPICS`, the topics it documents as its own, whose levels are no
places, but for those that a bridge puts before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from collector.intake import Columns
from collector.inventory.signals import Signal
from collector.readings import Equipment, Readings
from collector.sources.source import Message, Saying
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Gap


class BadPayload(Exception):
    """This message cannot be read. The text is the dead letter's reason: what is wrong and the remedy."""


class Decoded(NamedTuple):
    """What one message said, possibly nothing, and which gaps it revealed.

    `signals`: what it said of stocks and orders, for the books of `collector.inventory`. `messages`: of how many it is,
    where others had to wait for this one; what limits a message holds for each. `left_out`: names of values that nobody
    described and that are no numbers. `is_waiting`: it says what it has to say when others have come.
    """

    readings: Readings = Readings()
    gaps: Sequence[Gap] = ()
    signals: Sequence[Signal] = ()
    messages: int = 1
    left_out: Sequence[str] = ()
    is_waiting: bool = False


class Due(NamedTuple):
    """What time alone brought: of messages that waited what they said, and what the format itself wants to say."""

    readings: Readings = Readings()
    gaps: Sequence[Gap] = ()
    dead: Sequence[DeadLetter] = ()
    says: Sequence[Saying] = ()


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
class KeepsTime(Protocol):
    """What a Format offers besides, where it must act although nothing arrives, or answers to what it hears.

    What it says is published after what led to it is on disk, and may be lost: a format says it again if need be.
    """

    def due(self, now_ns: int) -> Due:
        """What is due at `now_ns` (site clock, UTC ns); asked after every delivery, the empty ones too."""
        ...


@runtime_checkable
class RemembersInParts(Protocol):
    """What a Format offers besides, where its memory is too large to be written with every append."""

    def parts(self) -> dict[str, bytes]:
        """The memory of `snapshot` by name; a part that nothing changed is the same object as before."""
        ...

    def restore_parts(self, parts: Mapping[str, bytes]) -> None:
        """Takes up what `parts` gave."""
        ...


@runtime_checkable
class Gauges(Protocol):
    """What a Format offers besides, where it counts something of its own."""

    def gauges(self) -> dict[str, float]:
        """Names are those of counters; of several subscriptions they are added up."""
        ...


@runtime_checkable
class KnowsPlaces(Protocol):
    """What a Format offers besides, where a topic alone says whose readings its messages carry."""

    def place(self, topic: str) -> Equipment | None:
        """The place as far down as the topic says it, None when not even the line is said; raises nothing."""
        ...


@runtime_checkable
class SpeaksForCollectors(Protocol):
    """What a Format offers besides, where collectors send: they alone may fill the lines that are Andon's own."""

    collectors_own_lines: bool


class Stateless:
    """For formats that remember nothing."""

    def snapshot(self) -> bytes:
        return b""

    def restore(self, memory: bytes) -> None:
        """Nothing to take up."""
