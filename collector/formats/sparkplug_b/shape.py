"""The shape of a plain data message: which of its bytes say how it is built, and where between them the numbers stand.

Protobuf is read by tags, lengths and the bits by which a varint goes on. Where a message has all of these in common
with one that was parsed, it is built as that one is, so its numbers are taken from where they stood there, in a few
steps of NumPy for all of them. So data of a device that sends the same metrics every time need not be parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

_TIMESTAMP, _METRICS, _SEQ = 1, 2, 3  # of a payload
_METRIC_TIMESTAMP = 3
_FIELDS = {10: "int_value", 11: "long_value", 12: "float_value", 13: "double_value", 14: "boolean_value"}
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FLOATS = {_FIXED_64: "<f8", _FIXED_32: "<f4"}
_GOES_ON, _BITS = 0x80, 0x7F
_MOST = 8  # shapes of one device
_BETWEEN = (4, 64)  # messages of one device, from to: working out a shape takes as long as parsing some
T = TypeVar("T")


class Numbers(NamedTuple):
    """What a message says beside its aliases: `stamps_ms` and `values` one for each metric, stamps 0 where it has none.

    `is_stamped`: metrics carry times of their own.
    """

    seq: int
    stamp_ms: int | None
    stamps_ms: list[int]
    is_stamped: bool
    values: list[int | float]


class _Part(NamedTuple):
    """A field and where its content begins and ends."""

    number: int
    kind: int
    begin: int
    end: int


class Shapes(Generic[T]):
    """Those of one device's messages, by length; each with what its maker knows of it."""

    def __init__(self) -> None:
        self._by_length: dict[int, tuple[Shape, T]] = {}
        self._wait, self._between = 0, _BETWEEN[0]

    def read(self, payload: bytes) -> tuple[Numbers, T] | None:
        """What a message says that is built as a noted one was; None of any other."""
        if len(payload) not in self._by_length:
            return None
        shape, known = self._by_length[len(payload)]
        said = shape.numbers(payload)
        return (said, known) if said else None

    def note(self, payload: bytes, fields: Sequence[str], known: T) -> None:
        """Is told of every message that had to be parsed; works out the shape of the first, then of ever fewer."""
        self._wait -= 1
        if self._wait >= 0:
            return
        self._wait, self._between = self._between, min(2 * self._between, _BETWEEN[1])
        shape = shape_of(payload, fields)
        if shape:
            if len(self._by_length) >= _MOST:
                self._by_length.clear()
            self._by_length[len(payload)] = shape, known


class Shape:
    """Made by `shape_of`; reads messages of its length."""

    def __init__(self, payload: bytes, head: dict[int, _Part], metrics: Sequence[tuple[_Part | None, _Part]]) -> None:
        stamps = [stamp for stamp, _ in metrics if stamp]
        values = [value for _, value in metrics]
        whole = [value for value in values if value.kind == _VARINT]
        varints = [head[_SEQ], *([head[_TIMESTAMP]] if _TIMESTAMP in head else []), *stamps[:1], *whole]
        spans = [np.arange(one.begin, one.end) for one in varints]
        self._count, self._has_stamp = len(metrics), _TIMESTAMP in head
        self._stamps = np.array([np.arange(one.begin, one.end) for one in stamps]) if stamps else None
        self._at = np.concatenate(spans)
        self._shifts = np.concatenate([7 * np.arange(len(one), dtype=np.uint64) for one in spans])
        self._begins = np.cumsum([0, *map(len, spans[:-1])])
        self._floats = [
            (np.array([np.arange(one.begin, one.end) for one in values if one.kind == kind]), dtype)
            for kind, dtype in _FLOATS.items()
            if any(one.kind == kind for one in values)
        ]
        told = [*whole, *(one for kind in _FLOATS for one in values if one.kind == kind)]
        places = {one: place for place, one in enumerate(told)}
        self._in_order = itemgetter(*(places[one] for one in values), 0)  # one more, so that one metric is no exception
        self._mask = np.full(len(payload), 0xFF, np.uint8)
        self._mask[self._at] = _GOES_ON
        if self._stamps is not None:
            self._mask[self._stamps] = _GOES_ON
        for at, _ in self._floats:
            self._mask[at] = 0
        self._built = (np.frombuffer(payload, np.uint8) & self._mask).tobytes()

    def numbers(self, payload: bytes) -> Numbers | None:
        """None of a message that is built in another way, or whose metrics have several times. `payload` has the length
        of the one it was made of."""
        raw = np.frombuffer(payload, np.uint8)
        if (raw & self._mask).tobytes() != self._built or not self._has_one_time(raw):
            return None
        bits = (raw[self._at] & _BITS).astype(np.uint64) << self._shifts
        varints: list[int] = np.add.reduceat(bits, self._begins).tolist()
        is_stamped = self._stamps is not None
        first = 1 + self._has_stamp
        told: list[int | float] = [*varints[first + is_stamped :]]
        for at, dtype in self._floats:
            told += raw[at].view(dtype).ravel().tolist()
        return Numbers(
            seq=varints[0],
            stamp_ms=varints[1] if self._has_stamp else None,
            stamps_ms=[varints[first] if is_stamped else 0] * self._count,
            is_stamped=is_stamped,
            values=list(self._in_order(told)[:-1]),
        )

    def _has_one_time(self, raw: NDArray[np.uint8]) -> bool:
        if self._stamps is None:
            return True
        stamps = raw[self._stamps].tobytes()
        return bool(stamps == stamps[: len(stamps) // self._count] * self._count)


def shape_of(payload: bytes, fields: Sequence[str]) -> Shape | None:
    """The shape of a message that was parsed, its metrics' values in these fields; None where it has a number twice,
    lacks one, holds text, or its metrics have several times."""
    head: dict[int, _Part] = {}
    metrics = []
    for part in _parts(payload, 0, len(payload)):
        if part.number == _METRICS:
            own = list(_parts(payload, part.begin, part.end))
            metrics.append({one.number: one for one in own})
            if len(metrics[-1]) < len(own):
                return None
        elif part.number in head:
            return None
        else:
            head[part.number] = part
    found = [[one for number, one in metric.items() if number in _FIELDS] for metric in metrics]
    told = [[_FIELDS[one.number] for one in values] for values in found]
    stamps = [metric.get(_METRIC_TIMESTAMP) for metric in metrics]
    is_plain = (
        _SEQ in head
        and told == [[field] for field in fields]
        and (not any(stamps) or len({payload[one.begin : one.end] if one else b"" for one in stamps}) == 1)
    )
    return Shape(payload, head, list(zip(stamps, (values[0] for values in found), strict=True))) if is_plain else None


def _parts(data: bytes, begin: int, end: int) -> Iterator[_Part]:
    """The fields between two places of a message that was parsed."""
    at = begin
    while at < end:
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                _, then = _varint(data, at)
            case 1:
                then = at + 8
            case 5:
                then = at + 4
            case _:
                size, at = _varint(data, at)
                then = at + size
        yield _Part(tag >> 3, tag & 7, at, then)
        at = then


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a place, and where what follows it begins."""
    number = shift = 0
    while data[at] >= _GOES_ON:
        number |= (data[at] & _BITS) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1
