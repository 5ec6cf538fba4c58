"""A late receipt changes the exposure: promises that move, pass or are kept, from the signal to the programme."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from collector import schema
from collector.clocks.clock import WallClock
from collector.config import Site
from collector.decoder import Decoder
from collector.formats import stock_signals
from collector.intake import Intake
from collector.inventory.booking import booked
from collector.readings import NS_PER_S
from collector.sources.source import Message
from collector.topics import TopicTemplate
from detectors.alerts import Alert
from detectors.chain.network import Network
from detectors.chain.run import ChainRun
from tests.detectors.chain.test_exposure import DAY_NS, NETWORK, NOW_NS, alert
from tests.detectors.chain.test_run import Plant, exposures_said, settle

ON_HAND = "plant/inventory/part:on_hand"
SITE = Site(enterprise="firm", name="plant")
TOPIC = TopicTemplate("andon/v1/{site}/{signal}")
DECODER = Decoder([(TOPIC, stock_signals.build(stock_signals.Options(time_unit="ns"), SITE, TOPIC))], WallClock())


def at_the_inventory(network: Network) -> Network:
    """The chain with its live stock reckoned from signals."""
    stocks = tuple(
        msgspec.structs.replace(stock, series=ON_HAND) if stock.material == "part" else stock
        for stock in network.stocks
    )
    return Network(network.nodes, network.arcs, stocks, network.mitigations)


class Store(Plant):
    """A plant whose stock is told by signals."""

    _inventory_rev = 0

    def hears(self, signal: str, second: int, **fields: object) -> None:
        """Stores a signal of a second after NOW as the collector does."""
        said = {"at": NOW_NS + second * NS_PER_S, "item": "part", **fields}
        intake: Intake = DECODER.decode([Message(f"andon/v1/plant/{signal}", msgspec.json.encode(said), 0)])
        with self.spool.transaction():
            whole = booked(self.spool, intake)
            assert not whole.dead
            self.spool.log.append(whole.frames(self.spool.series))
            for told in whole.records:
                self.spool.log.say(*told)

    def detectors_say(self, *alerts: Alert, up_to: int | None = None) -> None:
        """The line of the inventory has detectors, too."""
        super().detectors_say(*alerts, up_to=up_to)
        with self.spool.transaction():
            self._inventory_rev = self.spool.states.commit(
                "plant/inventory", self.spool.log.end(), 1, b"", self._inventory_rev
            )

    def shortage(self, second: int) -> None:
        at_ns = NOW_NS + second * NS_PER_S
        self.detectors_say(alert("shortage", active_at_ns=NOW_NS, changed_at_ns=at_ns, series=ON_HAND))

    def passes(self, second: int, chain: ChainRun) -> None:
        self.tick(second)
        self.detectors_say()
        settle(self, chain)

    def survives_d(self) -> list[object]:
        return [exposure["time_to_survive_d"] for exposure in exposures_said(self)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "spool.sqlite")
    with closing(made.spool):
        yield made


@pytest.fixture
def chain() -> ChainRun:
    return ChainRun(at_the_inventory(NETWORK))


def promised(day: float) -> int:
    return NOW_NS + round(day * DAY_NS)


def test_a_promise_that_moves_past_the_last_part_shortens_the_time_to_survive(store: Store, chain: ChainRun) -> None:
    store.hears("stock", 0, quantity=80)
    store.hears("receipt", 1, id="PO 1", quantity=40, promised=promised(1))
    store.shortage(2)
    store.passes(5, chain)
    store.hears("receipt", 6, id="PO 1", quantity=40, promised=promised(9))
    store.passes(10, chain)
    before, after = store.survives_d()
    assert (before, after) == (pytest.approx(4.5, abs=1e-3), pytest.approx(3.5, abs=1e-3))
    assert store.latest(schema.EXPOSURE.name, "line|part").at_ns == NOW_NS + 6 * NS_PER_S


def test_a_promise_that_passes_without_a_word_changes_the_exposure_at_its_instant(
    store: Store, chain: ChainRun
) -> None:
    store.hears("stock", 0, quantity=80)
    store.hears("receipt", 1, id="PO 1", quantity=40, promised=NOW_NS + 60 * NS_PER_S)
    store.shortage(2)
    for second in (5, 59, 61, 120):
        store.passes(second, chain)
    assert store.survives_d() == [pytest.approx(4.5, abs=1e-3), pytest.approx(3.5, abs=1e-3)]
    assert exposures_said(store)[-1]["at_ns"] == NOW_NS + 60 * NS_PER_S


def test_an_arrival_moves_the_goods_from_the_way_to_the_stock(store: Store, chain: ChainRun) -> None:
    store.hears("stock", 0, quantity=80)
    store.hears("receipt", 1, id="PO 1", quantity=40, promised=promised(1))
    store.shortage(2)
    store.passes(5, chain)
    store.hears("movement", 6, id="GR 1", quantity=40, receipt="PO 1")
    store.passes(10, chain)
    assert [e["days_of_supply_d"] for e in exposures_said(store)] == pytest.approx([3.0, 3.0])


def test_without_an_open_alert_a_promise_exposes_nothing(store: Store, chain: ChainRun) -> None:
    store.hears("stock", 0, quantity=80)
    store.hears("receipt", 1, id="PO 1", quantity=40, promised=promised(9))
    store.passes(5, chain)
    assert exposures_said(store) == []


def test_a_word_that_comes_late_changes_nothing_that_was_judged_before(store: Store, chain: ChainRun) -> None:
    store.hears("stock", 0, quantity=80)
    store.shortage(2)
    store.passes(30, chain)
    store.hears("receipt", 1, id="PO 1", quantity=40, promised=promised(1))
    store.passes(40, chain)
    assert [exposure["at_ns"] for exposure in exposures_said(store)] == [NOW_NS + 2 * NS_PER_S, NOW_NS + 30 * NS_PER_S]


def test_how_far_the_chain_is_behind_changes_no_exposure(tmp_path: Path) -> None:
    said = []
    for i, at_once in enumerate((True, False)):
        store, chain = Store(tmp_path / f"{i}.sqlite"), ChainRun(at_the_inventory(NETWORK))
        with closing(store.spool):
            store.hears("stock", 0, quantity=80)
            store.shortage(2)
            for second, day in ((10, 1), (20, 9), (30, 2)):
                store.hears("receipt", second, id="PO 1", quantity=40, promised=promised(day))
                store.tick(second + 5)
                store.detectors_say()
                if at_once:
                    settle(store, chain)
            settle(store, chain)
            said.append(exposures_said(store))
    assert said[0] == said[1]
    assert len(said[0]) == 4
