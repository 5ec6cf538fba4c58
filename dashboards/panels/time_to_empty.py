"""How long each stock at a line lasts at its present use, shortest first."""

from __future__ import annotations

from collector.schema import EXPECTED
from dashboards import build, query
from dashboards.layout import Place

PLACES = {
    "line": Place(row=5, position=2, width=10, height=8),
    "supply_chain": Place(row=4, position=1, width=18, height=8),
}

_BY = ("line", "cell", "metric")
_COLUMNS = {**{tag: tag for tag in _BY}, "empty in": "value", "at the earliest": "low", "at the latest": "high"}


def panel() -> build.Json:
    where = [query.equals("method", "shortage"), query.chosen("site"), query.chosen("line")]
    used = query.Kept("value", ">= 0")  # of a stock of which nothing is used, the newest point has none
    asked = query.rows(EXPECTED, _COLUMNS, by=_BY, newest="score", kept=[used], where=where)
    return build.panel(
        "table",
        "Which stock runs empty next?",
        "Median time to empty at the use measured now, with its early and late quantile. What is not used is left out.",
        targets=[build.target(asked, as_table=True)],
        options=build.table(sort_by=[("empty in", False)]),
        defaults={"unit": "s", "decimals": 1, "noValue": "–"},
        transformations=[build.columns({name: name for name in _COLUMNS}, without=["Time"])],
    )
