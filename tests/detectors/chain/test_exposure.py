"""What open alerts put at risk: live stocks and line rates in, days, money and names out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from detectors.alerts import Alert, State
from detectors.chain.exposure import Exposure, exposures
from detectors.chain.floor import Band, Floor, FloorHistory
from detectors.chain.live import on_the_floor
from detectors.chain.network import Arc, Mitigation, Network, Node, NodeKind, Outage, Receipt, Stock
from detectors.chain.output_ratio import output_ratio
from detectors.chain.outputs import arc_records, node_records
from detectors.chain.recovery import time_to_recover

DAY_NS = 86_400 * NS_PER_S
NOW_NS = 20_000 * DAY_NS
PARTS = "plant/line/store:stock_part"
OUTPUT = "plant/line/line:good"

NETWORK = Network(
    nodes=(
        Node(name="maker", kind=NodeKind.SUPPLIER, time_to_recover_d=10),
        Node(name="line", kind=NodeKind.LINE, equipment="plant/line", capacity_per_d=40, time_to_recover_d=4),
        Node(name="shop", kind=NodeKind.MARKET, demand_per_d=20, value_per_d=400),
    ),
    arcs=(
        Arc(source="maker", target="line", material="part", quantity_per=2),
        Arc(source="line", target="shop", material="thing"),
    ),
    stocks=(
        Stock(node="line", material="part", on_hand=500, series=PARTS),
        Stock(node="line", on_hand=20),
        Stock(node="shop", material="thing", on_hand=10),
    ),
    mitigations=(
        Mitigation(node="line", material="part", action="drive there", covers_d=1, cost=5),
        Mitigation(node="line", material="part", action="fly it in", covers_d=30, cost=90),
        Mitigation(node="line", action="buy elsewhere", covers_d=20, cost=40),
    ),
)


def alert(kind: str, **changes: Any) -> Alert:
    series = PARTS if kind == "shortage" else OUTPUT
    subject = "plant/line" if kind == "silent" else series
    facts: dict[str, Any] = {"key": f"{kind}:{subject}", "subject": subject, "shard": "plant/line", "series": series}
    rest = {"severity": AlertLevel.WARNING, "state": State.UNACKED, "changed_at_ns": NOW_NS}
    return Alert(**(facts | rest | {"kind": kind} | changes))


def only(floor: Floor, network: Network = NETWORK) -> Exposure:
    (exposure,) = exposures(network, floor, NOW_NS)
    return exposure


SHORT = Floor(stock={("line", "part"): 80}, alerts=(alert("shortage"),))


def test_a_shortage_cuts_the_supply_and_runs_down_the_live_stock() -> None:
    exposure = only(SHORT)
    assert (exposure.node, exposure.material, exposure.causes) == ("line", "part", (f"shortage:{PARTS}",))
    assert exposure.days_of_supply_d == pytest.approx(2.0)  # 80 parts, 2 a thing, 20 things a day
    assert exposure.time_to_survive_d == pytest.approx(3.5)  # and 20 + 10 things in stock
    assert exposure.time_to_recover_d == 10
    assert exposure.gap_d == pytest.approx(6.5)
    assert exposure.lost_per_d == pytest.approx(400)
    assert exposure.lost == pytest.approx(6.5 * 400)
    assert exposure.stops_at_ns == NOW_NS + 2 * DAY_NS
    assert exposure.first_loss_at_ns == NOW_NS + 3.5 * DAY_NS
    assert exposure.stops == ("shop",) and exposure.stops_in_d == pytest.approx((3.5,))


def test_measured_use_decides_how_long_the_stock_lasts() -> None:
    faster = Floor(stock=SHORT.stock, use_per_d={("line", "part"): 80}, alerts=SHORT.alerts)
    assert only(faster).days_of_supply_d == pytest.approx(1.0)
    assert only(faster).time_to_survive_d == pytest.approx(2.5)


def test_a_delivery_counts_when_it_comes_before_the_stock_runs_out() -> None:
    def arriving(in_d: float) -> Network:
        receipt = Receipt(node="line", material="part", quantity=40, due_ns=NOW_NS + int(in_d * DAY_NS))
        stocks = (Stock(node="line", material="part", on_hand=80, series=PARTS, in_transit=(receipt,)),)
        return Network(NETWORK.nodes, NETWORK.arcs, stocks)

    assert only(SHORT, arriving(1.5)).days_of_supply_d == pytest.approx(3.0)
    assert only(SHORT, arriving(2.5)).days_of_supply_d == pytest.approx(2.0)
    assert only(SHORT, arriving(-1.0)).days_of_supply_d == pytest.approx(2.0)


def test_the_cheapest_action_that_covers_the_gap_is_named() -> None:
    assert only(SHORT).best_action == "buy elsewhere"
    few = Network(NETWORK.nodes, NETWORK.arcs, NETWORK.stocks, NETWORK.mitigations[:1])
    assert only(SHORT, few).best_action == "drive there"
    assert only(Floor(alerts=SHORT.alerts)).best_action == ""  # 500 parts outlast the recovery


def test_stock_that_outlasts_the_recovery_stops_nobody() -> None:
    exposure = only(Floor(alerts=SHORT.alerts))
    assert (exposure.gap_d, exposure.lost, exposure.stops) == (0.0, 0.0, ())
    assert exposure.risk("shop") == 0.0


def test_an_output_drop_leaves_the_line_its_measured_ratio() -> None:
    exposure = only(Floor(line_ratio={"line": 0.5}, alerts=(alert("output_drop"),)))
    assert (exposure.node, exposure.material) == ("line", "thing")
    assert exposure.time_to_survive_d == pytest.approx(3.0)  # 30 in stock, 10 a day too few
    assert exposure.lost_per_d == pytest.approx(200)
    assert exposure.time_to_recover_d == 4


def test_an_output_drop_without_a_measured_rate_is_a_standstill() -> None:
    assert only(Floor(alerts=(alert("output_drop"),))).time_to_survive_d == pytest.approx(1.5)


def test_a_silent_line_is_unknown_and_never_zero() -> None:
    exposure = only(Floor(stock=SHORT.stock, alerts=(alert("silent"),)))
    assert exposure.unknown
    assert (exposure.gap_d, exposure.lost_per_d, exposure.time_to_survive_d) == (0.0, 0.0, None)
    (line,) = [r for r in node_records(NETWORK, [exposure], NOW_NS) if r.key == "line"]
    assert line.detail["unknown"] is True
    assert line.fields["subtitle"] == "silent: last values"
    assert line.fields["days_of_supply_d"] == pytest.approx(1.0)  # its last stocks stand


def test_a_shortage_on_a_line_that_fell_silent_stands_and_is_flagged() -> None:
    both = Floor(stock=SHORT.stock, alerts=(alert("silent"), alert("shortage")))
    short = {exposure.key: exposure for exposure in exposures(NETWORK, both, NOW_NS)}["line|part"]
    assert short.unknown and short.gap_d == pytest.approx(6.5)


def test_alerts_that_do_not_touch_the_chain_expose_nothing() -> None:
    elsewhere = (alert("shortage", series="other:stock"), alert("output_drop", shard="x/y"), alert("stuck"))
    assert exposures(NETWORK, Floor(alerts=elsewhere), NOW_NS) == []


def test_a_shortage_of_what_nobody_supplies_stands_the_node_still() -> None:
    stocks = (Stock(node="line", on_hand=20, series=PARTS),)
    exposure = only(Floor(alerts=SHORT.alerts), Network(NETWORK.nodes, NETWORK.arcs, stocks))
    assert exposure.time_to_survive_d == pytest.approx(1.0)


def test_risk_travels_along_the_arcs_it_reaches() -> None:
    exposure = only(SHORT)
    nodes = {record.key: record for record in node_records(NETWORK, [exposure], NOW_NS)}
    arcs = {record.key: record for record in arc_records(NETWORK, [exposure], NOW_NS)}
    assert nodes["maker"].fields["risk"] == 0.0
    assert nodes["line"].fields["risk"] == pytest.approx(0.8)  # it lacks 8 of the 10 days
    assert nodes["shop"].fields["risk"] == pytest.approx(0.65)
    assert nodes["shop"].fields["stops_at"] == (NOW_NS + 3.5 * DAY_NS) / 1e6
    assert arcs["maker|line|part"].fields["risk"] == pytest.approx(0.8)
    assert arcs["line|shop|thing"].fields["risk"] == pytest.approx(0.65)


class TestFloorHistory:
    """The floor is answered as of an instant."""

    def history(self) -> FloorHistory:
        history = FloorHistory()
        for second, grams in ((0, 500.0), (120, 440.0), (240, 400.0), (60, 470.0)):
            history.note_stock(PARTS, NOW_NS + second * NS_PER_S, grams)
        return history

    def floor(self, history: FloorHistory, second: int, *alerts: Alert) -> Floor:
        return history.as_of(NETWORK, NOW_NS + second * NS_PER_S, alerts)

    @pytest.mark.parametrize(("second", "grams"), [(0, 500.0), (59, 500.0), (60, 470.0), (130, 440.0), (999, 400.0)])
    def test_a_later_reading_changes_no_earlier_answer(self, second: int, grams: float) -> None:
        assert self.floor(self.history(), second).stock == {("line", "part"): grams}

    def test_before_the_first_reading_nothing_is_known(self) -> None:
        assert self.floor(self.history(), -1).stock == {}

    def test_forgetting_changes_no_later_answer(self) -> None:
        kept, cut = self.history(), self.history()
        cut.forget_before(NOW_NS + 700 * NS_PER_S)
        assert len(cut.stock[PARTS].at_ns) < len(kept.stock[PARTS].at_ns)
        assert self.floor(cut, 700) == self.floor(kept, 700)

    def test_forgetting_leaves_what_an_open_alert_is_reckoned_from(self) -> None:
        """However often ticks pass: a night later the alert still says what was used when it was raised."""
        raised = alert("shortage", value=220.0, changed_at_ns=NOW_NS + 120 * NS_PER_S)
        kept, cut = self.history(), self.history()
        for hour in range(1, 4):
            cut.forget_before(NOW_NS + hour * 3600 * NS_PER_S, [raised])
        assert len(cut.stock[PARTS].at_ns) == 2  # what was on hand then, and what is now
        assert self.floor(cut, 4 * 3600, raised) == self.floor(kept, 4 * 3600, raised)
        assert self.floor(cut, 4 * 3600, raised).use_per_d[("line", "part")] == pytest.approx(2 * 86_400)

    def test_use_is_what_was_on_hand_over_the_time_to_empty(self) -> None:
        history = self.history()
        history.note_band(Band("shortage", "plant/line", PARTS, NOW_NS + 120 * NS_PER_S, 880.0, 880.0))
        assert self.floor(history, 179).use_per_d == {}  # it may not have been said yet
        assert self.floor(history, 180).use_per_d[("line", "part")] == pytest.approx(0.5 * 86_400)
        assert self.floor(history, 900).use_per_d == {}  # too old to speak of now

    def test_the_alert_itself_is_newer_than_the_last_band(self) -> None:
        raised = alert("shortage", value=200.0, changed_at_ns=NOW_NS + 240 * NS_PER_S)
        assert self.floor(self.history(), 240, raised).use_per_d[("line", "part")] == pytest.approx(2 * 86_400)

    def test_a_line_is_at_the_ratio_of_its_rate_to_the_expected(self) -> None:
        history = FloorHistory()
        raised = alert("output_drop", value=30.0, expected=120.0)
        assert self.floor(history, 0, raised).line_ratio == {"line": 0.25}
        history.note_band(Band("output_drop", "plant/line", OUTPUT, NOW_NS + 30 * NS_PER_S, 60.0, 120.0))
        assert self.floor(history, 90, raised).line_ratio == {"line": 0.5}

    def test_a_drop_that_measured_nothing_is_a_standstill(self) -> None:
        assert self.floor(FloorHistory(), 0, alert("output_drop")).line_ratio == {"line": 0.0}


def test_a_silent_stock_sensor_makes_its_stock_unknown_and_not_the_line() -> None:
    exposure = only(Floor(alerts=(alert("silent", key=f"silent-part:{PARTS}", subject=PARTS, series=PARTS),)))
    assert (exposure.key, exposure.unknown, exposure.why_unknown) == ("line|part", True, "")
    assert exposure.causes == (f"silent-part:{PARTS}",)


def test_a_silent_gauge_exposes_nothing() -> None:
    assert exposures(NETWORK, Floor(alerts=(alert("silent", subject=OUTPUT),)), NOW_NS) == []


def test_what_cannot_be_computed_is_unknown_with_the_reason_and_the_rest_goes_on() -> None:
    """A rate that is no number spoils the exposure of its own line only."""
    broken = Floor(
        stock=SHORT.stock, line_ratio={"line": float("nan")}, alerts=(alert("shortage"), alert("output_drop"))
    )
    found = {exposure.key: exposure for exposure in exposures(NETWORK, broken, NOW_NS)}
    assert found["line|part"].gap_d == pytest.approx(6.5)
    assert found["line|thing"].unknown
    assert found["line|thing"].why_unknown
    assert found["line|thing"].causes == (f"output_drop:{OUTPUT}",)
    live = on_the_floor(NETWORK, broken, NOW_NS)
    (line,) = [record for record in node_records(live, list(found.values()), NOW_NS) if record.key == "line"]
    assert line.fields["subtitle"] == "at risk: cannot be computed"


class TestHowLongItMayLast:
    """P50, P80 and P95 of the time to recover, and what is lost over each."""

    def test_a_stated_time_is_the_median_and_longer_recoveries_cost_more(self) -> None:
        exposure = only(SHORT)
        assert (exposure.recovers, exposure.time_to_recover_d) == ("maker", 10)
        assert (exposure.recover_p80_d, exposure.recover_p95_d) == pytest.approx((16.569, 26.829), rel=1e-4)
        assert (exposure.gap_p80_d, exposure.gap_p95_d) == pytest.approx((13.069, 23.329), rel=1e-4)
        assert (exposure.lost_p80, exposure.lost_p95) == pytest.approx((400 * 13.069, 400 * 23.329), rel=1e-4)

    def test_the_chance_of_a_loss_is_that_recovery_takes_longer_than_the_chain_survives(self) -> None:
        lasting = time_to_recover([], stated_d=10)
        assert only(SHORT).loss_chance_ratio == pytest.approx(lasting.still_out(3.5))
        assert only(SHORT).chance == pytest.approx({"line": lasting.still_out(2.0), "shop": lasting.still_out(3.5)})

    def test_who_outlasts_the_median_and_not_the_p95_may_stop(self) -> None:
        exposure = only(Floor(alerts=SHORT.alerts))  # 12.5 days of parts, 1.5 of things
        assert (exposure.stops, exposure.may_stop) == ((), ("shop",))
        assert 0.05 < exposure.chance["shop"] < 0.5
        (shop,) = [r for r in node_records(NETWORK, [exposure], NOW_NS) if r.key == "shop"]
        assert (shop.fields["risk"], shop.fields["colour"]) == (0.0, "amber")

    def test_the_own_history_of_who_must_recover_decides(self) -> None:
        outages = tuple(
            Outage(node="maker", began_ns=NOW_NS - 100 * DAY_NS, ended_ns=NOW_NS - (100 - d) * DAY_NS)
            for d in range(1, 6)
        )
        known = Network(NETWORK.nodes, NETWORK.arcs, NETWORK.stocks, outages=outages)
        exposure = only(SHORT, known)
        assert (exposure.time_to_recover_d, exposure.recover_p80_d) == pytest.approx((3, 5))
        assert exposure.recover_p95_d > 5  # the next may outlast the five that were seen
        assert exposure.lost == 0.0 and exposure.lost_p80 == pytest.approx(1.5 * 400)

    def test_nobody_knowing_how_long_it_takes_is_unknown_with_the_reason(self) -> None:
        nodes = tuple(msgspec.structs.replace(node, time_to_recover_d=None) for node in NETWORK.nodes)
        exposure = only(SHORT, Network(nodes, NETWORK.arcs, NETWORK.stocks))
        assert exposure.unknown and "no time is stated" in exposure.why_unknown

    def test_the_facts_are_said_in_one_sentence(self) -> None:
        assert only(SHORT).why == (
            "shortage of part at line: 2 d of supply, maker is back in 10 d (P95 26.8 d); line -> shop stops in 3.5 d."
        )


class TestOutputOfALine:
    """What a line makes at least is what the chain relies on."""

    DROP = alert("output_drop", value=30.0, expected=60.0, active_at_ns=NOW_NS)

    def history(self, units_per_min: float = 0.5) -> FloorHistory:
        history = FloorHistory()
        for minute in range(-40, 1):
            at_ns = NOW_NS + minute * 60 * NS_PER_S
            history.note_band(Band("output_drop", "plant/line", OUTPUT, at_ns, 30.0, 60.0))
            history.note_count(OUTPUT, at_ns, 1000 + units_per_min * minute)
        return history

    def test_the_bounds_are_those_of_the_units_counted(self) -> None:
        floor = self.history().as_of(NETWORK, NOW_NS, (self.DROP,))
        known = floor.output["line"]
        assert known == pytest.approx(output_ratio(7.5, 15.0), rel=0.1)
        assert floor.line_ratio["line"] == known.ratio == pytest.approx(0.5)
        assert floor.relied_on_ratio("line") == known.low < 0.5

    def test_capacity_is_the_lower_bound(self) -> None:
        floor = self.history().as_of(NETWORK, NOW_NS, (self.DROP,))
        exposure = only(floor)
        assert exposure.lost_per_d == pytest.approx(400 * (1 - floor.output["line"].low))
        assert (exposure.output_low, exposure.output_high) == floor.output["line"][1:]

    def test_a_silent_line_keeps_its_last_value_in_an_interval_that_widens(self) -> None:
        history, silent = self.history(), alert("silent", active_at_ns=NOW_NS)
        found = [history.as_of(NETWORK, NOW_NS + after_s * NS_PER_S, (silent,)) for after_s in (120, 600, 3600)]
        known = [floor.output["line"] for floor in found]
        assert [one.ratio for one in known] == pytest.approx([0.5] * 3)
        assert known[0].low > known[1].low > known[2].low == 0.0
        assert known[2].high == 1.1
        (exposure,) = exposures(NETWORK, found[2], NOW_NS + 3600 * NS_PER_S)
        assert exposure.unknown and exposure.lost == 0.0
        assert exposure.doubts == (
            "plant/line is silent: its last values stand; its output lies between 0.00 and 1.10 of the usual",
        )

    def test_another_line_that_is_slow_anyway_takes_up_no_slack_and_its_own_loss_is_not_counted_twice(self) -> None:
        """Two lines, each able to make all that is sold: the other covers for one, together they are short."""
        nodes = (
            *(
                Node(
                    name=f"line{i}",
                    kind=NodeKind.LINE,
                    equipment=f"plant/line{i}",
                    capacity_per_d=20,
                    time_to_recover_d=4,
                )
                for i in (1, 2)
            ),
            Node(name="shop", kind=NodeKind.MARKET, demand_per_d=20, value_per_d=400),
        )
        arcs = tuple(Arc(source=f"line{i}", target="shop", material="thing", share=0.5) for i in (1, 2))
        twins = Network(nodes, arcs)
        drops = tuple(
            alert("output_drop", shard=f"plant/line{i}", series=f"o{i}", key=f"output_drop:o{i}") for i in (1, 2)
        )
        stopped = {f"line{i}": output_ratio(0, 100) for i in (1, 2)}
        (alone,) = exposures(twins, Floor(output={"line1": stopped["line1"]}, alerts=drops[:1]), NOW_NS)
        assert alone.lost == 0.0
        both = exposures(twins, Floor(output=stopped, alerts=drops), NOW_NS)
        assert [one.lost_per_d for one in both] == pytest.approx([400, 400])  # each, given the other


def test_a_stock_that_was_read_too_long_ago_is_unknown_and_at_least_so_much() -> None:
    fresh = Floor(stock={("line", "part"): 800}, seen_ns={("line", "part"): NOW_NS - DAY_NS // 2}, alerts=SHORT.alerts)
    old = Floor(stock={("line", "part"): 800}, seen_ns={("line", "part"): NOW_NS - 3 * DAY_NS}, alerts=SHORT.alerts)
    assert not only(fresh).unknown and only(fresh).days_of_supply_low_d is None
    assert only(old).unknown and only(old).days_of_supply_low_d == pytest.approx(20 - 3 * 1.1)
    assert only(old).doubts == ("the stock of part at line was last read 3.0 days ago",)
