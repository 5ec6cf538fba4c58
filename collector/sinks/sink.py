"""The seam where the log leaves for a store. A sink is one file beside this one, found by its name.

A sink module offers `Options` (a frozen msgspec struct) and `build(options, folder) -> Sink`; relative paths in options
are resolved against `folder`, the folder of site.toml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol, runtime_checkable

from collector.readings import Series
from collector.rows import RowEncoder
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
    """Consecutive frames of the log and the catalogue of their series: a sink takes whichever form it stores.

    `log` is the name of that log, for sinks whose other side counts offsets: a spool begun anew counts from 1 again.
    `settled`: at or before this offset nothing of it will come any more, for this sink all of that is delivered.
    `encoder`: one that has met the log's series before is faster.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        series: Mapping[int, Series],
        *,
        log: str = "",
        settled: int = 0,
        encoder: RowEncoder | None = None,
    ) -> None:
        self.frames = frames
        self.series = series
        self.log = log
        self.settled = settled
        self._encoder = encoder or RowEncoder(series)

    @classmethod
    def of_rows(cls, rows: Sequence[bytes]) -> Parcel:
        """Rows whose frames are no longer at hand, for sinks that look at nothing else."""
        parcel = cls([], {})
        parcel.body = b"\n".join(rows)
        return parcel

    @cached_property
    def body(self) -> bytes:
        """All points as lines of line protocol with times in ns, no newline at the end; `b""` when there are none."""
        return b"\n".join(filter(None, map(self._encoder.body, self.frames)))

    @cached_property
    def rows(self) -> Sequence[bytes]:
        """The lines of `body`, one by one."""
        return self.body.split(b"\n") if self.body else []


class Sink(Protocol):
    def write(self, parcel: Parcel) -> None:
        """Stores a parcel. Durable on return. Raises SinkUnavailable or SinkRejected (indices into `parcel.rows`)."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TakesRows(Protocol):
    """A Sink that refuses rows and can be offered them once more, as they are: what it stores is rows."""

    def write_rows(self, rows: Sequence[bytes]) -> None:
        """Durable on return. Raises SinkUnavailable or SinkRejected (indices into `rows`)."""
        ...
