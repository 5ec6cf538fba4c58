"""The site's clock, passed in wherever time is asked for. Thinking never asks: it is told.

`now_ns` stamps a message when it is received. `settled_ns` is the time up to which nothing is still on its way:
`collector.pump` writes a tick into the log when it passes the next tick, and only ticks and readings move a detector.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from collector.readings import NS_PER_S

_NO_EARLIER_NS = 1_600_000_000 * NS_PER_S  # 2020: whoever says less has no clock


class Clock(Protocol):
    def now_ns(self) -> int: ...
    def settled_ns(self) -> int: ...
    def saw(self, at_ns: int) -> None: ...


@dataclass(slots=True)
class WallClock:
    """A live site: the machine's UTC time; messages may be `lateness_s` on their way."""

    lateness_s: float = 2.0

    def now_ns(self) -> int:
        return time.time_ns()

    def settled_ns(self) -> int:
        return time.time_ns() - int(self.lateness_s * NS_PER_S)

    def is_set(self) -> bool:
        """False on a machine without a battery clock that has not heard of the time yet."""
        return time.time_ns() > _NO_EARLIER_NS

    def saw(self, at_ns: int) -> None:
        """Readings do not move the wall."""


@dataclass(slots=True)
class MessageClock:
    """A recording: as late as the latest reading seen. After a restart it goes on where it stood."""

    at_ns: int = 0

    def now_ns(self) -> int:
        return time.time_ns()

    def settled_ns(self) -> int:
        return self.at_ns

    def saw(self, at_ns: int) -> None:
        self.at_ns = max(self.at_ns, at_ns)


@dataclass(slots=True)
class PlantClock:
    """A published plant in this process: the publisher sets the time, and says when all before it has been stored."""

    _now_ns: int = 0
    _settled_ns: int = field(default=0)

    def now_ns(self) -> int:
        return self._now_ns

    def settled_ns(self) -> int:
        return self._settled_ns

    def saw(self, at_ns: int) -> None:
        """Readings do not move the plant's clock; its publisher does."""

    def publish_at(self, at_ns: int) -> None:
        """Messages of this instant go out now."""
        self._now_ns = max(self._now_ns, at_ns)

    def settle(self, at_ns: int) -> None:
        """Everything published before `at_ns` is known to be in the log."""
        self.publish_at(at_ns)
        self._settled_ns = max(self._settled_ns, at_ns)
