"""What has left the map is said to have gone, once; what stands is left alone."""

from __future__ import annotations

from collector import schema
from collector.spool.frames import Record
from detectors.chain.outputs import gone_records


def node(name: str, on_map: int = 1, cluster: str = "Wuxi") -> Record:
    fields = {"on_map": on_map, "title": name.title()}
    return Record(schema.CHAIN_NODE.name, {"node": name, "cluster": cluster}, fields, at_ns=1, key=name)


def test_what_is_no_longer_on_the_map_has_gone():
    (gone,) = gone_records([node("old"), node("kept")], [node("kept"), node("new")], at_ns=2)
    assert (gone.key, gone.at_ns, gone.fields) == ("old", 2, {"on_map": 0, "title": "Old"})


def test_what_moved_has_gone_from_where_it_was_and_is_still_known():
    (gone,) = gone_records([node("moved")], [node("moved", cluster="Suzhou")], at_ns=2)
    assert (gone.key, gone.tags["cluster"], gone.fields["on_map"]) == ("", "Wuxi", 0)


def test_it_is_said_once():
    assert gone_records([node("old", on_map=0)], [node("kept")], at_ns=3) == []
