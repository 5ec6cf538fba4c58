"""The chain as a graph in fixed tiers, suppliers left and markets right; the ring of a node is its risk."""

from __future__ import annotations

from collector.schema import CHAIN_ARC, CHAIN_NODE
from dashboards import build
from dashboards.chain_rows import rows_on_map
from dashboards.layout import Place
from dashboards.query import Linear

PLACES = {"supply_chain": Place(row=1, position=1, width=24, height=14)}

_ACROSS, _DOWN = 1_600, 2_400  # pixels from the first tier to the last, and from the top of a tier to its foot

_NODE: dict[str, str | Linear] = {
    "id": "node",
    "title": "title",
    "subtitle": "subtitle",
    "mainstat": "risk",
    "secondarystat": "days_of_supply_d",
    "arc__at_risk": "risk",
    "arc__safe": Linear("risk", -1, plus=1),
    "detail__kind": "kind",
    "detail__cluster": "cluster",
    "detail__survives": "time_to_survive_d",
    "detail__chance": "chance_ratio",
    "fixedx": Linear("x", _ACROSS),
    "fixedy": Linear("y", _DOWN),
}
_ARC: dict[str, str | Linear] = {
    "id": "id",
    "source": "source",
    "target": "target",
    "mainstat": "share",
    "secondarystat": "lead_time_d",
    "detail__material": "material",
    "thickness": Linear("risk", 4, plus=1),
}


def panel() -> build.Json:
    nodes = rows_on_map(CHAIN_NODE, _NODE, CHAIN_NODE.tags)
    both_ends = ["source_cluster", "target_cluster"]  # then both their nodes are rows
    arcs = rows_on_map(CHAIN_ARC, _ARC, CHAIN_ARC.tags, clusters=both_ends)
    return build.panel(
        "nodeGraph",
        "Where in the chain is the risk?",
        "Red ring and %: the part of its time to recover in which a node fails. Thick: the risk travels there.",
        targets=[
            build.target(nodes, as_table=True, ref_id="nodes"),
            build.target(arcs, as_table=True, ref_id="edges"),
        ],
        options={
            "nodes": {
                "arcs": [{"field": "arc__at_risk", "color": build.RED}, {"field": "arc__safe", "color": build.GREY}]
            },
            "edges": {},
            "zoomMode": "cooperative",
        },
        defaults={"unit": "none", "noValue": "–"},
        overrides=[
            build.override("mainstat", unit="percentunit", decimals=0),
            build.override("secondarystat", unit="suffix:d", decimals=1),
            build.override("arc__at_risk", displayName="at risk", color={"mode": "fixed", "fixedColor": build.RED}),
            build.override("arc__safe", displayName="not at risk", color={"mode": "fixed", "fixedColor": build.GREY}),
            build.override("detail__survives", displayName="survives", unit="suffix:d", decimals=1),
            build.override("detail__chance", displayName="chance to fail", unit="percentunit", decimals=0),
            build.override("detail__kind", displayName="kind"),
            build.override("detail__cluster", displayName="cluster"),
            build.override("detail__material", displayName="material"),
        ],
    )
