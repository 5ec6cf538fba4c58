"""The output index is over what is covered, and says how much that is."""

from __future__ import annotations

import pytest

from detectors.chain.output_index import LineOutput, output_index
from tests.detectors.chain.reference import case

STATED = case("index-h01")


def test_agrees_with_the_reference() -> None:
    lines = [LineOutput(one["id"], one["weight"], one["base"], one["now"]) for one in STATED["lines"]]
    answer, expected = output_index(lines), STATED["expected"]
    assert answer.index_ratio == pytest.approx(expected["index_covered"], rel=1e-12)
    assert answer.coverage_ratio == pytest.approx(expected["coverage"], rel=1e-12)
    assert answer.silent == ("C",)
    stopped = output_index([*lines[:2], LineOutput("C", 0.2, 50, 0.0)])
    assert stopped.index_ratio == pytest.approx(expected["index_if_missing_is_zero"], rel=1e-12)


def test_where_nothing_is_known_there_is_no_index() -> None:
    assert output_index([LineOutput("A", 1, 10, None)]) == output_index([LineOutput("A", 3, 20, None)])
    assert output_index([LineOutput("A", 1, 10, None)]).index_ratio is None


def test_lines_that_cannot_be_weighed_are_refused() -> None:
    with pytest.raises(ValueError, match="base_per_d of A is 0"):
        LineOutput("A", 1, 0, 5)
    with pytest.raises(ValueError, match="weight of A is -1"):
        LineOutput("A", -1, 10, 5)
    with pytest.raises(ValueError, match="weigh nothing"):
        output_index([LineOutput("A", 0, 10, 5)])
