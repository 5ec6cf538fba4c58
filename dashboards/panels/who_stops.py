"""Which nodes of the chain stop if nothing is done, and when."""

from __future__ import annotations

from collector.schema import CHAIN_NODE
from dashboards import build
from dashboards.chain_rows import rows_on_map
from dashboards.layout import Place
from dashboards.query import Kept

PLACES = {"supply_chain": Place(row=3, position=1, width=10, height=8)}

_COLUMNS = {
    "stops": "stops_at",
    "who": "title",
    "kind": "kind",
    "why": "subtitle",
    "chance": "chance_ratio",
    "at risk": "risk",
}


def panel() -> build.Json:
    kept = [Kept("stops_at", "> 0")]
    asked = rows_on_map(CHAIN_NODE, _COLUMNS, CHAIN_NODE.tags, kept=kept)
    risk = build.steps((None, build.GREY), (0.001, build.YELLOW), (0.5, build.RED))
    return build.panel(
        "table",
        "Who stops when, if nothing is done?",
        "The first to stop first. At risk: the part of the time to recover in which it fails to keep its rate.",
        targets=[build.target(asked, as_table=True)],
        options=build.table(sort_by=[("stops", False)]),
        defaults={"noValue": "nobody"},
        overrides=[
            build.override("stops", unit="dateTimeAsLocal", custom__width=180),
            build.override("chance", unit="percentunit", decimals=0),
            build.override(
                "at risk", unit="percentunit", decimals=0, thresholds=risk, custom__cellOptions={"type": "color-text"}
            ),
        ],
        transformations=[build.columns({name: name for name in _COLUMNS}, without=["Time"])],
    )
