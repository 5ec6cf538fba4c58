"""Missed: what is known to be missing of a series, kept small, and told from a series that was heard all the same."""

from __future__ import annotations

import pytest

from collector.readings import Equipment, Series
from collector.spool.ledger import Cause, Gap
from detectors.missed import Missed, concerns


def missed(*spans: tuple[int, int], usual_ns: float = 10.0) -> Missed:
    found = Missed(usual_ns=usual_ns)
    for span in spans:
        found.add(*span)
    return found


def test_spans_that_touch_are_one() -> None:
    assert missed((10, 20), (40, 50), (20, 30), (5, 12)).spans == [(5, 30), (40, 50)]
    assert missed((10, 20), (12, 13), (30, 30), (40, 35)).spans == [(10, 20)]


def test_of_too_many_those_that_lie_closest_are_taken_for_one() -> None:
    found = missed(*((100 * i, 100 * i + 10) for i in range(16)), (1512, 1520))
    assert len(found.spans) == 16
    assert found.spans[-1] == (1500, 1520)


def test_only_what_lies_between_two_instants_counts() -> None:
    found = missed((10, 20), (40, 50))
    assert found.within_ns(15, 45) == 10
    assert found.within_ns(20, 40) == 0


@pytest.mark.parametrize(
    ("at_ns", "is_hole"),
    [
        (118, False),  # no later than usual: nothing was missing in between
        (150, True),
        (260, False),  # the gap is but a small part of the silence
    ],
)
def test_a_hole_is_an_unusual_time_most_of_which_is_missing(at_ns: int, is_hole: bool) -> None:
    found = missed((100, 130))
    assert found.heard(100, at_ns) == is_hole
    assert (found.within_ns(0, at_ns) > 0) == is_hole


def test_the_usual_time_follows_the_readings_and_not_a_long_silence() -> None:
    found, at_ns = Missed(), 0
    for _ in range(50):
        found.heard(at_ns, at_ns + 10)
        at_ns += 10
    assert found.usual_ns == pytest.approx(10.0)
    found.heard(at_ns, at_ns + 100_000)
    assert found.usual_ns < 14


def test_a_gap_of_a_cell_concerns_that_cell_only() -> None:
    series = Series(Equipment("e", "site", "hall", "line", "a"), "level")
    gap = Gap("site/line", Cause.SEQ_GAP, 0, 1, 1, shard="site/line")
    assert [concerns(gap._replace(cell=cell), series) for cell in ("", "a", "b")] == [True, True, False]
