"""A column of whole numbers in few bytes: differences, byte planes, Huffman.

`pack` chooses per column, by a look at a piece of it, what costs least: the numbers themselves, their differences or
the differences of those. What is left is shifted so that its bulk lies inside one byte, split into byte planes (two or
four numbers share a byte where they are small enough, which lets a code spend less than a bit on one) and deflated.
Pure; all arithmetic is modulo 2^64, so any int64 comes back exactly.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

_PIECE = 256  # numbers that a trial looks at
_ORDERS = 3
_SHARED = ((1, 2), (3, 4))  # (largest number, bits it takes) where several share a byte
_STORED, _RUNS, _MATCHES = 0, 1, 2  # how a plane is kept: as it is, or deflated by either strategy
_STRATEGY = {_RUNS: (1, zlib.Z_RLE), _MATCHES: (4, zlib.Z_DEFAULT_STRATEGY)}
_TRIAL, _TRIAL_FROM = 512, 4096  # bytes that are deflated by way of trial, of a plane that is worth one
_WORTH_RATIO = 0.97


class Integers(msgspec.Struct, frozen=True, array_like=True):
    """A packed column. `heads`: the first of the numbers and of each difference taken; `bits` a number takes."""

    heads: tuple[int, ...]
    low: int
    shift: int
    bits: int
    planes: tuple[tuple[int, bytes], ...]  # lowest byte first, each with how it is kept


def pack(numbers: Int64s) -> Integers:
    """Packs any int64[n]."""
    order, heads = _order(numbers), []
    for _ in range(order):
        heads.append(int(numbers[0]))
        numbers = numbers[1:] - numbers[:-1]
    if not len(numbers):
        return Integers(tuple(heads), 0, 0, 0, ())
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return Integers(tuple(heads), low, 0, 0, ())
    bits, shift, raw = _narrowed(numbers, low, high - low)
    return Integers(tuple(heads), low, shift, bits, tuple(_squeezed(plane) for plane in _planes(raw, bits)))


def evenly(step: int, n: int) -> Integers:
    """0, step, 2 * step and so on, n of them, packed."""
    return Integers((0,), step, 0, 0, ()) if n > 1 else Integers((), 0, 0, 0, ())


def unpack(packed: Integers, n: int) -> Int64s:
    """The n numbers again. Raises ValueError or zlib.error where `packed` cannot be one of n numbers."""
    left = n - len(packed.heads)
    if left < 0:
        raise ValueError("a packed column is longer than its chunk")
    numbers = _widened(packed, left)
    for head in reversed(packed.heads):
        whole = np.empty(len(numbers) + 1, np.int64)
        whole[0] = head
        whole[1:] = numbers
        numbers = np.cumsum(whole, out=whole)
    return numbers


def spread_bits(numbers: Int64s) -> float:
    """About how many bits each number takes once packed, judged by a piece from the middle."""
    return min(_spreads_bits(numbers))


def _order(numbers: Int64s) -> int:
    """How many times to take differences: until what is left spreads no less."""
    if len(numbers) < 2 or (numbers[1:] == numbers[:-1]).all():
        return 0
    bits = _spreads_bits(numbers)
    return bits.index(min(bits))


def _spreads_bits(numbers: Int64s) -> list[float]:
    """By how many times differences are taken: how far, in bits, the numbers lie from their mean on average."""
    begin = max(0, (len(numbers) - _PIECE) // 2)
    piece, bits = numbers[begin : begin + _PIECE], list[float]()
    for _ in range(min(_ORDERS, len(piece))):
        away = piece.astype(np.float64)
        away -= np.add.reduce(away) / len(away)
        bits.append(math.log2(1 + 4 * float(np.add.reduce(np.abs(away, out=away))) / len(away)))
        if not bits[-1] or (len(bits) > 1 and bits[-1] > bits[0] - 1):
            break  # where one difference does not save a bit, two will not
        piece = piece[1:] - piece[:-1]
    return bits


def _planes(raw: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The bytes of numbers, as one row for each place in the number, lowest first."""
    return raw.reshape(-1, max(1, bits // 8)).T


def _narrowed(numbers: Int64s, low: int, span: int) -> tuple[int, int, NDArray[np.uint8]]:
    """Bits a number takes, what was added to it beyond `low`, and the bytes of all, in order."""
    above: NDArray[Any] = (numbers - np.int64(low)).view(np.uint64)
    for most, bits in _SHARED:
        if span <= most:
            return bits, 0, _shared(above.astype(np.uint8), bits)
    bits = next(bits for bits in (8, 16, 32, 64) if span < 1 << bits)
    above = above.astype(f"<u{bits // 8}")
    if bits == 8:
        return bits, 0, above.view(np.uint8)
    middle = int(np.partition(above, len(above) // 2)[len(above) // 2])
    shift = (128 - middle) % (1 << bits)
    return bits, shift, (above + above.dtype.type(shift)).view(np.uint8)


def _shared(small: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Several numbers a byte; the last byte is filled up with zeros."""
    each = 8 // bits
    padded = np.zeros(-(-len(small) // each) * each, np.uint8)
    padded[: len(small)] = small
    columns = padded.reshape(-1, each)
    together = columns[:, 0].copy()
    for i in range(1, each):
        together |= columns[:, i] << (bits * i)
    return together


def _widened(packed: Integers, n: int) -> Int64s:
    if not packed.planes:
        return np.full(n, packed.low, np.int64)
    if packed.bits < 8:
        above: Int64s = _apart(_plane(packed.planes[0], -(-n * packed.bits // 8)), packed.bits)[:n].astype(np.int64)
        return above + np.int64(packed.low)
    raw = np.empty((n, packed.bits // 8), np.uint8)
    if len(packed.planes) != raw.shape[1]:
        raise ValueError("a packed column lacks a byte plane")
    for i, plane in enumerate(packed.planes):
        raw[:, i] = _plane(plane, n)
    shifted: NDArray[Any] = raw.view(f"<u{raw.shape[1]}").reshape(n)
    above = (shifted - shifted.dtype.type(packed.shift)).astype(np.uint64).view(np.int64)
    return above + np.int64(packed.low)


def _apart(together: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    each, mask = 8 // bits, (1 << bits) - 1
    columns = np.empty((len(together), each), np.uint8)
    for i in range(each):
        columns[:, i] = (together >> (bits * i)) & mask
    return columns.reshape(-1)


def _squeezed(plane: NDArray[np.uint8]) -> tuple[int, bytes]:
    """A plane deflated by the better strategy, or as it is where neither helps."""
    raw, how = plane.tobytes(), _RUNS
    if len(raw) >= _TRIAL_FROM:
        piece = raw[:_TRIAL]
        by_runs, by_matches = (len(_deflated(piece, strategy)) for strategy in (_RUNS, _MATCHES))
        if min(by_runs, by_matches) > _WORTH_RATIO * len(piece):
            return _STORED, raw
        how = _MATCHES if by_matches < _WORTH_RATIO * by_runs else _RUNS
    deflated = _deflated(raw, how)
    return (how, deflated) if len(deflated) < len(raw) else (_STORED, raw)


def _deflated(plane: bytes, how: int) -> bytes:
    level, strategy = _STRATEGY[how]
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    return deflate.compress(plane) + deflate.flush()


def _plane(kept: tuple[int, bytes], n_bytes: int) -> NDArray[np.uint8]:
    how, data = kept
    raw = data if how == _STORED else zlib.decompress(data, -zlib.MAX_WBITS, n_bytes)
    if len(raw) != n_bytes:
        raise ValueError("a byte plane has the wrong length")
    return np.frombuffer(raw, np.uint8)
