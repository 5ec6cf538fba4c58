"""How old the newest reading of every line is."""

from __future__ import annotations

from collector.schema import READING
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"plant_overview": Place(row=1, position=3, width=6, height=4)}


def panel() -> build.Json:
    newest = query.latest(READING, {"value": "value"}, where=[query.chosen("site"), query.chosen("line")], by=["line"])
    return build.panel(
        "table",
        "When was each line last heard?",
        "Event time of the newest reading, oldest first. A line missing here was silent for the whole time shown.",
        targets=[build.target(newest, as_table=True)],
        options=build.table(sort_by=[("last heard", False)]),
        defaults={"noValue": "no reading"},
        overrides=[build.override("last heard", unit="dateTimeFromNow")],
        transformations=[build.columns({"line": "line", "Time": "last heard"}, without=["value"])],
    )
