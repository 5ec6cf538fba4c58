"""How long the chain lasts at each weak link, against how long that link takes to recover."""

from __future__ import annotations

from collector.schema import EXPOSURE
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"plant_overview": Place(row=5, position=2, width=14, height=8)}

_COLUMNS = {
    "survives": "time_to_survive_d",
    "recovers": "time_to_recover_d",
    "short by": "gap_d",
    "supply": "days_of_supply_d",
    "loses": "lost_per_d",
    "best action": "best_action",
}


def panel() -> build.Json:
    by = ["node", "material"]
    days = {"unit": "suffix: d", "decimals": 1}
    short = build.steps((None, build.GREY), (0.001, build.RED))
    return build.panel(
        "table",
        "Where does the chain break first?",
        "Days the chain survives without a node, against the days the node takes to recover. Short by > 0 means loss.",
        targets=[build.target(query.latest(EXPOSURE, _COLUMNS, by=by), as_table=True)],
        options=build.table(sort_by=[("short by", True), ("survives", False)]),
        defaults={"noValue": "–"},
        overrides=[
            *(build.override(name, **days) for name in ("survives", "recovers", "supply")),
            build.override("short by", **days, thresholds=short, custom__cellOptions={"type": "color-text"}),
            build.override("loses", unit="suffix: /d", decimals=0),
        ],
        transformations=[build.columns({name: name for name in [*by, *_COLUMNS]}, without=["Time"])],
        timeFrom="30d",
    )
