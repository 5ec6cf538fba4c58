"""The variables of every board: site, line and cluster, and the address of the local board that alert rows lead to."""

from __future__ import annotations

from collector.schema import CHAIN_NODE, OWN_LINES, READING
from dashboards import build, query

BOARD_URL = "http://127.0.0.1:8470"  # the local board of a site.toml that says nothing else


def site_line_cluster() -> list[build.Json]:
    """Every board has all three, so that a link takes each choice along and back."""
    of_plant = query.none_of("line", sorted(OWN_LINES))  # a collector's own site need not make anything
    lines = query.tag_values(READING, "line", where=[query.chosen("site"), of_plant])
    return [
        build.variable("site", "Site", query.tag_values(READING, "site", where=[of_plant])),
        build.variable("line", "Line", lines, multi=True),
        build.variable("cluster", "Cluster", query.tag_values(CHAIN_NODE, "cluster"), multi=True),
        build.constant("board", BOARD_URL),
    ]
