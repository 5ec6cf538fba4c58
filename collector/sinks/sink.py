"""The seam where rows leave for a store. A sink is one file beside this one, found by its name.

A sink module offers `Options` (a frozen msgspec struct) and `build(options, folder) -> Sink`; relative paths in options
are resolved against `folder`, the folder of site.toml.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SinkUnavailable(Exception):
    """The store cannot take anything now: try all rows again later. `retry_after_s` when the store named a time."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class SinkRejected(Exception):
    """The store took all rows but those at `indices`, and will never take them: they go to the dead letters."""

    def __init__(self, reason: str, indices: Sequence[int]) -> None:
        super().__init__(reason)
        self.indices = tuple(indices)


class Sink(Protocol):
    def write(self, rows: Sequence[bytes]) -> None:
        """Stores line-protocol rows (no newline inside). Durable on return. Raises SinkUnavailable or SinkRejected."""
        ...

    def close(self) -> None: ...
