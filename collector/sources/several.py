"""Several sources as one, so that one loop, one decoder and one transaction serve them all.

The site's brokers are waited for; folders are looked into beside them, in turn. A delivery is of one of them, for rows
of files may tell of any time past.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from collector.sources.drop_folder import DropFolder
from collector.sources.source import Delivery, Publishes, Saying, Source


class Several:
    """`main` and what lies in folders. What is said is said by `main`."""

    def __init__(self, main: Source, drops: Sequence[DropFolder]) -> None:
        self._main = main
        self._drops = deque(drops)  # the one whose turn it is comes first
        self._had_rows = False  # the last delivery was of a file

    def receive(self, limit: int, wait_s: float) -> Delivery:
        """A file's rows, then what `main` has, and so on; `main` is waited for only where no file has any.

        Of a file it is half of `limit`: what happens now goes before what was written down.
        """
        if self._had_rows:
            self._had_rows = False
            return self._main.receive(limit, 0.0)
        for _ in range(len(self._drops)):
            rows = self._drops[0].receive(max(1, limit // 2))
            self._drops.rotate(-1)
            if rows.messages or rows.dead or rows.gaps or rows.memories:
                self._had_rows = True
                return rows
        return self._main.receive(limit, wait_s)

    def publish(self, sayings: Sequence[Saying]) -> None:
        if isinstance(self._main, Publishes):
            self._main.publish(sayings)

    def close(self) -> None:
        self._main.close()
