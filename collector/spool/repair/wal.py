"""The frames of a write-ahead file (`spool.sqlite-wal`), each proved by itself.

SQLite gives up everything behind the first damaged frame. Its checksums are chained, but each frame keeps its own, so
the next can be proved from there: only the damaged frame is lost.
Source: https://www.sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.spool.connection import PAGE_BYTES

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoint, salt 1, salt 2, checksum 1, checksum 2
_FRAME = struct.Struct(">6I")  # page number, pages after commit or 0, salt 1, salt 2, checksum 1, checksum 2
_FRAME_BYTES = _FRAME.size + PAGE_BYTES
_BIG_ENDIAN = 0x377F0683  # the magic number where checksums are of big-endian words; one less: little-endian
_FRAMES_AT_ONCE = 256
_GUESSES = 4  # how many damaged frames in a row are seen through
_Sums = tuple[int, int]
_Words = NDArray[np.uint32]


class WalFrame(NamedTuple):
    """One page as it was after some commit. `place` counts frames; `is_commit`: a transaction ends with it.

    `is_proved`: no bit of it has changed. `is_read`: SQLite reads it; else a damaged frame before it, or a missing
    commit behind it, keeps SQLite from it.
    """

    place: int
    page: int
    is_commit: bool
    is_proved: bool
    is_read: bool = False


class Wal:
    """A write-ahead file as it is; nothing is written. `frames` are all there are, proved or not."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO | None = path.open("rb") if path.exists() else None
        self.frames = _judged(self._file) if self._file else []

    def read(self, frame: WalFrame) -> bytes:
        """The page of a frame."""
        assert self._file is not None
        self._file.seek(_HEADER.size + frame.place * _FRAME_BYTES + _FRAME.size)
        return self._file.read(PAGE_BYTES)

    @property
    def is_broken(self) -> bool:
        """Whether SQLite would give up a transaction that was committed."""
        return any(frame.is_commit and frame.is_proved and not frame.is_read for frame in self.frames)

    def close(self) -> None:
        if self._file:
            self._file.close()


def _judged(file: BinaryIO) -> list[WalFrame]:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return []
    magic, _, _, _, *salts, sum_1, sum_2 = _HEADER.unpack(header)
    words = np.dtype(">u4" if magic == _BIG_ENDIAN else "<u4")
    computed = _sums_of(np.frombuffer(header, words, 6).reshape(1, 6))[0]
    unbroken = (sum_1, sum_2) == computed
    befores = [(sum_1, sum_2), computed]  # what the checksum before the next frame may have been
    found, read_to = list[WalFrame](), -1
    for place, (frame, own_part) in enumerate(_frames(file, words)):
        page, pages, salt_1, salt_2, *own = frame
        if not place and not unbroken:
            salts = [salt_1, salt_2]  # the header's are not to be trusted
        computeds = [_carried(before, own_part) for before in befores]
        stored = (own[0], own[1])
        is_sound = stored in computeds and [salt_1, salt_2] == salts  # else left from an earlier round of the file
        unbroken = unbroken and is_sound
        found.append(WalFrame(place, page, pages > 0, is_sound))
        read_to = place if unbroken and pages else read_to
        befores = [stored] if is_sound else [stored, *computeds][:_GUESSES]
    return [frame._replace(is_read=frame.place <= read_to) for frame in found]


def _frames(file: BinaryIO, words: np.dtype[Any]) -> Iterator[tuple[tuple[int, ...], _Sums]]:
    """Each frame's header, and the checksum of its bytes alone."""
    while portion := file.read(_FRAMES_AT_ONCE * _FRAME_BYTES):
        count = len(portion) // _FRAME_BYTES
        raw = np.frombuffer(portion, np.uint8, count * _FRAME_BYTES).reshape(count, _FRAME_BYTES)
        summed = np.concatenate((raw[:, :8], raw[:, _FRAME.size :]), axis=1).view(words)
        for i, own_part in enumerate(_sums_of(summed)):
            yield _FRAME.unpack_from(portion, i * _FRAME_BYTES), own_part


def _sums_of(rows: NDArray[Any]) -> list[_Sums]:
    """The checksum of each row of 32-bit words, from zero.

    The sums are s0 += x0 + s1, s1 += x1 + s0 for every pair of words: linear, so each word has a constant weight.
    """
    weights, _ = _weights(rows.shape[1] // 2)
    native = rows.astype(np.uint32)
    return [(int(one), int(two)) for one, two in zip(*(_dot(native, weight) for weight in weights), strict=True)]


def _dot(rows: _Words, weight: _Words) -> _Words:
    sums: _Words = np.multiply(rows, weight).sum(axis=1, dtype=np.uint32)
    return sums


def _carried(before: _Sums, own_part: _Sums) -> _Sums:
    """The checksum of a frame behind `before`."""
    _, ((a, b), (c, d)) = _weights((8 + PAGE_BYTES) // 8)
    one = (a * before[0] + b * before[1] + own_part[0]) & 0xFFFF_FFFF
    return one, (c * before[0] + d * before[1] + own_part[1]) & 0xFFFF_FFFF


@lru_cache
def _weights(pairs: int) -> tuple[tuple[_Words, _Words], tuple[_Sums, _Sums]]:
    """What each of 2 x `pairs` words adds to either sum, and what the sums before them add. Modulo 2**32."""
    (a, b), (c, d) = (1, 0), (0, 1)  # powers of the step ((1, 1), (1, 2)), from the last pair to the first
    one, two = [], []
    for _ in range(pairs):
        one += [b, a + b]  # reversed: the step takes the words as ((1, 0), (1, 1))
        two += [d, c + d]
        a, b, c, d = ((x & 0xFFFF_FFFF) for x in (a + b, a + 2 * b, c + d, c + 2 * d))
    weights = tuple(np.array([x & 0xFFFF_FFFF for x in reversed(row)], np.uint32) for row in (one, two))
    return (weights[0], weights[1]), ((a, b), (c, d))
