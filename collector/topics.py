"""Topic templates: `plant/{line}/dispenser_{cell}` <-> the names a topic carries.

A template is a topic whose levels may hold `{name}` captures, `+` (one level) and a closing `#` (any rest).
Formats match with it; the MQTT source asks it for the filter to subscribe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SHARED = "$share/"  # how the filter of a shared subscription begins

_CAPTURE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A template that is known to be valid.

    Raises ValueError: empty, a capture misspelt or repeated, a `+` or `#` that is no whole level, a `#` not last.
    """

    text: str

    def __post_init__(self) -> None:
        levels = self.text.split("/")
        if not self.text:
            raise ValueError("a topic is empty; `#` stands for all")
        if "#" in "".join(levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
            raise ValueError(f"topic {self.text!r}: `#` may stand only alone and last")
        if any("+" in level and level != "+" for level in levels):
            raise ValueError(f"topic {self.text!r}: `+` stands for a whole level")
        if len(self.captures) != len(set(self.captures)):
            raise ValueError(f"topic {self.text!r}: a capture stands twice")
        if {"{", "}"}.intersection(_CAPTURE.sub("", self.text)):
            raise ValueError(f"topic {self.text!r}: a capture is a lower-case name in braces, such as {{line}}")

    @property
    def captures(self) -> tuple[str, ...]:
        """The names of the captures, in order."""
        return tuple(_CAPTURE.findall(self.text))

    @property
    def filter(self) -> str:
        """The MQTT subscription filter that admits every topic of this template."""
        return "/".join("+" if _CAPTURE.search(level) else level for level in self.text.split("/"))

    def shared_filter(self, group: str) -> str:
        """The filter of a shared subscription: each message goes to one client of `group` (MQTT 5.0, 4.8.2)."""
        return f"{SHARED}{group}/{self.filter}"

    def matcher(self) -> re.Pattern[str]:
        """A compiled pattern; its named groups are the captures."""
        parts = []
        for level in self.text.split("/"):
            if level == "#":
                parts.append(".*")
            elif level == "+":
                parts.append("[^/]*")
            else:
                parts.append(_CAPTURE.sub(lambda m: f"(?P<{m[1]}>[^/]+)", _escape_around_captures(level)))
        pattern = "/".join(parts)
        if pattern.endswith("/.*"):  # `a/#` admits `a` itself too
            pattern = pattern[: -len("/.*")] + "(?:/.*)?"
        return re.compile(pattern, re.DOTALL)


def covers(filters: Iterable[str], topic: str) -> bool:
    """Whether one of these MQTT filters, shared ones among them, admits a topic."""
    plain = (one.split("/", 2)[2] if one.startswith(SHARED) else one for one in filters)
    return any(TopicTemplate(one).matcher().fullmatch(topic) for one in plain)


def _escape_around_captures(level: str) -> str:
    pieces = re.split(r"(\{[a-z_]+\})", level)
    return "".join(piece if _CAPTURE.fullmatch(piece) else re.escape(piece) for piece in pieces)
