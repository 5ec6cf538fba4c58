"""How lines hang together: from the chain's map, and that a line hears those that feed it, in the log's order."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from collector.spool.frames import batch_frame
from collector.spool.spool import Spool
from detectors.chain.network import Arc, Network, Node, NodeKind, Stock
from detectors.engine import SpoolShards
from detectors.flow import Flow, flow_of


def chain() -> Network:
    """Cutting feeds the press through a warehouse; the press takes two blanks and a bolt from a supplier."""
    nodes = (
        Node(name="acme", kind=NodeKind.SUPPLIER),
        Node(name="cut", kind=NodeKind.LINE, equipment="north/cut"),
        Node(name="rack", kind=NodeKind.WAREHOUSE),
        Node(name="press", kind=NodeKind.LINE, equipment="north/press"),
    )
    arcs = (
        Arc(source="cut", target="rack", material="blank"),
        Arc(source="rack", target="press", material="blank", quantity_per=2.0),
        Arc(source="acme", target="press", material="bolt", quantity_per=4.0),
    )
    stocks = (Stock(node="press", material="bolt", on_hand=5, series="north/press/cell:level"),)
    parts = {field.name: () for field in dataclasses.fields(Network) if field.default is dataclasses.MISSING}
    return Network(**{**parts, "nodes": nodes, "arcs": arcs, "stocks": stocks})  # type: ignore[arg-type]


def stock(line: str, cell: str, metric: str) -> Series:
    return Series(Equipment("e", "north", "", line, cell), metric, "1", Kind.STOCK)


def test_without_a_chain_nobody_hears_anybody() -> None:
    assert flow_of(None) == Flow()
    assert Flow().heard_by("north/press") == ()


def test_a_line_hears_the_nearest_watched_line_before_it() -> None:
    assert flow_of(chain()).heard_by("north/press") == ("north/cut",)
    assert flow_of(chain()).heard_by("north/cut") == ()


def test_the_inventory_hears_every_line_whose_needs_are_known() -> None:
    assert flow_of(chain()).heard_by("north/inventory") == ("north/press",)
    assert flow_of(chain()).heard_by("south/inventory") == ()


def test_what_a_unit_takes_is_found_by_material_and_by_series() -> None:
    flow = flow_of(chain())
    assert flow.takers(stock("press", "cell", "level")) == {"north/press": 4.0}
    assert flow.takers(stock("press", "cell", "stock_blank")) == {"north/press": 2.0}
    assert flow.takers(stock("inventory", "bolt", "on_hand")) == {"north/press": 4.0}
    assert flow.takers(stock("cut", "cell", "stock_blank")) == {}


def test_frames_of_the_lines_that_are_heard_come_in_the_logs_order(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db") as spool:
        with spool.transaction():
            for at in range(40):
                line = ("cut", "press", "paint")[at % 3]
                series = Series(Equipment("e", "north", "", line, "cell"), "good", "1", Kind.COUNTER)
                builder = BatchBuilder()
                builder.add(spool.series.id_of(series), (at + 1) * NS_PER_S, at, Quality.GOOD, 0)
                spool.log.append([batch_frame(f"north/{line}", builder.build())])
        seams, offsets, after = SpoolShards(spool, flow_of(chain()).heard_by), [], 0
        while frames := seams.read("north/press", after):
            after = frames[-1].offset
            offsets += [frame.offset for frame in frames]
            assert {frame.shard for frame in frames} <= {"north/press", "north/cut"}
        alone = SpoolShards(spool).read("north/press", 0)
    assert offsets == sorted(set(offsets))
    assert len(offsets) == 27
    assert len(alone) == 13
