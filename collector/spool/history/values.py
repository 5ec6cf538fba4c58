"""A column of floats in few bytes, bit for bit: NaN, infinities and -0.0 as well.

Sensors send decimals: these become whole numbers. Where few different values come they become places in a list; what is
left are the bits of the floats, in rising order. Pure.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.spool.history import integers
from collector.spool.history.integers import Int64s, Integers

_SCALES: NDArray[np.float64] = np.power(10.0, np.arange(10))  # up to nine decimals
_FEW = 8  # a list of values pays when each comes that often
_ODD = 16  # at most one value in so many may be none of the decimals
_PIECE = 64  # values that a first look takes
_LONG_PIECE = 128  # numbers whose common step is looked for first


class PackedValues(msgspec.Struct, frozen=True, array_like=True):
    """value = number * step / 10^decimals; with `listed`, the number is a place in that list of float bits; with
    neither (`decimals` -1), it is the float's bits in rising order. `odd_at` says where `odd` bits stand instead."""

    decimals: int
    step: int
    numbers: Integers
    n_listed: int
    listed: Integers | None
    n_odd: int
    odd_at: Integers | None
    odd: Integers | None


def pack_values(values: NDArray[np.float64]) -> PackedValues:
    """Any floats, bit for bit: NaN, infinities and -0.0 as well."""
    found = decimals_of(values)
    if found is not None:
        decimals, numbers, is_odd = found
        (at,) = is_odd.nonzero()
        step = _step(numbers)
        whole = integers.pack(numbers // step if step > 1 else numbers)
        if not len(at):
            return PackedValues(decimals, step, whole, 0, None, 0, None, None)
        odd = integers.pack(values[at].view(np.int64))
        return PackedValues(decimals, step, whole, 0, None, len(at), integers.pack(at.astype(np.int64)), odd)
    bits = _rising(values.view(np.int64))
    if len(values) >= _FEW and len(np.unique(bits[:: max(1, len(bits) // 256)])) < 200:
        listed, places = np.unique(bits, return_inverse=True)
        if len(listed) * _FEW <= len(values):
            packed = integers.pack(places.astype(np.int64))
            return PackedValues(-1, 1, packed, len(listed), integers.pack(listed), 0, None, None)
    step = _step(bits)
    return PackedValues(-1, step, integers.pack(bits // step), 0, None, 0, None, None)


def unpack_values(packed: PackedValues, n: int) -> NDArray[np.float64]:
    """The floats again. Raises ValueError, IndexError or zlib.error where they cannot be n floats."""
    numbers = integers.unpack(packed.numbers, n)
    if packed.listed is not None:
        return _rising(integers.unpack(packed.listed, packed.n_listed)[numbers]).view(np.float64)
    if packed.step > 1:
        numbers *= packed.step
    if packed.decimals < 0:
        return _rising(numbers).view(np.float64)
    values = numbers.astype(np.float64)
    if packed.decimals:
        values /= _SCALES[packed.decimals]
    if packed.odd_at is not None and packed.odd is not None:
        odd = integers.unpack(packed.odd, packed.n_odd)
        values.view(np.int64)[integers.unpack(packed.odd_at, packed.n_odd)] = odd
    return values


def decimals_of(values: NDArray[np.float64]) -> tuple[int, Int64s, NDArray[np.bool_]] | None:
    """The values as whole numbers of 10^-d, with d and which of them are none; None where too many are none.

    Where a value is none its number is the one before (0 at the start), so that it disturbs no difference.
    """
    piece = values[:: max(1, len(values) // _PIECE)]
    decimals, n_odd = _fewest_odd(piece)
    if 2 * n_odd > len(piece):
        return None
    numbers, is_odd = _scaled(values, _SCALES[decimals])
    if is_odd.any():
        decimals = max(decimals, _fewest_odd(values[is_odd])[0])
        numbers, is_odd = _scaled(values, _SCALES[decimals])
        n_odd = int(is_odd.sum())
        if n_odd * _ODD > len(values):
            return None
        known = np.maximum.accumulate(np.where(is_odd, 0, np.arange(len(values))))
        numbers = np.where(is_odd[known], 0, numbers[known])
    return decimals, numbers, is_odd


def _fewest_odd(values: NDArray[np.float64]) -> tuple[int, int]:
    """The number of decimals with which the fewest values are none, and how many are."""
    _, is_odd = _scaled(values[:, np.newaxis], _SCALES)
    n_odd = is_odd.sum(axis=0)
    decimals = int(n_odd.argmin())
    return decimals, int(n_odd[decimals])


def _scaled(values: NDArray[np.float64], scale: np.float64 | NDArray[np.float64]) -> tuple[Int64s, NDArray[np.bool_]]:
    """The nearest whole numbers of 1 / scale, and where dividing these again does not give the very same floats."""
    with np.errstate(invalid="ignore", over="ignore"):
        numbers = np.rint(values * scale).astype(np.int64)
    is_odd: NDArray[np.bool_] = (numbers / scale).view(np.int64) != values.view(np.int64)
    return numbers, is_odd


def _step(numbers: Int64s) -> int:
    """What all numbers are a multiple of, 1 where nothing more."""
    if int(np.gcd.reduce(numbers[:_LONG_PIECE])) in (0, 1):
        return 1
    step = int(np.gcd.reduce(numbers))
    return step if step > 0 else 1


def _rising(bits: Int64s) -> Int64s:
    """The bits of floats as numbers that rise with the floats, and back again: it is its own inverse."""
    return bits ^ ((bits >> 63) & np.int64(2**63 - 1))
