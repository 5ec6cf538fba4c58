"""`make grafana-check`: what Grafana's own published parts say of boards, rules and files; ends with 1 on any fault."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.table import Table

from tests.dashboards.checkers import node
from tests.dashboards.checkers.seeded import FILES, MEANING, NAMES, SHAPE, TYPES
from tests.dashboards.checkers.verdicts import IN_NODE, as_rendered, caught, judged, size

_WHAT = {
    SHAPE: "Grafana 11.6's JSON Schemas",
    TYPES: "npm @grafana/schema 13.2.2, by tsc",
    NAMES: "npm @grafana/data 13.2.2, in Node",
    FILES: "Grafana's HTTP contract and each other",
    MEANING: "their own queries",
}
_console = Console(width=120)


def main() -> int:
    lacking = node.missing()
    if lacking:
        _console.print(lacking, markup=False)
    table = Table("checker", "judged by", "checks", "faults", "seeded caught", "s")
    checks, wrong, seeded, missed = 0, 0, 0, 0
    for checker, what in _WHAT.items():
        if lacking and checker in IN_NODE:
            continue
        begun = time.perf_counter()
        verdict, tried = judged(checker), caught(checker)
        for fault in verdict.faults:
            _console.print(f"{checker}: {fault}", markup=False)
        for one in tried:
            if not one.said:
                _console.print(f"{checker}: missed: {one.fault.name}", markup=False)
        found = sum(bool(one.said) for one in tried)
        took_s = time.perf_counter() - begun
        row = (verdict.checks, len(verdict.faults), f"{found} of {len(tried)}", f"{took_s:.1f}")
        table.add_row(checker, what, *map(str, row))
        checks, wrong = checks + verdict.checks, wrong + len(verdict.faults)
        seeded, missed = seeded + len(tried), missed + len(tried) - found
    _console.print(table)
    panels, queries = size(as_rendered())
    _console.print(
        f"{panels} panels, {queries} queries, {checks} checks, {wrong} faults, "
        f"{seeded - missed} seeded faults caught of {seeded}"
    )
    return int(bool(wrong or missed or lacking))


if __name__ == "__main__":
    sys.exit(main())
