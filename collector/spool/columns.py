"""A batch's columns as bytes: every column in as few bytes a value as loses nothing.

Whole numbers are stored as their distance from the smallest, in the coarsest of ns, us and ms that divides them all, in
0, 1, 2, 4 or 8 bytes. Values that are decimals (what most devices send) become whole numbers of 1, 0.1, 0.01, ...; what
remains is kept as float32 where that is exact, else as float64. `pack` and `unpack` are pure and give back every bit.
Source: frame of reference as in Zukowski et al., ICDE 2006; decimals as in Afroozeh et al., ALP, SIGMOD 2023.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch

_HEAD = struct.Struct("<BBq")  # coding, bytes a value, smallest value
_UNITS = (1, 1_000, 1_000_000)
_SCALES = tuple(10.0**places for places in range(7))
_UNSIGNED: dict[int, np.dtype[Any]] = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}
_DECIMAL, _FLOAT32, _FLOAT64 = 0x10, 0x20, 0x21  # codings of values; below 0x10: an index of _UNITS
_SAMPLE = 3
_WIDTHS = (0, 1, 2, 4, 4, 8, 8, 8, 8)  # bytes a value, by the bytes that the largest needs
_WIDEST = 2**63  # of a spread that int64 holds
_LARGEST = 2.0**52  # beyond it a float64 has no room for decimals

Ints = NDArray[np.int64]


def pack(batch: Batch) -> bytes:
    """The columns of a batch; its length is stored with them."""
    parts = [len(batch).to_bytes(4, "little")]
    parts += _packed_ints(batch.series)
    parts += _packed_ints(batch.at_ns, units=_UNITS)
    parts += _packed_values(batch.value)
    parts += _packed_bytes(batch.quality)
    parts += _packed_ints(batch.received_ns, units=_UNITS)
    return b"".join(parts)


def unpack(packed: bytes) -> Batch:
    """The batch that was packed. Raises ValueError for bytes that `pack` never wrote."""
    n, at = int.from_bytes(packed[:4], "little"), 4
    columns: list[NDArray[Any]] = []
    for _ in range(5):
        column, at = _unpacked(packed, at, n)
        columns.append(column)
    if at != len(packed):
        raise ValueError(f"{len(packed) - at} bytes too many")
    series, at_ns, value, quality, received_ns = columns
    return Batch(series.astype(np.int32), at_ns, value.astype(np.float64), quality.astype(np.uint8), received_ns)


def _packed_ints(column: NDArray[np.integer[Any]], units: tuple[int, ...] = (1,), coding: int = 0) -> list[bytes]:
    if not len(column):
        return [_HEAD.pack(coding, 0, 0)]
    smallest = int(np.minimum.reduce(column))
    spread = int(np.maximum.reduce(column)) - smallest
    if not spread:
        return [_HEAD.pack(coding, 0, smallest)]
    distance = np.subtract(column, smallest, dtype=np.int64)  # wraps round where the spread needs all 64 bits
    unit = _coarsest(distance, units) if spread >= _UNITS[1] and spread < _WIDEST else 0
    if unit:
        distance //= units[unit]
        spread //= units[unit]
    width = _WIDTHS[(spread.bit_length() + 7) // 8]
    return [_HEAD.pack(coding or unit, width, smallest), distance.astype(_UNSIGNED[width]).tobytes()]


def _packed_bytes(column: NDArray[np.uint8]) -> list[bytes]:
    raw = column.tobytes()
    is_one = raw.count(raw[:1]) == len(raw)  # of the quality of a batch that is the rule
    return [_HEAD.pack(0, 0, raw[0] if raw else 0)] if is_one else _packed_ints(column)


def _coarsest(distance: Ints, units: tuple[int, ...]) -> int:
    """The index of the coarsest unit of which every distance is a multiple."""
    sample = distance[:_SAMPLE].tolist()
    for i in range(len(units) - 1, 0, -1):
        if not any(one % units[i] for one in sample) and not (distance % units[i]).any():
            return i
    return 0


def _packed_values(column: NDArray[np.float64]) -> list[bytes]:
    places = _decimal_places(column[:_SAMPLE].tolist())
    whole = None if places is None else _as_whole(column, _SCALES[places])
    if places is not None and whole is not None:
        return _packed_ints(whole, coding=_DECIMAL + places)
    with np.errstate(over="ignore", invalid="ignore"):
        single = column.astype("<f4")
    if single.astype(np.float64).tobytes() == column.tobytes():
        return [_HEAD.pack(_FLOAT32, 4, 0), single.tobytes()]
    return [_HEAD.pack(_FLOAT64, 8, 0), column.astype("<f8").tobytes()]


def _decimal_places(sample: list[float]) -> int | None:
    """How many decimals the first values need, None when they are no short decimals."""
    for places, scale in enumerate(_SCALES):
        if all(abs(value) * scale < _LARGEST and round(value * scale) / scale == value for value in sample):
            return places
    return None


def _as_whole(column: NDArray[np.float64], scale: float) -> Ints | None:
    """The column in units of its last decimal, None where that would change a bit of it."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.rint(column * scale).astype(np.int64)
    return whole if (whole / scale).tobytes() == column.tobytes() else None


def _unpacked(packed: bytes, at: int, n: int) -> tuple[NDArray[Any], int]:
    """One column and where the next begins."""
    if len(packed) < at + _HEAD.size:
        raise ValueError("a column is missing")
    coding, width, smallest = _HEAD.unpack_from(packed, at)
    at += _HEAD.size
    end = at + n * width
    if coding in (_FLOAT32, _FLOAT64):
        return np.frombuffer(packed, "<f4" if coding == _FLOAT32 else "<f8", n, at), end
    whole = _distances(packed, at, n, width)
    if coding < len(_UNITS):
        if coding:
            whole *= _UNITS[coding]
        whole += np.int64(smallest)
        return whole, end
    if not _DECIMAL <= coding < _DECIMAL + len(_SCALES):
        raise ValueError(f"a column has the unknown coding {coding}")
    whole += np.int64(smallest)
    return whole / _SCALES[coding - _DECIMAL], end


def _distances(packed: bytes, at: int, n: int, width: int) -> Ints:
    if not width:
        return np.zeros(n, np.int64)
    if width not in _UNSIGNED:
        raise ValueError(f"a column of {width} bytes a value")
    whole: Ints = np.frombuffer(packed, _UNSIGNED[width], n, at).astype(np.int64)
    return whole
