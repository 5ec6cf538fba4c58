"""The planners' list of long boards, from the map of the chain."""

from __future__ import annotations

from dashboards import build
from dashboards.chain_lists import list_panel
from dashboards.layout import Place

PLACES = {"supply_chain": Place(row=8, position=1, width=24, height=6)}


def panel() -> build.Json:
    return list_panel(
        "long boards",
        "Where are we strong?",
        "Long boards: capacity far above use, or makers at home whom buyers abroad depend on.",
    )
