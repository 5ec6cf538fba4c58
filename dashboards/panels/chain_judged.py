"""How old the chain's last judgement is: every number of its board is as of then."""

from __future__ import annotations

from collector.schema import CHAIN_NODE
from dashboards import build
from dashboards.chain_rows import rows_on_map
from dashboards.layout import Place

PLACES = {"supply_chain": Place(row=4, position=2, width=6, height=8)}


def panel() -> build.Json:
    asked = rows_on_map(CHAIN_NODE, {"nodes": "on_map"}, CHAIN_NODE.tags, clusters=())
    return build.panel(
        "stat",
        "How old is this picture of the chain?",
        "When the chain was last judged. It is judged anew when an alert opens or closes, and when the map changes.",
        targets=[build.target(asked, as_table=True)],
        options=build.stat(fields="/^Time$/"),
        defaults={
            "unit": "dateTimeFromNow",
            "noValue": "? never judged",
            "color": {"mode": "fixed", "fixedColor": build.GREY},
        },
    )
