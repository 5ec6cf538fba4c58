"""Why a node is red: the facts in order, and a counterfactual that on recomputation really turns it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from collector.clocks.clock import WallClock
from deploy.chain_why import answer_of, thresholds_of
from deploy.cli import app
from detectors.chain.arrivals import as_counted
from detectors.chain.disruption import causes_of, disruption_of
from detectors.chain.exposure import Asked, asked_of, exposures
from detectors.chain.floor import Floor
from detectors.chain.live import with_stocks
from detectors.chain.map.folder import load
from detectors.chain.network import Network, Stock
from detectors.chain.state import Colour, Thresholds, state_of
from detectors.chain.why import Signal, Turn, UnknownNode, Why, signals_of_failures, why
from tests.detectors.chain.test_exposure import NETWORK, NOW_NS, SHORT, alert

DEMO = Path(__file__).parents[3] / "deploy" / "sites" / "nev_drive" / "chain"


def explained(name: str, floor: Floor = SHORT, network: Network = NETWORK, of: Thresholds = Thresholds()) -> Why:  # noqa: B008
    asked = asked_of(network, floor, NOW_NS)
    return why(asked, name, signals(asked), of)


def signals(asked: Asked) -> list[Signal]:
    whats = causes_of(asked.live, asked.floor)
    return [Signal(what[0], disruption_of(asked.live, asked.book, asked.floor, what, NOW_NS)) for what in whats]


def test_the_facts_lead_from_the_signal_to_the_node() -> None:
    found = explained("shop")
    assert (found.colour, found.signal, found.hit, found.material) == (Colour.RED, "shortage", "line", "part")
    assert found.days_of_supply_d == pytest.approx(2.0)
    assert found.path == ("line", "shop")
    assert found.fails_in_d == pytest.approx(3.5)
    assert found.recovers == "maker"
    assert found.recovers_d[0] == pytest.approx(10)
    assert "line" in {one.node for one in found.binding}


def test_the_counterfactual_is_the_least_stock_and_really_turns_the_node() -> None:
    """3.5 days are there, half of all recoveries take more than 10: 6.5 more days of parts, on a chain built anew."""
    found = explained("shop")
    turn = found.turns[0]
    assert (turn.node, turn.material, turn.to, turn.verified) == ("line", "part", Colour.AMBER, True)
    assert turn.stock_d == pytest.approx(6.5, abs=0.1)

    def colour(more_d: float) -> Colour:
        stock = {("line", "part"): 80 + more_d * 40}
        (exposure,) = exposures(NETWORK, replace_stock(stock), NOW_NS)
        return state_of(exposure.chance["shop"])

    assert colour(turn.stock_d) is Colour.AMBER
    assert colour(turn.stock_d - 0.2) is Colour.RED


def replace_stock(stock: dict[tuple[str, str], float]) -> Floor:
    return Floor(stock=stock, alerts=SHORT.alerts)


def test_every_place_that_is_told_turns_it() -> None:
    found = explained("shop")
    assert {(turn.node, turn.material) for turn in found.turns} == {("line", "part"), ("shop", "thing"), ("line", "")}
    assert all(turn.verified and turn.to is Colour.AMBER for turn in found.turns)


def test_thresholds_are_settings() -> None:
    assert explained("shop", of=Thresholds(red_chance_ratio=0.99)).colour is Colour.AMBER
    assert explained("shop", of=Thresholds(red_chance_ratio=0.99, amber_chance_ratio=0.98)).colour is Colour.GREEN
    with pytest.raises(ValueError, match="amber_chance_ratio is above"):
        Thresholds(red_chance_ratio=0.1, amber_chance_ratio=0.2)


def test_what_nothing_reaches_is_green() -> None:
    assert explained("maker").colour is Colour.GREEN
    enough = with_stocks(NETWORK, tuple(replace(stock, on_hand=1e6) for stock in NETWORK.stocks))
    assert explained("shop", Floor(alerts=SHORT.alerts), enough).colour is Colour.GREEN


def test_of_two_signals_the_worse_is_told() -> None:
    both = Floor(stock=SHORT.stock, line_ratio={"line": 0.9}, alerts=(*SHORT.alerts, alert("output_drop")))
    assert explained("shop", both).signal == "shortage"


def test_a_stock_that_leaves_another_signal_is_not_said_to_turn_the_node() -> None:
    """The demo's vehicle_plant: a stock that helps against the signal told leaves others that keep the plant red."""
    network = as_counted(load(DEMO))
    found = answer_of(DEMO, "vehicle_plant")
    turns = {(turn.node, turn.material): turn for turn in found.why.turns}
    assert turns and "motor_1 stops" in found.why.also
    for turn in turns.values():
        assert turn.verified and turn.kept_by and set(turn.kept_by) <= set(found.why.also)
        more = tuple(_more(network, one, turn) if is_at(one, turn) else one for one in network.stocks)
        asked = asked_of(with_stocks(network, more), Floor(), WallClock().now_ns())
        again = why(asked, "vehicle_plant", list(signals_of_failures(asked, "vehicle_plant")))
        assert again.colour is Colour.RED and again.signal in turn.kept_by
    inverter = answer_of(DEMO, "inverter_1").why
    assert [bool(turn.kept_by) for turn in inverter.turns] == [True, False, True] and inverter.also
    said = "\n".join(found.sentences())
    assert "against this alone; still red: " in said and "no stock alone turns it" in said


def is_at(stock: Stock, turn: Turn) -> bool:
    return (stock.node, stock.material) == (turn.node, turn.material)


def _more(network: Network, stock: Stock, turn: Turn) -> Stock:
    return replace(stock, on_hand=stock.on_hand + turn.stock_d * network.planned_use_per_d(stock))


def test_an_unknown_node_is_refused_with_the_name_that_was_probably_meant() -> None:
    with pytest.raises(UnknownNode, match="did you mean shop"):
        explained("shpo")


def test_every_red_node_of_the_demo_chain_has_a_counterfactual_that_turns_it() -> None:
    for name in ("gate_board_plant", "inverter_1"):
        found = answer_of(DEMO, name)
        assert found.what_if and found.why.colour is Colour.RED
        assert found.why.turns and all(turn.verified for turn in found.why.turns)


def test_the_command_says_it_in_sentences_and_as_json(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["chain", "why", "gate_board_plant", str(DEMO)])
    assert said.exit_code == 0, said.output
    for word in ("signal: mcu_maker stops", "path: mcu_maker -> gate_board_plant", "binds: ", "more stock of mcu"):
        assert word in said.output
    facts = json.loads(CliRunner().invoke(app, ["chain", "why", "gate_board_plant", str(DEMO), "--json"]).output)
    assert facts["colour"] == "red" and facts["turns"][0]["verified"]
    settings = tmp_path / "settings.toml"
    settings.write_text("red_chance_ratio = 0.9\n")
    assert thresholds_of(settings) == Thresholds(red_chance_ratio=0.9)
