"""A small picture: lines, bands and numbers on pixels, written as PNG by the standard library alone.

Drawn at twice the size and averaged, so that lines are smooth. No dependency: matplotlib would be 60 MB on a gateway,
for one chart. Format: Portable Network Graphics, third edition (W3C).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]

_SCALE = 2
_GLYPHS = {  # 3 x 5 pixels each, a row of three bits an octal digit from the top
    "0": "75557", "1": "26227", "2": "71747", "3": "71317", "4": "55711", "5": "74717", "6": "74757", "7": "71122",
    "8": "75757", "9": "75717", "-": "00700", ".": "00002", ":": "02020", "+": "02720", "e": "07647", " ": "00000",
}  # fmt: skip
_ADVANCE, _DOT = 4, 2  # columns a glyph takes, and the pixels of one of its points


class Canvas:
    """`width` times `height` pixels of one color; places are (x, y) from the upper left."""

    def __init__(self, width: int, height: int, ground: Color = (255, 255, 255)) -> None:
        self.width, self.height = width, height
        self._pixels = np.empty((height * _SCALE, width * _SCALE, 3), np.uint8)
        self._pixels[:] = ground

    def box(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """A filled rectangle."""
        x0, x1 = sorted((self._across(left), self._across(right)))
        y0, y1 = sorted((self._down(top), self._down(bottom)))
        self._pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = color

    def line(self, xs: NDArray[np.float64], ys: NDArray[np.float64], color: Color) -> None:
        """A line through points, broken where one is not finite."""
        known = np.isfinite(xs) & np.isfinite(ys)
        for i in np.flatnonzero(known[:-1] & known[1:]).tolist():
            steps = int(max(abs(xs[i + 1] - xs[i]), abs(ys[i + 1] - ys[i])) * _SCALE) + 1
            self._dots(np.linspace(xs[i], xs[i + 1], steps + 1), np.linspace(ys[i], ys[i + 1], steps + 1), color)
        alone = known & ~np.append(known[1:], False) & ~np.append(False, known[:-1])
        self._dots(xs[alone], ys[alone], color)

    def band(
        self, xs: NDArray[np.float64], lows: NDArray[np.float64], highs: NDArray[np.float64], color: Color
    ) -> None:
        """The area between two lines, from each point to the next."""
        for i in np.flatnonzero(np.isfinite(lows) & np.isfinite(highs))[:-1].tolist():
            self.box(xs[i], highs[i], xs[i + 1], lows[i], color)

    def text(self, x: float, y: float, text: str, color: Color) -> None:
        """Digits and their marks; the upper left of the first at (x, y)."""
        for place, sign in enumerate(text):
            for row, bits in enumerate(_GLYPHS.get(sign, _GLYPHS[" "])):
                for column in range(3):
                    if int(bits) & (4 >> column):
                        left, top = x + (place * _ADVANCE + column) * _DOT, y + row * _DOT
                        self.box(left, top, left + _DOT, top + _DOT, color)

    @staticmethod
    def text_width(text: str) -> int:
        return len(text) * _ADVANCE * _DOT

    def png(self) -> bytes:
        blocks = self._pixels.reshape(self.height, _SCALE, self.width, _SCALE, 3)
        image = blocks.mean(axis=(1, 3)).astype(np.uint8)
        rows = np.zeros((self.height, 1 + 3 * self.width), np.uint8)  # each begins with its filter: none
        rows[:, 1:] = image.reshape(self.height, -1)
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)

    def _dots(self, xs: NDArray[np.float64], ys: NDArray[np.float64], color: Color) -> None:
        x = np.clip(np.rint(xs * _SCALE), 0, self.width * _SCALE - 2).astype(np.intp)
        y = np.clip(np.rint(ys * _SCALE), 0, self.height * _SCALE - 2).astype(np.intp)
        for right in (0, 1):
            for down in (0, 1):
                self._pixels[y + down, x + right] = color

    def _across(self, x: float) -> int:
        return int(min(max(x, 0.0), self.width) * _SCALE)

    def _down(self, y: float) -> int:
        return int(min(max(y, 0.0), self.height) * _SCALE)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
