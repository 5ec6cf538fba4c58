"""What `andon chain check` answers of a folder: a line for people, facts for programs."""

from __future__ import annotations

from typing import Any

from detectors.chain.map.folder import Checked
from detectors.chain.map.tables import Fault


def summary(checked: Checked) -> str:
    """`chain is sound: 49 sites, 26 items, 50 nodes, 102 arcs, 57 stocks.`"""
    counted = ", ".join(f"{count:,} {what}" for what, count in _counts(checked).items())
    warned = len(checked.warnings)
    beside = f", {warned:,} {'warning' if warned == 1 else 'warnings'}" if warned else ""
    return f"{checked.folder} is sound{beside}: {counted}."


def facts(checked: Checked) -> dict[str, Any]:
    """The same for programs: `errors` and `warnings` as {file, row, says}; row 0 is the file itself."""
    return {
        "folder": str(checked.folder),
        "sound": checked.network is not None,
        **_counts(checked),
        "errors": [_fact(fault) for fault in checked.faults if not fault.warning],
        "warnings": [_fact(fault) for fault in checked.faults if fault.warning],
    }


def _counts(checked: Checked) -> dict[str, int]:
    counts = {"sites": len(checked.tables.sites), "items": len(checked.tables.items)}
    if checked.network is not None:
        nodes, arcs, stocks = checked.network.nodes, checked.network.arcs, checked.network.stocks
        counts |= {"nodes": len(nodes), "arcs": len(arcs), "stocks": len(stocks)}
    return counts


def _fact(fault: Fault) -> dict[str, Any]:
    return {"file": f"{fault.table}.csv" if fault.table else "", "row": fault.row, "says": fault.says}
