"""The engine's promises: the same log gives the same records, whatever the cuts, restarts and repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from collector import schema
from collector.readings import NS_PER_S, Quality
from collector.spool.frames import Action, Control, FrameKind, Record, batch_frame, control_frame, tick_frame
from collector.spool.spool import Spool, SpoolFull
from collector.spool.state import Fenced, ShardState
from detectors.calendar import Calendar, PlannedStop
from detectors.detector import Context
from detectors.engine import SpoolShards, dealt_with, run_shard
from detectors.line import LineLogic
from detectors.settings import BoundRule, DetectSettings
from detectors.worker import Detection
from tests.detectors.plain import SERIES, T0_NS, RaisingAbove, Threshold, append, batch_of, bound, frames_of

SETTINGS = DetectSettings(tick_s=5.0, levels_s=30.0)
RULES = (bound("threshold", Threshold, for_s=10.0, keep_firing_for_s=10.0),)
POINTS = [(i, 20.0 if 100 <= i < 200 or 250 <= i < 300 else 3.0) for i in range(0, 400, 2)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        append(opened, [])
        yield opened


def detection(spool: Spool, rules: Sequence[BoundRule] = RULES, calendar: Calendar | None = None) -> Detection:
    return Detection(spool, rules, SETTINGS, calendar or Calendar())


def run(spool: Spool, rules: Sequence[BoundRule] = RULES, calendar: Calendar | None = None) -> None:
    worker = detection(spool, rules, calendar)
    while worker.step():
        pass


def said(spool: Spool) -> list[Record]:
    frames = spool.log.read(0, 100_000, kinds=(FrameKind.RECORD,))
    bodies = [frame.body for frame in frames]
    return [b for b in bodies if isinstance(b, Record) and b.measurement != schema.WATCH_BEAT.name]


def told(spool: Spool) -> list[tuple[str, float, float]]:
    """(state, raised, cleared) of every occurrence, in seconds after T0."""
    rows = [record.detail for record in spool.log.latest(schema.ALERT_EVENT.name)]
    return [
        (row["state"], _after(row["fired_at_ns"]), _after(row["resolved_at_ns"]) if row["resolved_at_ns"] else -1.0)
        for row in rows
    ]


def _after(at_ns: int) -> float:
    return (at_ns - T0_NS) / NS_PER_S


def test_an_alert_is_raised_and_cleared_in_event_time(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS, cut=1000))
    run(spool)
    # active at the look of 100, on-delay 10 s; clear from 200, off-delay 10 s; the second time supersedes the first
    assert told(spool) == [
        ("normal", 110.0, 210.0),
        ("return to normal, unacknowledged", 260.0, 310.0),
    ]


@pytest.mark.parametrize("cut", [1, 7, 33, 1000])
def test_cuts_change_nothing(tmp_path: Path, cut: int) -> None:
    found = []
    for one in (50, cut):
        with Spool.open(tmp_path / f"{one}-{cut}.sqlite") as spool:
            append(spool, [])
            append(spool, frames_of(1, POINTS, cut=one))
            run(spool)
            found.append(said(spool))
    assert len(found[0]) > 20
    assert found[0] == found[1]


def test_ticks_in_between_change_nothing(tmp_path: Path) -> None:
    found = []
    for with_ticks in (False, True):
        with Spool.open(tmp_path / f"{with_ticks}.sqlite") as spool:
            append(spool, [])
            for frame in frames_of(1, POINTS, cut=3):
                append(spool, [frame, *([tick_frame(frame.at_ns)] if with_ticks else [])])
            run(spool)
            found.append(said(spool))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(5))
def test_a_restart_after_any_commit_and_repeated_readings_change_nothing(tmp_path: Path, seed: int) -> None:
    """A crash is an item in the input: the worker is thrown away, and the broker sends the last frames again."""
    frames = frames_of(1, POINTS, cut=4)
    with Spool.open(tmp_path / "whole.sqlite") as spool:
        append(spool, [])
        append(spool, frames)
        run(spool)
        whole = said(spool)
    with Spool.open(tmp_path / "crashed.sqlite") as spool:
        append(spool, [])
        worker = detection(spool)
        for i, frame in enumerate(frames):
            append(spool, [frame])
            worker.step()
            if i % 5 == seed:
                append(spool, frames[max(0, i - 3) : i + 1])
                worker = detection(spool)
        assert said(spool) == whole


def test_a_crash_between_saying_and_committing_leaves_neither(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS, cut=1000))
    seams = SpoolShards(spool)

    class FailingStates:
        load = seams.load

        def commit(self, shard: str, after: ShardState, expected_rev: int) -> int:
            raise RuntimeError("power cut")

    logic = LineLogic(RULES, SETTINGS, Context(spool.series, Calendar(), "site/line"))
    with pytest.raises(RuntimeError, match="power cut"):
        run_shard("site/line", logic, seams, FailingStates(), seams)
    assert said(spool) == []
    assert spool.states.load("site/line").rev == 0
    run(spool)
    assert len(told(spool)) == 2


def test_the_log_is_dealt_with_up_to_what_no_line_has_read(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS[:20], cut=5))
    assert dealt_with(spool) == 0
    run(spool)
    assert dealt_with(spool) == spool.log.end()
    end = spool.log.end()
    append(spool, [tick_frame(T0_NS + 1000 * NS_PER_S)])
    assert dealt_with(spool) == end


def test_two_workers_on_one_line_are_told_apart(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS, cut=1000))
    seams = SpoolShards(spool)
    seams.commit("site/line", ShardState(0, 1, 1, b""), expected_rev=0)
    with pytest.raises(Fenced, match="stop one of them"):
        seams.commit("site/line", ShardState(0, 1, 1, b""), expected_rev=0)


def test_what_lines_commit_together_is_durable_together(spool: Spool) -> None:
    seams = SpoolShards(spool)
    with seams.together():
        for line in ("site/one", "site/two"):
            seams.commit(line, ShardState(7, 1, 1, b"seen"), expected_rev=0)
        assert [spool.states.load(line).offset for line in ("site/one", "site/two")] == [0, 0]
    assert [spool.states.load(line).offset for line in ("site/one", "site/two")] == [7, 7]


def test_what_finds_no_room_is_said_when_there_is_room_again(tmp_path: Path) -> None:
    found = []
    for is_full in (False, True):
        with Spool.open(tmp_path / f"{is_full}.sqlite") as spool:
            append(spool, [])
            append(spool, frames_of(1, POINTS, cut=50))
            worker = detection(spool)
            if is_full:
                spool.grow_no_more()
                with pytest.raises(SpoolFull):
                    worker.step()
                assert said(spool) == []
                spool.grow_to(100.0)
            while worker.step():
                pass
            found.append(said(spool))
    assert found[0] == found[1] != []


def test_silence_is_noticed_by_ticks_and_never_resolves(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS[:80], cut=1000))
    append(spool, [tick_frame(T0_NS + 3600 * NS_PER_S)])
    run(spool)
    assert told(spool) == [("unacknowledged", 110.0, -1.0)]


def test_evidence_that_grows_old_is_called_so_until_there_is_news(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS[:80], cut=1000))
    append(spool, [tick_frame(T0_NS + 1000 * NS_PER_S)])
    run(spool)
    (alert,) = spool.log.latest(schema.ALERT_EVENT.name)
    assert _after(alert.detail["stale_since_ns"]) == 158.0
    assert _after(alert.detail["changed_at_ns"]) == 460.0  # 300 s later, on the grid
    append(spool, frames_of(1, [(1001, 20.0), (1010, 20.0)], cut=1))
    run(spool)
    (alert,) = spool.log.latest(schema.ALERT_EVENT.name)
    assert (alert.detail["state"], alert.detail["stale_since_ns"]) == ("unacknowledged", 0)


def test_a_reading_from_the_future_moves_no_time(spool: Spool) -> None:
    wrong = batch_frame("site/line", batch_of(1, [(86_400.0, 500.0)], Quality.CLOCK))
    append(spool, [wrong, *frames_of(1, POINTS[:40], cut=7)])
    append(spool, [wrong, *frames_of(1, POINTS[40:], cut=7)])
    run(spool)
    assert [raised for _, raised, _ in told(spool)] == [110.0, 260.0]


def test_a_planned_stop_hides_and_is_shown_as_such(spool: Spool) -> None:
    stop = PlannedStop(reason="night", start=_utc(90), end=_utc(240))
    append(spool, frames_of(1, POINTS, cut=50))
    run(spool, calendar=Calendar("UTC", (), (stop,)))
    hidden = spool.log.latest(schema.ALERT_EVENT.name)[0].detail
    assert (hidden["state"], hidden["suppressed_by"]) == ("normal", "planned stop: night")
    levels = [r for r in said(spool) if r.measurement == schema.ALERT_STATE.name and r.at_ns < T0_NS + 240 * NS_PER_S]
    assert levels
    assert all(record.fields["state"] == 0.0 for record in levels)


def test_an_open_cause_hides_its_consequence(spool: Spool) -> None:
    rules = (bound("cause", Threshold), bound("symptom", Threshold, suppressed_by=("cause",), for_s=20.0))
    append(spool, frames_of(1, POINTS[:80], cut=50))
    run(spool, rules)
    states = {r.detail["kind"]: (r.detail["state"], r.detail["cause_key"]) for r in spool.log.latest("alert_event")}
    assert states["cause"] == ("unacknowledged", "")
    assert states["symptom"] == ("suppressed", f"cause:{SERIES.name}")


def test_a_method_that_raises_alerts_about_itself_and_stops_no_other(spool: Spool) -> None:
    rules = (bound("raising", RaisingAbove), bound("threshold", Threshold))
    points = [*POINTS[:10], (21, 5000.0), *((s, 3.0) for s in range(22, 60)), (60.5, 20.0), (66, 20.0), (72, 20.0)]
    append(spool, frames_of(1, points, cut=5))
    run(spool, rules)
    alerts = {record.detail["kind"]: record.detail for record in spool.log.latest("alert_event")}
    assert alerts["method_failed"]["evidence"] == {"error": "ZeroDivisionError: no such value"}
    assert alerts["method_failed"]["state"] == "unacknowledged"
    assert alerts["threshold"]["state"] == "unacknowledged"


def test_an_acknowledgement_goes_through_the_log(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS[:80], cut=50))
    run(spool)
    (alert,) = spool.log.latest(schema.ALERT_EVENT.name)
    ack = Control(Action.ACK, alert.detail["key"] + "@1700000100", "kim", T0_NS + 160 * NS_PER_S, "on my way")
    append(spool, [control_frame("site/line", ack)])
    run(spool)
    (after,) = spool.log.latest(schema.ALERT_EVENT.name)
    assert (after.detail["state"], after.detail["acked_by"]) == ("acknowledged", "kim")
    assert after.detail["comments"][0]["text"] == "on my way"
    assert after.at_ns == alert.at_ns  # one point per alert, rewritten


def test_evidence_is_what_raised_it(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS[:80], cut=50))
    run(spool)
    (alert,) = spool.log.latest(schema.ALERT_EVENT.name)
    assert alert.detail["evidence"] == {"limit": 10.0}
    assert (alert.detail["value"], alert.detail["expected"]) == (20.0, 5.0)


def test_levels_go_on_at_zero_for_a_while_after_closing(spool: Spool) -> None:
    append(spool, frames_of(1, [*POINTS, *((400 + i, 3.0) for i in range(0, 600, 2))], cut=50))
    run(spool)
    levels = [r for r in said(spool) if r.measurement == schema.ALERT_STATE.name]
    last = max(r.at_ns for r in levels)
    assert _after(last) == pytest.approx(310 + 300, abs=30)
    assert [r.fields["state"] for r in levels if _after(r.at_ns) > 310] == [0.0] * 10


def test_the_beat_says_how_many_are_open(spool: Spool) -> None:
    append(spool, [*frames_of(1, POINTS[:80], cut=50), tick_frame(T0_NS + 160 * NS_PER_S)])
    run(spool)
    (beat,) = spool.log.latest(schema.WATCH_BEAT.name)
    assert (beat.fields["alive"], beat.fields["open_alerts"]) == (1, 1)


def _utc(second: float) -> object:
    import datetime as dt

    return dt.datetime.fromtimestamp(T0_NS / NS_PER_S + second, dt.UTC)


def test_another_tick_s_after_a_restart_goes_on_from_the_same_instant(spool: Spool) -> None:
    append(spool, frames_of(1, POINTS[:80], cut=20))
    run(spool)
    append(spool, frames_of(1, [(400 + i, 3.0) for i in range(0, 100, 2)], cut=20))
    slower = Detection(spool, RULES, DetectSettings(tick_s=10.0, levels_s=30.0), Calendar())
    while slower.step():
        pass
    assert [state for state, *_ in told(spool)] == ["return to normal, unacknowledged"]
