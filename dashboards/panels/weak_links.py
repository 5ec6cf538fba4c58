"""The planners' list of weak links, from the map of the chain."""

from __future__ import annotations

from dashboards import build
from dashboards.chain_lists import list_panel
from dashboards.layout import Place

PLACES = {"supply_chain": Place(row=6, position=1, width=24, height=6)}


def panel() -> build.Json:
    return list_panel(
        "weak links",
        "What hangs on a single source?",
        "Weak links: one source, a shared sub-supplier or one cluster, and stocks that do not outlast it.",
    )
