"""What state each line said it was in, as strips."""

from __future__ import annotations

from collector.schema import READING
from dashboards import build, query
from dashboards.layout import Place

PLACES = {
    "plant_overview": Place(row=3, position=1, width=24, height=6),
    "line": Place(row=2, position=1, width=24, height=6),
}

_AT_WORK = "/^(run|runs|running|execute|producing|production|work|working|auto)$/i"
_PLANNED = "/^(planned.*|break|idle|setup|maintenance|cleaning)$/i"
_SLOW = "/^(micro.?stop|minor.?stop|waiting|held|suspended)$/i"
_DOWN = "/^(stop|stopped|starved|blocked|fault|faulted|error|down|breakdown|aborted|emergency.*)$/i"


def panel() -> build.Json:
    where = [query.chosen("site"), query.chosen("line")]
    by = ["line", "cell", "metric"]
    return build.panel(
        "state-timeline",
        "Which state was each line in?",
        "As the machines say it. A word that names no kind of stop is grey; a gap: nothing was said.",
        targets=[
            build.target(
                query.over_time(READING, {"state": "text"}, how="last", where=where, by=by),
                alias="$tag_line $tag_cell $tag_metric",
            )
        ],
        options=build.strips("auto"),
        defaults={
            "unit": "string",
            "noValue": "no states",
            "mappings": build.patterns(
                (_AT_WORK, "● $1", build.GREY),
                (_PLANNED, "▬ $1", build.DARK_GREY),
                (_SLOW, "◌ $1", build.LIGHT_GREY),
                (_DOWN, "■ $1", build.YELLOW),
            ),
            "color": {"mode": "thresholds"},
            "thresholds": build.steps((None, build.GREY)),
            "custom": {"lineWidth": 0, "fillOpacity": 80},
        },
    )
