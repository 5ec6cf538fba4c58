"""One tile a line: whether it makes what it should, by the judgement of the method that watches its output."""

from __future__ import annotations

from collector.schema import EXPECTED
from dashboards import build, downward, query
from dashboards.layout import Place

PLACES = {"plant_overview": Place(row=1, position=3, width=10, height=4)}

OUTPUT = (  # of a score, where 1 is the method's own threshold
    (None, 0.9999, "■ as expected", build.GREY),
    (1.0, None, "▼ below its band", build.YELLOW),
)


def panel() -> build.Json:
    where = [query.equals("method", "output_drop"), query.chosen("site"), query.chosen("line")]
    judged = query.highest_of_latest(EXPECTED, "output", "score", where=where, by=["line"], among=["cell", "metric"])
    return build.panel(
        "stat",
        "Does each line make what it should?",
        "Its worst counter against its band, the last 15 minutes. No tile: the line was silent or is not known yet.",
        targets=[build.target(judged, alias="$tag_line")],
        options=build.stat() | {"textMode": "value_and_name", "wideLayout": False},
        defaults={
            "unit": "none",
            "noValue": "? nothing heard",
            "mappings": build.bands(*OUTPUT),
            "thresholds": build.steps((None, build.GREY), (1.0, build.YELLOW)),
            "links": [downward.to_line("${__field.labels.line:percentencode}")],
        },
        timeFrom="15m",
    )
