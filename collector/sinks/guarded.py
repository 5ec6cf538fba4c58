"""A sink that fails in the ways of the seam and in no other, whatever the one inside does.

A fault of one sink is that sink being down: its cursor stays, the write is tried again, and everybody else goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from collector.sinks.sink import Parcel, Sink, SinkRejected, SinkUnavailable
from collector.spool.connection import PASSING, SpoolError

log = logging.getLogger(__name__)

_SAID_LENGTH = 300


class Guarded:
    """A Sink around another. A fault is logged with its traceback when it begins, not at every try."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name = name
        self._sink = sink
        self._fault = ""  # the kind that was told since the last write that ended as foreseen

    def write(self, parcel: Parcel) -> None:
        """As the sink inside. A damaged spool passes through as SpoolError: the next start mends it."""
        try:
            self._write(parcel)
        except PASSING as error:  # a series is looked up while rows are made
            raise SinkUnavailable(str(error)) from error
        except (SinkUnavailable, SinkRejected):
            self._fault = ""
            raise
        except SpoolError:
            raise
        except Exception as error:
            raise self._unavailable(error) from error
        self._fault = ""

    def close(self) -> None:
        self._sink.close()

    def _write(self, parcel: Parcel) -> None:
        try:
            self._sink.write(parcel)
        except SinkRejected as error:
            raise SinkRejected(str(error), checked(error.indices, len(parcel.rows))) from error

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        """The fault as a sentence; closes the sink, so that the next write begins anew."""
        kind = type(error).__name__
        if kind != self._fault:
            log.error("sink.fault sink=%s", self._name, exc_info=error)
        self._fault = kind
        try:
            self._sink.close()
        except Exception as second:  # noqa: BLE001 what it leaves open must not hide why
            log.warning("sink.not_closed sink=%s reason=%r", self._name, str(second))
        said = " ".join(str(error).split())[:_SAID_LENGTH]
        return SinkUnavailable(
            f"{kind}: {said}: this is a fault of the sink {self._name!r}, please report it with the log's traceback; "
            "nothing is lost, all is tried again"
        )


def checked(indices: Sequence[int], rows: int) -> list[int]:
    """Each index once, in order. Raises ValueError for one that names no row: which row was meant, nobody can tell."""
    outside = [index for index in indices if not 0 <= index < rows]
    if outside:
        raise ValueError(f"it refused row {outside[0]} of {rows}")
    return sorted(set(indices))
