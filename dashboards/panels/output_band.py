"""What a line makes against the band it is expected to stay in; one panel for every chosen line."""

from __future__ import annotations

from collector.schema import EXPECTED
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"line": Place(row=1, position=1, width=24, height=9)}

_COLUMNS = {"low": "low", "high": "high", "expected": "mid", "made": "value"}


def panel() -> build.Json:
    where = [query.equals("method", "output_drop"), query.chosen("site"), query.chosen("line")]
    edge = {"custom__lineWidth": 0, "custom__hideFrom": {"legend": True, "tooltip": False, "viz": False}}
    return build.panel(
        "timeseries",
        "Does $line make what it should?",
        "Output now (thick) against the band learned for this line (grey area) and its middle (dashed).",
        targets=[build.target(query.over_time(EXPECTED, _COLUMNS, how="mean", where=where), alias="$col")],
        options=build.lines(),
        defaults={
            "unit": "suffix: /h",
            "min": 0,
            "noValue": "no data",
            "color": {"mode": "fixed", "fixedColor": build.GREY},
            "custom": {"drawStyle": "line", "lineWidth": 1, "showPoints": "never", "spanNulls": False},
        },
        overrides=[
            build.override("low", **edge),
            build.override("high", **edge, custom__fillBelowTo="low", custom__fillOpacity=20),
            build.override("expected", custom__lineStyle={"fill": "dash", "dash": [6, 6]}),
            build.override("made", custom__lineWidth=3),
        ],
        repeat="line",
        repeatDirection="h",
        maxPerRow=3,
    )
