"""The name of a tag in a [[subscribe.tag]] as a pattern: `{capture}` up to the next / or dot, `*` for anything."""

from __future__ import annotations

import re
from re import Pattern

SLOT = re.compile(r"\{([a-z_]+)\}")


def pattern_of(name: str) -> Pattern[str]:
    """What the names of tags must match whole. Raises ValueError for a name that cannot be one."""
    pieces = re.split(r"(\{[a-z_]+\}|\*)", name)
    captures = SLOT.findall(name)
    if len(captures) != len(set(captures)):
        raise ValueError(f"tag name {name!r}: a capture stands twice; give each its own name")
    return re.compile("".join(map(_pattern, pieces)), re.DOTALL)


def _pattern(piece: str) -> str:
    if piece == "*":
        return ".*"
    slot = SLOT.fullmatch(piece)
    return f"(?P<{slot[1]}>[^/.]+)" if slot else re.escape(piece)
