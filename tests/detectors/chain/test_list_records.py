"""The lists in the store: every row once, under an id of its own, and gone from boards when it is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector import schema
from collector.spool.frames import Record
from detectors.chain.lists.lists import lists
from detectors.chain.lists.records import list_records
from detectors.chain.lists.row import ListName
from detectors.chain.map.folder import load
from detectors.chain.network import Network
from detectors.chain.run import ChainRun
from tests.bench.chain_networks import random_network
from tests.detectors.chain.test_lists import uncapped
from tests.detectors.chain.test_run import Plant, settle

SITE = Path(__file__).parents[3] / "deploy" / "sites" / "nev_drive"
NETWORK = load(SITE / "chain")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path / "spool.sqlite")
    with closing(made.spool):
        yield made


def say_map(plant: Plant, network: Network, second: int) -> None:
    plant.tick(second)
    plant.detectors_say()
    settle(plant, ChainRun(network))


def on_the_board(plant: Plant) -> dict[str, Record]:
    """What a board shows: the newest point of every series that is on the map, by its id."""
    newest = {record.tags["id"]: record for record in plant.said(schema.CHAIN_LIST.name)}
    return {one: record for one, record in newest.items() if record.fields["on_map"]}


@pytest.mark.parametrize("network", [NETWORK, random_network(400, 1600)], ids=["nev_drive", "random"])
def test_every_row_is_a_record_with_an_id_of_its_own(network: Network) -> None:
    found = lists(network)
    records = list_records(found, at_ns=7)
    assert len({record.tags["id"] for record in records}) == len(records) == len(found.rows) > 10
    for row, record in zip(found.rows, records, strict=True):
        assert (record.tags["list"], record.fields["cause"], record.at_ns) == (row.list, row.cause, 7)
        assert record.tags.keys() == set(schema.CHAIN_LIST.tags)
        assert record.fields.keys() == set(schema.CHAIN_LIST.fields)


def test_all_four_lists_are_said_with_the_map_and_not_again(plant: Plant) -> None:
    for second in (5, 10):
        say_map(plant, NETWORK, second)
    said = plant.said(schema.CHAIN_LIST.name)
    assert {record.tags["list"] for record in said} == set(ListName)
    assert len(said) == len(lists(NETWORK).rows)


def test_a_row_that_is_cleared_has_gone_from_the_boards(plant: Plant) -> None:
    say_map(plant, NETWORK, 5)
    before = on_the_board(plant)
    say_map(plant, uncapped(NETWORK), 10)
    cleared = [record for one, record in before.items() if one not in on_the_board(plant)]
    assert [(one.tags["list"], one.tags["material"]) for one in cleared] == [("shortcomings", "inverter_housing")]


def test_many_names_are_cut_in_the_cell_and_whole_in_the_detail() -> None:
    records = list_records(lists(random_network(400, 1600)), at_ns=7)
    cut = [record for record in records if " and " in str(record.fields["felt_by"])]
    assert cut
    for record in cut:
        shown, _, more = str(record.fields["felt_by"]).partition(" and ")
        assert len(shown.split(", ")) + int(more.split()[0]) == len(record.detail["felt_by"])
