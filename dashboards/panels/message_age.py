"""How old the oldest thing is that somebody has not dealt with: detectors of each line, and the stores."""

from __future__ import annotations

from collector.schema import READING, SELF_LINE
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"watch_health": Place(row=2, position=2, width=12, height=8)}


def panel() -> build.Json:
    where = [query.equals("line", SELF_LINE), query.of_family(["detection_lag_s", "sink_lag_s"])]
    age = query.over_time(READING, {"age": "value"}, how="max", where=where, by=["site", "metric"])
    return build.panel(
        "timeseries",
        "How old is what the watcher knows?",
        "Age of the oldest entry not dealt with: by the detectors of each line, and by each store, of all collectors.",
        targets=[build.target(age, alias="$tag_site: $tag_metric")],
        options=build.lines(),
        defaults={
            "unit": "s",
            "min": 0,
            "noValue": "no word",
            "color": {"mode": "fixed", "fixedColor": build.GREY},
            "custom": {"drawStyle": "line", "lineWidth": 1, "showPoints": "never", "spanNulls": False},
        },
    )
