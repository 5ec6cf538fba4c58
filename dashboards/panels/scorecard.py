"""What became of what each method raised, as far as people said: the detectors' scorecard."""

from __future__ import annotations

from collector.schema import ALERT_EVENT
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"watch_health": Place(row=3, position=1, width=24, height=8)}

_COLUMNS = {
    "raised": "raised",
    "in time": "in_time",
    "missed": "missed",
    "acknowledged": "acknowledged",
    "said true": "said_true",
    "said false": "said_false",
    "hidden": "hidden",
}


def panel() -> build.Json:
    where = [query.chosen("site"), query.chosen("line")]
    return build.panel(
        "table",
        "How often were past alerts right?",
        "In time, missed: raised before a stock was empty, or only then. People say true or false. Most false first.",
        targets=[build.target(query.summed(ALERT_EVENT, _COLUMNS, where=where, by=["kind"]), as_table=True)],
        options=build.table(sort_by=[("said false", True), ("raised", True)]),
        defaults={"noValue": "–", "unit": "none", "decimals": 0},
        transformations=[build.columns({name: name for name in ["kind", *_COLUMNS]}, without=["Time"])],
    )
