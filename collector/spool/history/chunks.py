"""Chunks of history: the readings of one series over a stretch of time, in few bytes and exactly as they were.

Input: `Samples`, sorted by time without repeats. Output: bytes with their CRC-32; chunks that follow each other are
joined by joining their bytes. Each column is packed by what fits it: times as offsets from their own rhythm in the
coarsest exact unit; values as whole numbers where they are decimals, as places in a list where they are few, else as
the bits of the floats. Pure.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import AndonError
from collector.readings import NS_PER_S, Quality
from collector.spool.history import integers
from collector.spool.history.integers import Int64s, Integers
from collector.spool.history.values import PackedValues, pack_values, unpack_values

_UNITS_NS = (60 * NS_PER_S, NS_PER_S, 1_000_000, 1_000, 1)
_PIECE = 64  # times that a first look takes
_HEAD = Struct("<II")


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Columns of one series: `at_ns` int64[n] (UTC ns, rising), `value` float64[n], `quality` uint8[n]."""

    at_ns: Int64s
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.at_ns)

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Samples:
        return Samples(self.at_ns[index], self.value[index], self.quality[index])

    @property
    def is_good(self) -> NDArray[np.bool_]:
        """Which of them a mean may count: of good quality (whether historical or not) and a number."""
        good: NDArray[np.bool_] = (self.quality & ~np.uint8(Quality.HISTORICAL)) == Quality.GOOD
        return np.isfinite(self.value, out=good, where=good)


NOTHING = Samples(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8))


class DamagedChunk(AndonError):
    """The bytes of a chunk are not what was written."""


class _Times(msgspec.Struct, frozen=True, array_like=True):
    """at = first_ns + unit_ns * (period * steps since the first + offset); without a period, no steps are kept."""

    first_ns: int
    unit_ns: int
    period: int
    steps: Integers | None
    offsets: Integers


class _Chunk(msgspec.Struct, frozen=True, array_like=True):
    n: int
    times: _Times
    values: PackedValues
    quality: Integers


_ALL_GOOD = Integers((), 0, 0, 0, ())
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Chunk)


def joined(parts: list[Samples]) -> Samples:
    """All of them as one, sorted; of readings with the same time the last given stays."""
    return in_order(in_a_row(parts))


def in_order(readings: Samples) -> Samples:
    """Sorted by time; of readings with the same time the last given stays."""
    at_ns = readings.at_ns
    if (at_ns[1:] > at_ns[:-1]).all():
        return readings
    order = np.argsort(at_ns, kind="stable")
    is_last = np.append(at_ns[order[1:]] != at_ns[order[:-1]], True)
    return readings.take(order[is_last])


class Packer:
    """Packs one series after the other; those of one message have the same times, which are worked out once."""

    def __init__(self) -> None:
        self._at_ns: Int64s = np.empty(0, np.int64)
        self._times: _Times | None = None

    def pack(self, readings: Samples) -> bytes:
        """At least one reading, in order (see `in_order`), as a chunk of one piece."""
        if self._times is None or not np.array_equal(self._at_ns, readings.at_ns):
            self._at_ns, self._times = readings.at_ns, _pack_times(readings.at_ns)
        quality = integers.pack(readings.quality.astype(np.int64)) if readings.quality.any() else _ALL_GOOD
        chunk = _Chunk(len(readings), self._times, pack_values(readings.value), quality)
        return sealed(_encoder.encode(chunk))


def pack(readings: Samples) -> bytes:
    """One series alone, see `Packer.pack`."""
    return Packer().pack(readings)


def unpack(blob: bytes) -> Samples:
    """The readings of a chunk. Raises DamagedChunk."""
    try:
        return in_a_row([_unpack_piece(piece) for piece in unsealed(blob)])
    except (ValueError, IndexError, zlib.error) as error:
        raise DamagedChunk(f"a chunk of history does not decode ({error})") from error


def sealed(body: bytes) -> bytes:
    """A piece: bytes behind their length and CRC-32. Pieces one after the other are the pieces of one chunk."""
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def unsealed(blob: bytes) -> list[memoryview]:
    """The bytes that were sealed, piece by piece; at least one. Raises DamagedChunk."""
    pieces, at, whole = list[memoryview](), 0, memoryview(blob)
    while at < len(blob) or not pieces:
        if len(blob) < at + _HEAD.size:
            raise DamagedChunk("a chunk of history is cut off")
        length, checksum = _HEAD.unpack_from(blob, at)
        at += _HEAD.size
        piece = whole[at : at + length]
        if len(piece) != length or zlib.crc32(piece) != checksum:
            raise DamagedChunk("the checksum of a chunk of history differs")
        pieces.append(piece)
        at += length
    return pieces


def in_a_row(pieces: list[Samples]) -> Samples:
    """One behind the other, as they are."""
    if len(pieces) == 1:
        return pieces[0]
    columns = zip(*((piece.at_ns, piece.value, piece.quality) for piece in pieces), strict=True)
    return Samples(*(np.concatenate(column) for column in columns))


def _unpack_piece(piece: memoryview) -> Samples:
    chunk = _decoder.decode(piece)
    at_ns, value = _unpack_times(chunk.times, chunk.n), unpack_values(chunk.values, chunk.n)
    return Samples(at_ns, value, integers.unpack(chunk.quality, chunk.n).astype(np.uint8))


def _pack_times(at_ns: Int64s) -> _Times:
    first_ns, apart = int(at_ns[0]), at_ns[1:] - at_ns[:-1]
    if not len(apart) or (apart == apart[0]).all():
        every_ns = int(apart[0]) if len(apart) else 0
        return _Times(first_ns, 1, 0, None, integers.evenly(every_ns, len(at_ns)))
    since, unit_ns = _in_units(at_ns - np.int64(first_ns))
    apart = since[1:] - since[:-1]
    period = max(1, int(np.sort(apart[:_PIECE])[len(apart[:_PIECE]) // 2]))
    steps = (apart + period // 2) // period
    offsets = since - _summed(steps) * period
    if integers.spread_bits(offsets) + integers.spread_bits(steps) < integers.spread_bits(apart):
        return _Times(first_ns, unit_ns, period, integers.pack(steps), integers.pack(offsets))
    return _Times(first_ns, unit_ns, 0, None, integers.pack(since))


def _unpack_times(times: _Times, n: int) -> Int64s:
    since = integers.unpack(times.offsets, n)
    if times.steps is not None:
        since += _summed(integers.unpack(times.steps, n - 1)) * np.int64(times.period)
    return since * np.int64(times.unit_ns) + np.int64(times.first_ns)


def _summed(steps: Int64s) -> Int64s:
    """How many steps there were up to each reading, 0 for the first."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(steps)))


def _in_units(since: Int64s) -> tuple[Int64s, int]:
    """Times in the coarsest unit that all of them are whole multiples of, and that unit in ns."""
    for unit_ns in _UNITS_NS:
        if not (since[:_PIECE] % unit_ns).any():
            whole = since // unit_ns
            if (whole * unit_ns == since).all():
                return whole, unit_ns
    return since, 1
