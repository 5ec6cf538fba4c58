"""The board's reader: what is in the spool is on the board, once, however it got there and whenever the board came."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector.readings import Equipment, Kind, Quality, Series
from collector.schema import AlertLevel
from collector.spool.frames import Action, Control, control_frame
from collector.spool.spool import Spool
from dashboards.live.state import BoardState, LineState
from dashboards.live.view import View
from detectors.alerts import State
from detectors.calendar import Calendar, PlannedStop
from tests.dashboards.live_plant import (
    BLUE,
    BOTTLES,
    LINE,
    VIBRATION,
    LivePlant,
    a_chain,
    a_morning,
    expected,
    ns,
    shortage,
)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[LivePlant]:
    plant = LivePlant(tmp_path / "spool.sqlite")
    yield plant
    plant.close()


def look(plant: LivePlant, **options: object) -> BoardState:
    with Spool.open(plant.path) as spool:
        view = View(spool, title="Test", **options)  # type: ignore[arg-type]
        while view.refresh():
            pass
        return view.state()


def running(plant: LivePlant, minutes: range, value: float = 880.0, score: float = 0.2) -> None:
    with plant.at_once():
        for minute in minutes:
            plant.read(BOTTLES, [(minute + i / 10, minute * 10 + i) for i in range(10)])
            plant.output(minute + 0.9, value, score)
            plant.tick(minute + 1)


def test_an_empty_spool_says_that_nothing_has_arrived(plant):
    state = look(plant)
    assert state.notices == ("Nothing has arrived yet: start `andon collect` and check its broker.",)
    assert (state.lines, state.stocks, state.alerts, state.nodes) == ((), (), (), ())


def test_a_whole_morning_is_the_same_however_it_is_read(plant):
    a_morning(plant)
    with Spool.open(plant.path) as spool:
        view = View(spool, title="Test")
        while view.refresh(limit=7):
            view.state()
        assert view.state() == look(plant)


def test_reading_on_gives_what_reading_afresh_gives(plant):
    with Spool.open(plant.path) as spool:
        view = View(spool, title="Test")
        a_morning(plant)
        while view.refresh():
            pass
        assert view.state() == look(plant)


def test_output_stands_against_its_band(plant):
    running(plant, range(12))
    (line,) = look(plant).lines
    assert (line.line, line.metric, line.state) == (LINE, "bottles", LineState.RUNNING)
    assert line.output is not None
    assert (line.output.value, line.output.low, line.output.high) == (880.0, 780.0, 980.0)
    assert len(line.trend.at_s) == len(line.trend.value) == 12


def test_a_line_without_readings_has_no_data_and_no_line_is_drawn_through_it(plant):
    running(plant, range(10))
    for minute in range(10, 20):
        plant.tick(minute)
    running(plant, range(20, 25))
    line = look(plant).lines[0]
    assert [segment.state for segment in line.strip][-3:] == [LineState.RUNNING, LineState.NO_DATA, LineState.RUNNING]
    assert None in line.trend.value
    plant.tick(40)
    assert look(plant).lines[0].state is LineState.NO_DATA


def test_silence_is_a_stop_only_where_an_event_series_has_its_alert(plant):
    running(plant, range(10))
    plant.alert(shortage(11, BOTTLES, key=f"output_drop:{LINE}", kind="output_drop", subject=LINE))
    plant.tick(20)
    assert look(plant).lines[0].state is LineState.STOPPED


def test_planned_stops_come_from_the_calendar(plant):
    running(plant, range(10))
    plant.tick(20)
    stop = PlannedStop(reason="lunch", start=_utc(8), end=_utc(60), line="bottling")
    line = look(plant, calendar=Calendar("UTC", (), (stop,))).lines[0]
    assert (line.state, line.strip[-1].reason) == (LineState.PLANNED, "lunch")


def test_bad_readings_are_neither_a_sign_of_life_nor_a_stock(plant):
    plant.read(BLUE, [(0, 500.0)])
    plant.read(BLUE, [(10, 1.0)], quality=Quality.BAD)
    plant.read(BLUE, [(5_000_000, 2.0)], quality=Quality.CLOCK)
    plant.tick(11)
    state = look(plant)
    assert state.stocks[0].on_hand == 500.0
    assert state.lines[0].state is LineState.NO_DATA


def test_a_stock_says_when_it_runs_empty_and_forgets_old_estimates(plant):
    plant.read(BLUE, [(0, 800.0), (1, 400.0)])
    plant.empty_in(1, BLUE, 600.0)
    plant.alert(shortage(1))
    plant.tick(2)
    (stock,) = look(plant).stocks
    assert (stock.on_hand, stock.most, stock.unit) == (400.0, 800.0, "g")
    assert (stock.empty_early_s, stock.empty_s, stock.empty_late_s) == (480.0, 600.0, 840.0)
    assert stock.level is AlertLevel.CRITICAL
    plant.tick(12)
    (stock,) = look(plant).stocks
    assert stock.silent
    assert stock.empty_s is None


def test_alerts_stand_worst_first_and_hidden_ones_apart(plant):
    def alert(name: str, at_min: float, level: AlertLevel, state: State, **more: object) -> None:
        plant.alert(shortage(at_min, key=name, severity=level, state=state, **more))

    alert("old critical", 1, AlertLevel.CRITICAL, State.ACKED, acked_by="Mei")
    alert("new warning", 9, AlertLevel.WARNING, State.UNACKED)
    alert("new critical", 5, AlertLevel.CRITICAL, State.UNACKED)
    alert("newest, but gone", 6, AlertLevel.CRITICAL, State.RTN_UNACKED, resolved_at_ns=ns(8))
    alert("waiting", 9, AlertLevel.CRITICAL, State.PENDING, fired_at_ns=0)
    alert("on the shelf", 2, AlertLevel.CRITICAL, State.SHELVED)
    alert("by design", 2, AlertLevel.CRITICAL, State.SUPPRESSED)
    alert("over", 3, AlertLevel.CRITICAL, State.NORMAL, resolved_at_ns=ns(4))
    alert("never told", 3, AlertLevel.CRITICAL, State.NORMAL, fired_at_ns=0, resolved_at_ns=ns(4))
    plant.tick(10)
    state = look(plant)
    assert [view.alert.key for view in state.alerts] == [
        "new critical",
        "old critical",
        "newest, but gone",
        "new warning",
    ]
    assert {view.alert.key for view in state.set_aside} == {"on the shelf", "by design"}
    assert [view.alert.key for view in state.returned] == ["over"]


def test_the_same_alert_changing_is_one_alert(plant):
    alert = plant.alert(shortage(1))
    plant.alert(msgspec.structs.replace(alert, state=State.ACKED, acked_by="Mei"))
    plant.tick(2)
    (view,) = look(plant).alerts
    assert view.alert.acked_by == "Mei"


def test_an_acknowledgement_is_shown_as_sent_until_it_is_taken_in(plant):
    alert = plant.alert(shortage(1))
    control = Control(Action.ACK, alert.alert_id, "Mei", ns(2))
    with plant.spool.transaction():
        plant.spool.log.append([control_frame(LINE, control)])
    assert look(plant).alerts[0].ack_sent_by == "Mei"
    plant.alert(msgspec.structs.replace(alert, state=State.ACKED, acked_by="Mei"))
    assert look(plant).alerts[0].ack_sent_by == ""


def test_ended_alerts_leave_with_the_window(plant):
    plant.alert(shortage(1, state=State.NORMAL, resolved_at_ns=ns(5)))
    plant.tick(100)
    assert len(look(plant).returned) == 1
    plant.tick(200)
    assert look(plant).returned == ()


def test_exposures_without_a_cause_have_ended_and_old_maps_leave_no_nodes(plant):
    alert = plant.alert(shortage(1))
    a_chain(plant, alert, 2)
    state = look(plant, nodes={"bottling", "shop"})
    assert [node.node for node in state.nodes] == ["bottling", "shop"]
    assert [(arc.source, arc.target) for arc in state.arcs] == [("bottling", "shop")]
    (exposure,) = state.exposures
    assert (exposure.causes, exposure.stops) == ((alert.key,), ("shop",))
    a_chain(plant, msgspec.structs.replace(alert, key=""), 3)
    assert len(look(plant).nodes) == 7


@pytest.mark.parametrize(
    ("beat_min", "clock_min", "said"),
    [(None, 5, "have not spoken yet"), (1, 30, "29 min behind"), (29, 30, None)],
)
def test_silent_detectors_are_told(plant, beat_min, clock_min, said):
    if beat_min is not None:
        plant.beat(beat_min)
    plant.tick(clock_min)
    notices = look(plant).notices
    assert (said is None and not notices) or said in notices[0]


def test_only_the_window_is_read_and_kept(plant):
    with plant.at_once():
        for minute in range(0, 600, 5):
            plant.read(BLUE, [(minute, float(minute))])
            plant.tick(minute)
    (stock,) = look(plant, window_s=1800.0).stocks
    assert stock.history[0][0] >= ns(595 - 30) // 10**9
    with Spool.open(plant.path) as spool:
        view = View(spool, title="Test", window_s=1800.0)
        view.refresh(limit=30)
        assert view.refresh(limit=1) is False, "30 minutes are a few frames, not ten hours of them"


def test_own_counters_are_not_a_line(plant):
    own = Series(Equipment("iot1", "teaching_factory", line="_self"), "spool_bytes", kind=Kind.GAUGE)
    plant.read(own, [(0, 1.0)])
    plant.say(expected("limits", own, 0.5, {"value": 1.0, "low": 1.0}))
    plant.read(VIBRATION, [(0, 1.0)])
    plant.tick(1)
    assert [line.line for line in look(plant).lines] == [LINE]


def _utc(at_min: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns(at_min) // 10**9, dt.UTC)
