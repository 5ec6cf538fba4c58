"""What the C allocator keeps for itself: bounded for processes that work in bursts and must stay small.

glibc gives every thread an arena and, after the first large block is freed, keeps ever larger ones to itself; a burst
of detection then stands in the memory of a small gateway for good. Fixing the two bounds took a quarter off.
"""

from __future__ import annotations

import ctypes
import sys

_ARENA_MAX, _TRIM_THRESHOLD = -8, -1  # mallopt(3)
_ARENAS = 2
_KEPT_BYTES = 128 * 1024


def give_back_memory() -> bool:
    """Has freed memory given back to the machine; False where there is no glibc to tell."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_ARENA_MAX, _ARENAS) and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))
