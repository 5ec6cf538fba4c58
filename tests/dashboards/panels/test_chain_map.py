from __future__ import annotations

from dashboards.panels.chain_map import panel


def queries() -> list[str]:
    return [target["query"] for target in panel()["targets"]]


def test_the_graph_does_not_hang_on_the_time_picker():
    assert all("$timeFilter" not in query and "time > now() - 400d" in query for query in queries())


def test_nodes_and_arcs_are_told_apart_and_hide_what_has_gone():
    assert [target["refId"] for target in panel()["targets"]] == ["nodes", "edges"]
    assert all('WHERE "on_map" > 0' in query for query in queries())


def test_arcs_are_chosen_by_the_same_clusters_as_their_ends():
    nodes, arcs = queries()
    assert '"cluster" =~ /^$cluster$/' in nodes
    assert '"source_cluster" =~ /^$cluster$/ AND "target_cluster" =~ /^$cluster$/' in arcs


def test_every_node_has_a_fixed_place():
    assert '* "x" AS "fixedx"' in queries()[0] and '* "y" AS "fixedy"' in queries()[0]
