"""How old the newest reading of every line is."""

from __future__ import annotations

from collector.schema import READING, SELF_LINE
from dashboards import build, downward, query
from dashboards.layout import Place

PLACES = {
    "plant_overview": Place(row=4, position=2, width=7, height=7),
    "watch_health": Place(row=4, position=1, width=24, height=7),
}


def panel() -> build.Json:
    where = [query.chosen("site"), query.chosen("line"), query.other_than("line", SELF_LINE)]
    newest = query.latest(READING, {"value": "value"}, where=where, by=["line"])
    return build.panel(
        "table",
        "When was each line last heard?",
        "Event time of the newest reading, oldest first. A line missing here was silent for the whole time shown.",
        targets=[build.target(newest, as_table=True)],
        options=build.table(sort_by=[("last heard", False)]),
        defaults={"noValue": "no reading"},
        overrides=[
            build.override("last heard", unit="dateTimeFromNow"),
            build.override("line", links=[downward.to_line()]),
        ],
        transformations=[build.columns({"line": "line", "Time": "last heard"}, without=["value"])],
    )
