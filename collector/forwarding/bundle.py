"""Frames of a log that can leave their spool: readings with their series, offsets and both clocks, as bytes.

Input: a `Parcel`'s frames. Output: bytes for another site's collector (`mqtt_forward`) or for a journal on disk
(`parquet`). Readings and gaps travel; ticks, controls and records are only counted, as offsets without readings. The
layout is one version byte, then zlib (whose checksum tells damage) over msgpack; columns are little-endian, times as
differences.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.forwarding.coverage import Coverage
from collector.readings import Batch, Series
from collector.sinks.sink import Parcel
from collector.spool.frames import Frame
from collector.spool.ledger import Gap

VERSION = 1
MOST_BYTES = 64_000_000  # unpacked; a message that claims more is not one of ours
_COLUMNS = (("<i4", False), ("<i8", True), ("<f8", False), ("u1", False), ("<i8", True))  # and: as differences


class BadBundle(ValueError):
    """These bytes are no bundle this version reads."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One frame of the log: its offset and how many of the bundle's readings are its."""

    offset: int
    readings: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything of the log `log` past `after` up to and with `through`. `batch.series` counts into `series`."""

    origin: str
    log: str
    after: int
    through: int
    settled: int
    entries: tuple[Entry, ...]
    series: tuple[Series, ...]
    batch: Batch
    gaps: tuple[tuple[int, Gap], ...]  # the offset of each and what its gateway knows to be missing

    def unseen(self, seen: Coverage) -> Bundle:
        """The same stretch of the log without the frames that were seen before."""
        goes = [seen.has(entry.offset) for entry in self.entries]
        gaps = tuple((offset, gap) for offset, gap in self.gaps if not seen.has(offset))
        if not any(goes) and len(gaps) == len(self.gaps):
            return self
        stays: NDArray[np.bool_] = np.repeat(np.logical_not(goes), [entry.readings for entry in self.entries])
        entries = tuple(entry for entry, gone in zip(self.entries, goes, strict=True) if not gone)
        return replace(self, entries=entries, gaps=gaps, batch=self.batch.take(stays))


class _Wire(msgspec.Struct, frozen=True, array_like=True):
    origin: str
    log: str
    after: int
    through: int
    settled: int
    entries: tuple[Entry, ...]
    series: tuple[Series, ...]
    columns: tuple[bytes, bytes, bytes, bytes, bytes]
    gaps: tuple[tuple[int, Gap], ...]


_LARGEST = 2**62  # of offsets, counts and instants (ns): what a spool can hold, with room to add

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def bundles(parcel: Parcel, origin: str, most_readings: int) -> Iterator[Bundle]:
    """A parcel in bundles of about `most_readings`, in order; together they cover its offsets, frames stay whole.

    A leap in the offsets (frames were evicted) is between two bundles, so that nobody takes it for covered.
    """
    frames, held = list[Frame](), 0
    for frame in parcel.frames:
        size = len(frame.body) if isinstance(frame.body, Batch) else 0
        leaps = bool(frames) and frame.offset != frames[-1].offset + 1
        if leaps or (held and size and held + size > most_readings):
            yield _bundle(parcel, origin, frames)
            frames, held = [], 0
        frames.append(frame)
        held += size
    yield _bundle(parcel, origin, frames)


def pack(bundle: Bundle) -> bytes:
    columns = tuple(_shuffled(column, *how) for column, how in zip(bundle.batch.columns, _COLUMNS, strict=True))
    wire = _Wire(
        bundle.origin,
        bundle.log,
        bundle.after,
        bundle.through,
        bundle.settled,
        bundle.entries,
        bundle.series,
        columns,  # type: ignore[arg-type]
        bundle.gaps,
    )
    return bytes((VERSION,)) + zlib.compress(_encoder.encode(wire), level=1)


def unpack(packed: bytes) -> Bundle:
    """Raises BadBundle, with what is wrong."""
    if not packed or packed[0] != VERSION:
        raise BadBundle(f"it is of version {packed[0]}, this one reads {VERSION}" if packed else "it is empty")
    try:
        inflate = zlib.decompressobj()
        wire = _decoder.decode(inflate.decompress(packed[1:], MOST_BYTES))
        if not inflate.eof or inflate.unused_data:
            raise ValueError("its end is missing, or more follows")
        return _checked(wire)
    except (zlib.error, ValueError, RecursionError) as error:
        raise BadBundle(f"it is damaged ({error})") from error


def _bundle(parcel: Parcel, origin: str, frames: list[Frame]) -> Bundle:
    batches = [(frame.offset, frame.body) for frame in frames if isinstance(frame.body, Batch)]
    entries = tuple(Entry(offset, len(batch)) for offset, batch in batches)
    batch = _joined([batch for _, batch in batches])
    ids, numbers = np.unique(batch.series, return_inverse=True)
    return Bundle(
        origin=origin,
        log=parcel.log,
        after=frames[0].offset - 1,
        through=frames[-1].offset,
        settled=parcel.settled,
        entries=entries,
        series=_series(ids, parcel.series),
        batch=batch.with_series(numbers.astype(np.int32)),
        gaps=tuple((frame.offset, frame.body) for frame in frames if isinstance(frame.body, Gap)),
    )


def _series(ids: NDArray[np.int32], catalog: Mapping[int, Series]) -> tuple[Series, ...]:
    return tuple(catalog[id_] for id_ in ids.tolist())


def _joined(batches: list[Batch]) -> Batch:
    columns = zip(*(batch.columns for batch in batches), strict=True) if batches else ()
    joined: list[NDArray[Any]] = [np.concatenate(parts) for parts in columns]
    return Batch(*joined) if joined else Batch(*(np.zeros(0, np.dtype(dtype)) for dtype, _ in _COLUMNS))


def _checked(wire: _Wire) -> Bundle:
    """The bundle, if its parts agree with each other. Raises ValueError."""
    n = sum(entry.readings for entry in wire.entries)
    batch = Batch(*(_straight(raw, n, *how) for raw, how in zip(wire.columns, _COLUMNS, strict=True)))
    offsets = [entry.offset for entry in wire.entries]
    in_order = all(a < b for a, b in zip([wire.after, *offsets], [*offsets, wire.through + 1], strict=True))
    if not in_order or wire.after < 0 or any(entry.readings < 1 for entry in wire.entries):
        raise ValueError("its offsets do not rise")
    if n and not 0 <= int(batch.series.min()) <= int(batch.series.max()) < len(wire.series):
        raise ValueError("a reading has no series")
    if not (wire.through <= _LARGEST and 0 <= wire.settled <= _LARGEST):
        raise ValueError("its offsets are beyond any log")
    if not all(_is_bookable(gap) for _, gap in wire.gaps):
        raise ValueError("a gap of it has a time or a number that nobody can book")
    return Bundle(
        wire.origin, wire.log, wire.after, wire.through, wire.settled, wire.entries, wire.series, batch, wire.gaps
    )


def _is_bookable(gap: Gap) -> bool:
    return 0 <= gap.missing <= _LARGEST and -_LARGEST <= gap.from_ns <= gap.to_ns <= _LARGEST


def _shuffled(column: NDArray[Any], dtype: str, as_differences: bool) -> bytes:
    """A column's bytes, the first of all values together, then the second, and so on: that compresses well."""
    values = np.diff(column, prepend=column.dtype.type(0)) if as_differences else column
    planes = np.ascontiguousarray(values, dtype).view(np.uint8).reshape(len(values), np.dtype(dtype).itemsize)
    return planes.T.tobytes()


def _straight(raw: bytes, n: int, dtype: str, as_differences: bool) -> NDArray[Any]:
    width = np.dtype(dtype).itemsize
    if len(raw) != n * width:
        raise ValueError("its columns differ in length")
    planes = np.frombuffer(raw, np.uint8).reshape(width, n)
    values = np.ascontiguousarray(planes.T).view(dtype).reshape(n).astype(np.dtype(dtype).newbyteorder("="))
    return np.cumsum(values, dtype=values.dtype) if as_differences else values
