"""How long the chain lasts at each weak link, against how long that link takes to recover."""

from __future__ import annotations

from collector.schema import EXPOSURE
from dashboards import build, downward, query
from dashboards.layout import Place
from dashboards.query import Kept

PLACES = {
    "plant_overview": Place(row=5, position=1, width=24, height=8),
    "supply_chain": Place(row=3, position=2, width=14, height=8),
}

_COLUMNS = {
    "node": "node",
    "material": "material",
    "survives": "time_to_survive_d",
    "recovers": "time_to_recover_d",
    "short by": "gap_d",
    "supply": "days_of_supply_d",
    "chance": "loss_chance_ratio",
    "loses": "lost_per_d",
    "because of": "cause",
    "best action": "best_action",
}


def panel() -> build.Json:
    days = {"unit": "suffix:d", "decimals": 1}
    short = build.steps((None, build.GREY), (0.001, build.RED))
    caused = Kept("cause", "!= ''")  # without a cause it has ended
    exposed = query.rows(EXPOSURE, _COLUMNS, by=["node", "material"], newest="cause", kept=[caused], within="30d")
    return build.panel(
        "table",
        "Where does the chain break first?",
        "Days the chain survives without a node, against the days the node takes to recover. Short by > 0 means loss.",
        targets=[build.target(exposed, as_table=True)],
        options=build.table(sort_by=[("short by", True), ("loses", True)]),
        defaults={"noValue": "–"},
        overrides=[
            *(build.override(name, **days) for name in ("survives", "recovers", "supply")),
            build.override("node", links=[downward.to_chain()]),
            build.override(
                "short by", **(days | {"decimals": 2}), thresholds=short, custom__cellOptions={"type": "color-text"}
            ),
            build.override("chance", unit="percentunit", decimals=0, description="that anything is lost at all"),
            build.override("loses", unit="suffix:/d", decimals=0),
        ],
        transformations=[build.columns({name: name for name in _COLUMNS}, without=["Time"])],
    )
