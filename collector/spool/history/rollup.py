"""Rollups: what readings came to (how many, their sum, lowest, highest, last), minute by minute or in longer stretches.

Input: Samples, or finer rollups. Only good readings that are numbers count. Stretches begin at whole multiples of
their length since 1970, so a longer one is exactly the sum of its minutes. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S
from collector.spool.history import integers
from collector.spool.history.chunks import DamagedChunk, Samples, sealed, unsealed
from collector.spool.history.integers import Int64s, Integers
from collector.spool.history.values import PackedValues, pack_values, unpack_values

MINUTE_NS = 60 * NS_PER_S
Floats = NDArray[np.float64]
_SUM_DECIMALS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Columns, one row for each stretch with a reading that counts: `at_ns` (its start, rising), `count`, `total`,
    `low`, `high`, `last`."""

    at_ns: Int64s
    count: Int64s
    total: Floats
    low: Floats
    high: Floats
    last: Floats

    def __len__(self) -> int:
        return len(self.at_ns)

    @property
    def mean(self) -> Floats:
        return self.total / self.count

    def within(self, from_ns: int, to_ns: int) -> Rollup:
        """The stretches that begin at or after `from_ns` and before `to_ns`."""
        begin, end = np.searchsorted(self.at_ns, (from_ns, to_ns))
        return self.rows(int(begin), int(end))

    def rows(self, begin: int, end: int) -> Rollup:
        at_ns, count, total, low, high, last = self.columns
        rows = slice(begin, end)
        return Rollup(at_ns[rows], count[rows], total[rows], low[rows], high[rows], last[rows])

    @property
    def columns(self) -> tuple[Int64s, Int64s, Floats, Floats, Floats, Floats]:
        return self.at_ns, self.count, self.total, self.low, self.high, self.last


def rollup(readings: Samples, every_ns: int = MINUTE_NS) -> Rollup:
    """What readings (in order) came to in each stretch of `every_ns`."""
    return each_rollup(readings, np.array([0, len(readings)]), every_ns)[0]


def each_rollup(columns: Samples, begins: Int64s, every_ns: int = MINUTE_NS) -> list[Rollup]:
    """The same for several series at once, the readings of each (in order) from `begins[i]` to `begins[i + 1]`."""
    good = columns.is_good
    if not good.all():
        columns, begins = columns.take(good), np.concatenate(([0], np.cumsum(good)))[begins]
    stretch, value = columns.at_ns // every_ns, columns.value
    is_first = np.empty(len(value) + 1, np.bool_)
    is_first[1:-1] = stretch[1:] != stretch[:-1]
    is_first[begins] = True
    firsts = np.flatnonzero(is_first[:-1])
    if not len(firsts):
        return [NO_ROLLUP] * (len(begins) - 1)
    count = np.diff(firsts, append=len(value))
    whole = Rollup(
        stretch[firsts] * every_ns,
        count,
        _rounded(np.add.reduceat(value, firsts), count),
        np.minimum.reduceat(value, firsts),
        np.maximum.reduceat(value, firsts),
        value[firsts + count - 1],
    )
    return [whole.rows(begin, end) for begin, end in pairwise(np.searchsorted(firsts, begins).tolist())]


NO_ROLLUP = Rollup(np.empty(0, np.int64), np.empty(0, np.int64), *(np.empty(0) for _ in range(4)))


def coarser(parts: Sequence[Rollup], every_ns: int = MINUTE_NS) -> Rollup:
    """Rollups of readings that are in no two parts, as one; of two last values of a stretch that of the later part."""
    at_ns, count, total, low, high, last = (
        np.concatenate(column) for column in zip(*(part.columns for part in (NO_ROLLUP, *parts)), strict=True)
    )
    if not len(at_ns):
        return NO_ROLLUP
    order = np.argsort(at_ns, kind="stable")
    stretch = at_ns[order] // every_ns
    firsts = np.flatnonzero(np.diff(stretch, prepend=stretch[0] - 1))
    ends = np.append(firsts[1:], len(stretch)) - 1
    return Rollup(
        stretch[firsts] * every_ns,
        np.add.reduceat(count[order], firsts),
        np.add.reduceat(total[order], firsts),
        np.minimum.reduceat(low[order], firsts),
        np.maximum.reduceat(high[order], firsts),
        last[order][ends],
    )


class _Packed(msgspec.Struct, frozen=True, array_like=True, tag=1):
    n: int
    minutes: Integers
    count: Integers
    values: PackedValues  # total, low, high and last, one after the other


class _Plain(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The columns as they lie in memory, their bytes sorted by place and deflated."""

    deflated: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Packed | _Plain] = msgspec.msgpack.Decoder(_Packed | _Plain)


def pack(minutes: Rollup) -> bytes:
    """One-minute rollups as bytes with their CRC-32."""
    numbers, counts = integers.pack(minutes.at_ns // MINUTE_NS), integers.pack(minutes.count)
    return sealed(
        _encoder.encode(_Packed(len(minutes), numbers, counts, pack_values(np.concatenate(minutes.columns[2:]))))
    )


def pack_plain(minutes: Rollup) -> bytes:
    """The same in a fifth of the time and four times the room."""
    columns = np.stack([column.view(np.int64) for column in minutes.columns])
    planes = columns.reshape(-1, 1).view(np.uint8).T
    deflate = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return sealed(_encoder.encode(_Plain(deflate.compress(planes.tobytes()) + deflate.flush())))


def unpack(blob: bytes) -> Rollup:
    """One-minute rollups again. Raises DamagedChunk."""
    try:
        (body,) = unsealed(blob)
        packed = _decoder.decode(body)
        return _unpacked_plain(packed) if isinstance(packed, _Plain) else _unpacked(packed)
    except (ValueError, IndexError, zlib.error) as error:
        raise DamagedChunk(f"rollups do not decode ({error})") from error


def _unpacked(packed: _Packed) -> Rollup:
    at_ns = integers.unpack(packed.minutes, packed.n) * MINUTE_NS
    total, low, high, last = unpack_values(packed.values, 4 * packed.n).reshape(4, packed.n)
    return Rollup(at_ns, integers.unpack(packed.count, packed.n), total, low, high, last)


def _unpacked_plain(packed: _Plain) -> Rollup:
    planes = np.frombuffer(zlib.decompress(packed.deflated), np.uint8).reshape(8, -1)
    at_ns, count, *values = np.ascontiguousarray(planes.T).view(np.int64).reshape(6, -1)
    total, low, high, last = (column.view(np.float64) for column in values)
    return Rollup(at_ns, count, total, low, high, last)


def _rounded(total: Floats, count: Int64s) -> Floats:
    """Sums without the errors that summing made, where a short decimal is as near: it takes a quarter of the room."""
    short = np.round(total, _SUM_DECIMALS)
    return np.where(np.abs(short - total) <= np.abs(total) * count * np.finfo(np.float64).eps, short, total)
