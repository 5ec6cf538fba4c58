"""The planners' list of shortcomings, from the map of the chain."""

from __future__ import annotations

from dashboards import build
from dashboards.chain_lists import list_panel
from dashboards.layout import Place

PLACES = {"supply_chain": Place(row=7, position=1, width=24, height=6)}


def panel() -> build.Json:
    return list_panel(
        "shortcomings",
        "Where does capacity not carry the plan?",
        "Shortcomings: capacity or energy below the plan, or a source at home that is not yet qualified.",
    )
