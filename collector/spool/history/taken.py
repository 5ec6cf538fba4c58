"""What a step of the historian takes: readings of many series as columns, sorted by series, and their bytes on disk.

For one series the readings stand in the order they were taken in, so that of a repeat the last is known. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Quality
from collector.spool.history.chunks import NOTHING, DamagedChunk, Samples, in_a_row, in_order, sealed, unsealed

BUCKET = 32  # series whose rows lie together in the tail


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Samples by series: `ids` int32[k] rising, those of each from `begins[i]` to `begins[i + 1]` of `columns`."""

    ids: NDArray[np.int32]
    begins: NDArray[np.int64]
    columns: Samples

    def of(self, series: int) -> Samples | None:
        """A series' readings in the order they were taken in, None where there are none."""
        i = int(np.searchsorted(self.ids, series))
        if i == len(self.ids) or self.ids[i] != series:
            return None
        return self.columns.take(slice(int(self.begins[i]), int(self.begins[i + 1])))

    def by_series(self) -> Iterator[tuple[int, Samples]]:
        """Every series with its readings, in the order they were taken in."""
        for series, (begin, end) in zip(self.ids.tolist(), pairwise(self.begins.tolist()), strict=True):
            yield series, self.columns.take(slice(begin, end))

    def in_order(self) -> Taken:
        """The same, the readings of each series in order of time without repeats (see `chunks.in_order`)."""
        at_ns = self.columns.at_ns
        rises = np.append(at_ns[1:] > at_ns[:-1], True)
        rises[self.begins[1:] - 1] = True
        if rises.all():
            return self
        disorderly = set((np.searchsorted(self.begins, np.flatnonzero(~rises), side="right") - 1).tolist())
        parts = [in_order(one) if i in disorderly else one for i, (_, one) in enumerate(self.by_series())]
        begins = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
        return Taken(self.ids, begins, in_a_row(parts))

    def buckets(self) -> Iterator[tuple[int, Taken]]:
        """The same, cut at the buckets' edges."""
        bucket = self.ids // BUCKET
        edges = [0, *(np.flatnonzero(np.diff(bucket)) + 1).tolist(), len(bucket)]
        for first, last in pairwise(edges):
            begins = self.begins[first : last + 1]
            rows = slice(int(begins[0]), int(begins[-1]))
            yield int(bucket[first]), Taken(self.ids[first:last], begins - begins[0], self.columns.take(rows))


def taken(batches: Sequence[Batch]) -> Taken | None:
    """All readings of the batches whose time can be right, by series; None where there are none."""
    series, at_ns, value, quality = (
        np.concatenate(column) for column in zip(*(batch.columns[:4] for batch in batches), strict=True)
    )
    doubtful = (quality & ~np.uint8(Quality.HISTORICAL)) == Quality.CLOCK
    if doubtful.any():
        series, at_ns, value, quality = (column[~doubtful] for column in (series, at_ns, value, quality))
    if not len(series):
        return None
    return _by_series(series, Samples(at_ns, value, quality))


def together(parts: Sequence[Taken]) -> Taken:
    """Several takes as one, the earlier before the later."""
    if not parts:
        return Taken(np.empty(0, np.int32), np.zeros(1, np.int64), NOTHING)
    series = np.concatenate([np.repeat(part.ids, np.diff(part.begins)) for part in parts])
    return _by_series(series, in_a_row([part.columns for part in parts]))


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    """Columns as they lie in memory; times as `first_ns` + unit_ns * uint32, or all 8 bytes where unit_ns is 0;
    `quality` is empty where all are good."""

    ids: bytes
    counts: bytes
    first_ns: int
    unit_ns: int
    at: bytes
    value: bytes
    quality: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)
_UNITS_NS = (1_000_000_000, 1_000_000, 1_000)
_PIECE = 64  # times that a first look takes


def pack(part: Taken) -> bytes:
    """A take as bytes with their CRC-32; little is spent on making them fewer, they are soon folded."""
    counts = np.diff(part.begins).astype("<u4").tobytes()
    quality = part.columns.quality
    first_ns, unit_ns, at = _narrow(part.columns.at_ns)
    packed = _Packed(
        part.ids.astype("<i4", copy=False).tobytes(),
        counts,
        first_ns,
        unit_ns,
        at,
        part.columns.value.astype("<f8", copy=False).tobytes(),
        quality.tobytes() if quality.any() else b"",
    )
    return sealed(_encoder.encode(packed))


def unpack(blob: bytes) -> Taken:
    """A take again; its columns are views of `blob`. Raises DamagedChunk."""
    try:
        (body,) = unsealed(blob)
        packed = _decoder.decode(body)
        ids = np.frombuffer(packed.ids, "<i4")
        begins = np.concatenate(([0], np.cumsum(np.frombuffer(packed.counts, "<u4"), dtype=np.int64)))
        value = np.frombuffer(packed.value, "<f8")
        quality = np.frombuffer(packed.quality, np.uint8) if packed.quality else np.zeros(len(value), np.uint8)
        at_ns = _widen(packed)
        if not len(ids) + 1 == len(begins) or not len(at_ns) == len(value) == len(quality) == begins[-1]:
            raise ValueError("its columns differ in length")
        return Taken(ids, begins, Samples(at_ns, value, quality))
    except ValueError as error:
        raise DamagedChunk(f"a row of history's tail does not decode ({error})") from error


def _narrow(at_ns: NDArray[np.int64]) -> tuple[int, int, bytes]:
    first_ns, last_ns = int(at_ns.min()), int(at_ns.max())
    since = at_ns - np.int64(first_ns)
    for unit_ns in _UNITS_NS:
        if (last_ns - first_ns) // unit_ns < 1 << 32 and not (since[:_PIECE] % unit_ns).any():
            whole = since // unit_ns
            if (whole * unit_ns == since).all():
                return first_ns, unit_ns, whole.astype("<u4").tobytes()
    return 0, 0, at_ns.astype("<i8", copy=False).tobytes()


def _widen(packed: _Packed) -> NDArray[np.int64]:
    if not packed.unit_ns:
        return np.frombuffer(packed.at, "<i8")
    return np.frombuffer(packed.at, "<u4") * np.int64(packed.unit_ns) + np.int64(packed.first_ns)


def _by_series(series: NDArray[np.int32], columns: Samples) -> Taken:
    low = series.min()
    key = series - low if series.max() - low >= 1 << 16 else (series - low).astype(np.uint16)  # 16 bits sort faster
    order = np.argsort(key, kind="stable")
    series = series[order]
    begins = np.flatnonzero(np.diff(series, prepend=series[:1] - 1))
    return Taken(series[begins], np.append(begins, len(series)), columns.take(order))
