"""What each counter of a line makes against its own band; one panel for every chosen line.

The band is drawn as its two limits. Grafana fills only between two series whose names are known when the board is
written, and how many counters a line has is not; one band over all of them would be nobody's.
"""

from __future__ import annotations

from collector.schema import EXPECTED
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"line": Place(row=1, position=1, width=24, height=9)}

_NOT_IN_LEGEND = {"custom__hideFrom": {"legend": True, "tooltip": False, "viz": False}}
_COLUMNS = {"low": "low", "high": "high", "expected": "mid", "made": "value"}


def panel() -> build.Json:
    where = [query.equals("method", "output_drop"), query.chosen("site"), query.chosen("line")]
    limits = query.over_time(EXPECTED, _COLUMNS, how="mean", where=where, by=["cell", "metric"])
    limit = {"color": {"mode": "fixed", "fixedColor": build.LIGHT_GREY}, **_NOT_IN_LEGEND}
    return build.panel(
        "timeseries",
        "Does $line make what it should?",
        "Each counter's output now (thick) between the limits learned for it (light), around their middle (dashed).",
        targets=[build.target(limits, alias="$tag_cell $tag_metric $col")],
        options=build.lines(),
        defaults={
            "unit": "suffix:/h",
            "min": 0,
            "noValue": "no data",
            "color": {"mode": "fixed", "fixedColor": build.GREY},
            "custom": {"drawStyle": "line", "lineWidth": 1, "showPoints": "never", "spanNulls": False},
        },
        overrides=[
            build.override_of(" (low|high)$", **limit),
            build.override_of(" expected$", custom__lineStyle={"fill": "dash", "dash": [6, 6]}, **_NOT_IN_LEGEND),
            build.override_of(" made$", custom__lineWidth=3),
        ],
        repeat="line",
        repeatDirection="h",
        maxPerRow=3,
    )
