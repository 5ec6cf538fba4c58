"""Each node's own time to recover, its class where it has little history, and how a node comes back."""

from __future__ import annotations

import pytest

from collector.readings import NS_PER_S
from detectors.chain.network import Network, Node, NodeKind, Outage
from detectors.chain.recovery import Past, time_to_recover
from detectors.chain.recovery_book import RecoveryBook, Spell
from detectors.chain.resumption import Resumption

DAY_NS = 86_400 * NS_PER_S
NOW_NS = 20_000 * DAY_NS


def node(name: str, industry: str = "", stated_d: float | None = None, site: str = "") -> Node:
    return Node(name=name, kind=NodeKind.PLANT, industry=industry, time_to_recover_d=stated_d, site=site)


def outage(name: str, days: float | None, began_d: float = -100.0) -> Outage:
    began_ns = NOW_NS + round(began_d * DAY_NS)
    return Outage(node=name, began_ns=began_ns, ended_ns=None if days is None else began_ns + round(days * DAY_NS))


def test_five_outages_of_its_own_are_the_whole_answer() -> None:
    days = (1.0, 2.0, 3.0, 4.0, 50.0)
    network = Network((node("a", "38", 99), node("b", "38")), outages=(*(outage("a", d) for d in days), outage("b", 7)))
    found = RecoveryBook(network).time_to_recover("a", NOW_NS)
    assert found.events == 5
    assert found.quantile_d(0.5) == pytest.approx(3.0)


def test_with_fewer_the_class_has_the_rest_and_an_outage_that_runs_counts_as_longer() -> None:
    network = Network(
        (node("a", "382"), node("b", "382"), node("other", "399")),
        outages=(outage("a", 2.0), outage("a", None, -30.0), outage("b", 9.0), outage("other", 500.0)),
    )
    found = RecoveryBook(network).time_to_recover("a", NOW_NS)
    assert found == time_to_recover([Past(2.0), Past(30.0, ended=False)], [Past(9.0)], None)


def test_an_outage_of_a_site_counts_once_though_all_it_makes_stood() -> None:
    network = Network((node("a", "39", 10, "s"), node("b", "39", 10, "s")), outages=(outage("a", 3), outage("b", 3)))
    assert RecoveryBook(network).time_to_recover("a", NOW_NS) == time_to_recover([Past(3.0)], [], 10.0)


def test_without_history_the_stated_time_is_the_median() -> None:
    found = RecoveryBook(Network((node("a", stated_d=10),))).time_to_recover("a", NOW_NS)
    assert [found.quantile_d(p) for p in (0.5, 0.8, 0.95)] == pytest.approx([10, 16.57, 26.83], rel=1e-3)


def test_what_was_seen_here_counts_with_the_map_and_is_not_counted_twice() -> None:
    network = Network((node("a", stated_d=10),), outages=(outage("a", 2.0),))
    book = RecoveryBook(network)
    for _ in range(2):
        book.note("a", [Spell(NOW_NS - 5 * DAY_NS, NOW_NS - 4 * DAY_NS)])
    assert book.time_to_recover("a", NOW_NS) == time_to_recover([Past(2.0), Past(1.0)], [], 10.0)
    assert book.time_to_recover("a", NOW_NS - 6 * DAY_NS) == time_to_recover([Past(2.0)], [], 10.0)  # not yet


def resumed(*curve: tuple[float, float]) -> Resumption:
    found = Resumption("line", "thing", "output_drop", "output_drop:line", NOW_NS - DAY_NS, NOW_NS)
    for hours, ratio in curve:
        found.note(NOW_NS + round(hours * 3600 * NS_PER_S), ratio)
    return found


def test_a_resumption_tells_the_days_to_80_and_95_per_cent_and_ends_when_it_has_held() -> None:
    found = resumed((1, 0.5), (2, 0.85), (3, 0.7), (4, 0.9), (6, 0.97), (6.5, 1.0))
    assert found.lasted_d == 1.0
    assert found.reached_in_d == pytest.approx((4 / 24, 6 / 24))
    assert not found.over
    found.note(NOW_NS + 7 * 3600 * NS_PER_S, 1.0)
    assert found.over


def test_a_line_that_never_comes_back_is_given_up_after_a_month() -> None:
    found = resumed((1, 0.5), (24 * 31, 0.6))
    assert found.over and found.reached_in_d == (None, None)


def test_a_long_curve_keeps_its_shape_in_bounded_memory() -> None:
    found = resumed(*((minute / 60, min(0.9, minute / 5000)) for minute in range(10_000)))
    assert len(found.at_d) < 400
    assert found.reached_in_d[0] == pytest.approx(4000 / 1440, abs=0.05)
