"""The seam where the log leaves for a store. A sink is one file beside this one, found by its name.

A sink module offers `Options` (a frozen msgspec struct) and `build(options, folder) -> Sink`; relative paths in options
are resolved against `folder`, the folder of site.toml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

from collector.readings import Series
from collector.rows import rows
from collector.spool.frames import Frame


class SinkUnavailable(Exception):
    """The store cannot take anything now: try all of it again later. `retry_after_s` when the store named a time."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class SinkRejected(Exception):
    """The store took all rows of a parcel but those at `indices`, and never will take those: dead letters."""

    def __init__(self, reason: str, indices: Sequence[int]) -> None:
        super().__init__(reason)
        self.indices = tuple(indices)


class Parcel:
    """Consecutive frames of the log and the catalogue of their series: a sink takes whichever form it stores."""

    def __init__(self, frames: Sequence[Frame], series: Mapping[int, Series]) -> None:
        self.frames = frames
        self.series = series

    @cached_property
    def rows(self) -> Sequence[bytes]:
        """All points as line protocol with times in ns, no newline inside."""
        return [row for frame in self.frames for row in rows(frame, self.series)]


class Sink(Protocol):
    def write(self, parcel: Parcel) -> None:
        """Stores a parcel. Durable on return. Raises SinkUnavailable or SinkRejected (indices into `parcel.rows`)."""
        ...

    def close(self) -> None: ...
