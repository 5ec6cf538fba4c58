"""The seam where messages come in. Implementations stand beside this file, one each.

A `Delivery` is messages together with the duty they bring: whoever holds it must put the messages on disk and only
then call `acknowledge`. Not calling it means they come again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from collector.spool.dead import DeadLetter
from collector.spool.ledger import Gap


class Message(NamedTuple):
    """One message as it arrived: topic, payload bytes, and when (site clock, UTC ns)."""

    topic: str
    payload: bytes
    received_ns: int


class Saying(NamedTuple):
    """One message to be published."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages in order of arrival, with the duty to acknowledge them after they are safe.

    `gaps` are what the source itself knows to be missing. `is_settled`: as far as the source can tell, nothing that was
    sent before this delivery is still on its way; false while it is cut off or works off a backlog. `dead`: what the
    source could not make messages of. `memories`: what it has to remember once the messages are safe, by name.
    `is_history`: a message may tell of any time past, as rows of files do.
    """

    messages: Sequence[Message]
    acknowledge: Callable[[], None]
    gaps: Sequence[Gap] = ()
    is_settled: bool = True
    dead: Sequence[DeadLetter] = ()
    memories: Mapping[str, bytes] = field(default_factory=dict)
    is_history: bool = False


class Source(Protocol):
    def receive(self, limit: int, wait_s: float) -> Delivery:
        """Up to `limit` messages; waits up to `wait_s` for the first. Empty when none came."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Publishes(Protocol):
    """What a Source offers besides, where it can also speak."""

    def publish(self, sayings: Sequence[Saying]) -> None:
        """Has the messages sent to the brokers that are asked for their topics, for there are those who wait for them;
        what cannot be sent now is dropped and counted."""
        ...


class Presence(Protocol):
    """Who is announced on a broker as being there, under a topic of its own. Pure: what is said at which instant."""

    topic: str

    def will(self, connected_ns: int) -> Saying:
        """What the broker says for us when the connection is cut."""
        ...

    def birth(self, connected_ns: int) -> Saying:
        """What is said once the connection is subscribed."""
        ...

    def death(self, at_ns: int) -> Saying:
        """What is said before a clean end."""
        ...
