"""Several sources as one, so that one loop, one decoder and one transaction serve them all.

The site's brokers are waited for; folders are looked into beside them. A delivery may hold messages of all, and is
acknowledged to all.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.sources.drop_folder import DropFolder
from collector.sources.source import Delivery, Publishes, Saying, Source


class Several:
    """`main` and what lies in folders. What is said is said by `main`."""

    def __init__(self, main: Source, drops: Sequence[DropFolder]) -> None:
        self._main = main
        self._drops = drops

    def receive(self, limit: int, wait_s: float) -> Delivery:
        """Files first, in turn, then what `main` has; it is waited for only where there was no row."""
        parts: list[Delivery] = []
        left = limit
        for drop in self._drops:
            parts.append(drop.receive(max(1, left // 2)))
            left -= len(parts[-1].messages)
        has_rows = any(part.messages or part.gaps or part.memories for part in parts)
        main = self._main.receive(max(1, left), 0.0 if has_rows else wait_s)
        if not has_rows:
            return main
        parts.append(main)
        return Delivery(
            [message for part in parts for message in part.messages],
            lambda: _acknowledge(parts),
            [gap for part in parts for gap in part.gaps],
            main.is_settled,
            [letter for part in parts for letter in part.dead],
            {name: body for part in parts for name, body in part.memories.items()},
        )

    def publish(self, sayings: Sequence[Saying]) -> None:
        if isinstance(self._main, Publishes):
            self._main.publish(sayings)

    def close(self) -> None:
        self._main.close()


def _acknowledge(parts: Sequence[Delivery]) -> None:
    for part in parts:
        part.acknowledge()
