"""The planners' list of blank points, from the map of the chain."""

from __future__ import annotations

from dashboards import build
from dashboards.chain_lists import list_panel
from dashboards.layout import Place

PLACES = {"supply_chain": Place(row=5, position=1, width=24, height=6)}


def panel() -> build.Json:
    return list_panel(
        "blank points",
        "What can nobody at home supply?",
        "Blank points: no maker at home, or a line of ours that says nothing. At stake: what the markets lose a day.",
    )
