"""The state strip says what is known and nothing more; memory of it is bounded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from collector.readings import NS_PER_S
from dashboards.live.state import LineState
from dashboards.live.strip import state_of, strip
from dashboards.live.window import CELLS, Presence, Span, Track

HOUR = Span(0, 3600 * NS_PER_S)


def s(*at_s: float) -> list[int]:
    return [int(at * NS_PER_S) for at in at_s]


def states(outputs=(), gaps=(), stops=(), planned=lambda at_ns: None, window=HOUR):
    cut = strip(outputs, gaps, stops, planned, window)
    assert [a.to_ns for a in cut[:-1]] == [b.from_ns for b in cut[1:]], "no holes"
    assert (cut[0].from_ns, cut[-1].to_ns) == (window.from_ns, window.to_ns)
    return [(segment.state, round(segment.from_ns / NS_PER_S / 60)) for segment in cut]


def test_without_any_judgement_a_line_is_learning_never_running():
    assert states() == [(LineState.LEARNING, 0)]


def test_a_state_holds_until_the_next_is_known():
    outputs = [(s(0)[0], LineState.RUNNING), (s(1200)[0], LineState.LOW), (s(1800)[0], LineState.RUNNING)]
    assert states(outputs) == [(LineState.RUNNING, 0), (LineState.LOW, 20), (LineState.RUNNING, 30)]


def test_silence_is_no_data_whatever_was_known_before():
    running = [(0, LineState.RUNNING)]
    assert states(running, gaps=[Span(*s(600, 1200))]) == [
        (LineState.RUNNING, 0),
        (LineState.NO_DATA, 10),
        (LineState.RUNNING, 20),
    ]


def test_silence_of_a_line_that_reports_by_event_is_a_stop_while_its_alert_stands():
    gap, alert = Span(*s(600, 1800)), Span(*s(1200, 1800))
    assert states([(0, LineState.RUNNING)], gaps=[gap], stops=[alert]) == [
        (LineState.RUNNING, 0),
        (LineState.NO_DATA, 10),
        (LineState.STOPPED, 20),
        (LineState.RUNNING, 30),
    ]


def test_a_planned_stop_explains_and_says_why():
    def night(at_ns: int) -> str | None:
        return "night" if at_ns < s(1800)[0] else None

    cut = strip([(0, LineState.STOPPED)], [], [], night, HOUR)
    assert [(one.state, one.reason) for one in cut] == [(LineState.PLANNED, "night"), (LineState.STOPPED, "")]


@pytest.mark.parametrize(
    ("value", "score", "state"),
    [
        (880.0, 0.2, LineState.RUNNING),
        (610.0, 1.2, LineState.LOW),
        (610.0, 0.9, LineState.RUNNING),  # below the band, but not by the method's own measure
        (0.0, 3.0, LineState.STOPPED),
        (0.0, 0.4, LineState.RUNNING),  # between two counts
        (0.0, math.nan, LineState.LEARNING),
        (math.nan, math.nan, LineState.LEARNING),
        (880.0, math.nan, LineState.RUNNING),
    ],
)
def test_the_method_decides_what_is_too_little(value, score, state):
    assert state_of(value, score) is state


def test_presence_finds_gaps_in_readings_that_come_out_of_order():
    presence = Presence()
    presence.heard(np.array(s(30, 10, 20)))
    presence.heard(np.array(s(400, 25, 410)))
    assert presence.gaps(s(420)[0]) == [Span(*s(30, 400))]
    assert presence.gaps(s(1000)[0]) == [Span(*s(30, 400)), Span(*s(410, 1000))]


def test_a_track_keeps_one_row_a_cell_and_never_grows():
    track = Track(window_s=480.0)
    for at_s in range(10_000):
        track.add(s(at_s)[0], (float(at_s),))
        track.add(s(at_s + 0.5)[0], (at_s + 0.5,))
    rows = track.since(0)
    assert len(rows) == CELLS
    assert rows[-1] == (s(9999.5)[0], (9999.5,))
    track.add(s(5)[0], (5.0,))
    assert track.since(0) == rows, "late rows change nothing"
