"""The seam where messages come in. Implementations stand beside this file, one each.

A `Delivery` is messages together with the duty they bring: whoever holds it must put the messages on disk and only
then call `acknowledge`. Not calling it means they come again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from collector.spool.ledger import Gap


class Message(NamedTuple):
    """One message as it arrived: topic, payload bytes, and when (site clock, UTC ns)."""

    topic: str
    payload: bytes
    received_ns: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages in order of arrival, with the duty to acknowledge them after they are safe.

    `gaps` are what the source itself knows to be missing. `is_settled`: as far as the source can tell, nothing that was
    sent before this delivery is still on its way; false while it is cut off or works off a backlog.
    """

    messages: Sequence[Message]
    acknowledge: Callable[[], None]
    gaps: Sequence[Gap] = ()
    is_settled: bool = True


class Source(Protocol):
    def receive(self, limit: int, wait_s: float) -> Delivery:
        """Up to `limit` messages; waits up to `wait_s` for the first. Empty when none came."""
        ...

    def close(self) -> None: ...
