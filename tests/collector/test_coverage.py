"""Repeats are known and gaps are found, whatever the order things come in: checked against a plain set of offsets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.forwarding.coverage import MOST_SPANS, Coverage

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12)


def seen_in(coverage: Coverage) -> set[int]:
    return {offset for offset in range(40) if coverage.has(offset)}


@given(SPANS)
def test_an_offset_is_seen_when_a_span_held_it(spans):
    coverage = Coverage(spans)
    assert seen_in(coverage) == {offset for after, through in spans for offset in range(after + 1, through + 1)}
    edges = [edge for span in coverage.spans for edge in span]
    assert edges == sorted(set(edges)), "spans are apart and rise"


@given(SPANS, st.integers(0, 35))
def test_settling_names_every_offset_that_never_came_once(spans, settled):
    coverage = Coverage(spans)
    before = seen_in(coverage)
    missing = [offset for after, through in coverage.settle(settled) for offset in range(after + 1, through + 1)]
    assert missing == sorted(set(range(1, settled + 1)) - before)
    assert seen_in(coverage) == before | set(range(1, settled + 1))
    assert coverage.settle(settled) == []


@given(SPANS, st.integers(0, 30), st.integers(0, 30))
def test_what_is_taken_out_was_in_it_and_is_no_more(spans, after, through):
    coverage = Coverage(spans)
    before, stretch = seen_in(coverage), set(range(after + 1, through + 1))
    out = [offset for begin, end in coverage.take_out(after, through) for offset in range(begin + 1, end + 1)]
    assert out == sorted(before & stretch) and seen_in(coverage) == before - stretch


@given(SPANS)
def test_it_is_its_spans(spans):
    assert Coverage(Coverage(spans).spans).spans == Coverage(spans).spans


def test_a_log_full_of_holes_is_bounded():
    coverage = Coverage((2 * i, 2 * i + 1) for i in range(MOST_SPANS + 1))
    assert coverage.settle(0) == [(1, 2)]
    assert len(coverage.spans) == MOST_SPANS
