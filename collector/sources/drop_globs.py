"""Whether two globs can match one name: then a file would be read twice, or by whichever looks first."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache

_TOKEN = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)
_LETTERS = [chr(code) for code in range(32, 0x250)]  # in which two classes of characters are compared


def is_closed(glob: str) -> bool:
    """Whether every `[` in it begins a class of characters; else it stands for itself, which nobody means."""
    return "[" not in _TOKEN.findall(glob)


def overlap(one: str, other: str) -> bool:
    """Whether there is a name that both globs match, as `fnmatch` reads them."""
    left, right = _TOKEN.findall(one), _TOKEN.findall(other)

    @cache
    def meet(i: int, j: int) -> bool:
        is_star_left, is_star_right = left[i : i + 1] and left[i][0] == "*", right[j : j + 1] and right[j][0] == "*"
        if is_star_left or is_star_right:
            skips = meet(i + 1, j) if is_star_left else meet(i, j + 1)
            takes = (j < len(right) and meet(i, j + 1)) if is_star_left else (i < len(left) and meet(i + 1, j))
            return skips or takes
        if i == len(left) or j == len(right):
            return i == len(left) and j == len(right)
        return _share(left[i], right[j]) and meet(i + 1, j + 1)

    return meet(0, 0)


def _share(one: str, other: str) -> bool:
    """Whether one character fits both: a literal, `?` or a class."""
    if len(one) == 1 and one != "?":
        return fnmatchcase(one, other) or one == other
    if len(other) == 1 and other != "?":
        return fnmatchcase(other, one)
    return any(fnmatchcase(letter, one) and fnmatchcase(letter, other) for letter in _LETTERS)
