"""Cases of kind `index`: the output of a chain against its base, over the lines that are heard."""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.chain.output_index import LineOutput, output_index
from detectors.chain.reference.stated import Name, Number, at


class LineStated(msgspec.Struct):
    weight: Number
    base: Number
    now: Number | None = None
    id: Name = ""


class IndexCase(msgspec.Struct):
    lines: list[LineStated]


KIND, TOLERANCE, CASE = "index", 1e-9, IndexCase


def answers(case: IndexCase) -> dict[str, Any]:
    """`index_covered` (null when no line is heard), `coverage`, and what it would be were silence no output."""
    lines = []
    for i, one in enumerate(case.lines):
        with at(f"lines[{i}]"):
            lines.append(LineOutput(str(one.id), one.weight, one.base, one.now))
    with at("lines"):
        found = output_index(lines)
    return {
        "index_covered": found.index_ratio,
        "coverage": found.coverage_ratio,
        "index_if_missing_is_zero": (found.index_ratio or 0.0) * found.coverage_ratio,
    }
