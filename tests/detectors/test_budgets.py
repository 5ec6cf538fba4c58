"""Alarm budgets: in the long run no more than asked for, nothing lost, facts never bounded, and replays the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Series
from collector.schema import ALERT_EVENT, AlertLevel
from collector.spool.frames import (
    Control,
    Frame,
    FrameKind,
    NeededScore,
    batch_frame,
    needed_score_frame,
    pack,
    record_frame,
    tick_frame,
    unpack,
)
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.budgets.bucket import MOST_NEEDED, Bucket, plant_pace, series_pace
from detectors.budgets.keeper import STATE_VERSION, Keeper
from detectors.budgets.keeping import needed_score
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.line import LineLogic
from detectors.outputs import event_output
from detectors.rule import AlertRule
from detectors.settings import AlertSettings, BoundRule, DetectSettings
from detectors.worker import Detection
from tests.detectors.plain import T0_NS, Threshold

DAY_NS = 86_400 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
SHARD = "site/line"
GAUGES = {i: Series(Equipment("e", "site", line="line", cell=f"c{i}"), "level") for i in range(10)}
OUTPUT = {20: Series(Equipment("e", "site", line="line", cell="c0"), "good", "1", Kind.COUNTER)}


def odd(name: str = "odd", *, is_fact: bool = False, **settings: object) -> BoundRule:
    """A rule that scores a tenth of the value, as a method that only supposes."""
    rule = AlertRule(method=name, metric="level", **settings)  # type: ignore[arg-type]
    return BoundRule(name, rule, lambda _context: Threshold(), is_fact)


def line_of(*rules: BoundRule, together_s: float = 0.0, kept: LineLogic | None = None) -> LineLogic:
    context = Context({**GAUGES, **OUTPUT}, Calendar(), SHARD)
    line = LineLogic(rules, DetectSettings(), context, AlertSettings(together_s=together_s))
    if kept is not None:
        line.restore(kept.snapshot(), kept.version)
    return line


def at(second: float, *values: tuple[int, float]) -> Frame:
    builder = BatchBuilder()
    for series, value in values:
        at_ns = T0_NS + int(second * NS_PER_S)
        builder.add(series, at_ns, value, 0, at_ns)
    return batch_frame(SHARD, builder.build())


def tick(second: float) -> Frame:
    return tick_frame(T0_NS + int(second * NS_PER_S))


def asks(score: float, second: float) -> Frame:
    return needed_score_frame(NeededScore(score, T0_NS + int(second * NS_PER_S)))


def alerts(line: LineLogic, *frames: Frame) -> dict[str, Alert]:
    """The last word on every key that was said something about."""
    said = [one.record for one in line.apply(frames) if one.record.measurement == ALERT_EVENT.name]
    found = [msgspec.convert(record.detail, Alert) for record in said]
    return {alert.subject.rpartition("/")[2].partition(":")[0] + "|" + alert.kind: alert for alert in found}


# ---- the bucket


@pytest.mark.parametrize(("per_d", "steepness"), [(10.0, 1.0), (10.0, 3.0), (100.0, 1.0)])
def test_in_the_long_run_no_more_than_the_budget_is_raised(per_d: float, steepness: float) -> None:
    """Twenty times too many candidates, whose scores have exponential tails: what passes is the budget."""
    rng = np.random.default_rng(3)
    bucket, pace, days, raised = Bucket(), plant_pace(per_d), 60, 0
    times = np.sort(rng.integers(0, days * DAY_NS, int(20 * per_d * days)))
    scores = 1.0 + rng.exponential(1.0 / steepness, len(times))
    for at_ns, score in zip(times.tolist(), scores.tolist(), strict=True):
        bucket.wear(pace, at_ns)
        if score >= bucket.needed(pace):
            bucket.add(pace, at_ns)
            raised += 1
    assert 0.85 * per_d * days <= raised <= per_d * days


def test_room_costs_nothing_and_a_score_without_bounds_is_always_told() -> None:
    bucket, pace = Bucket(), plant_pace(100.0)
    for _ in range(10):
        bucket.add(pace, T0_NS)
    assert bucket.needed(pace) == 1.0
    for _ in range(10):
        bucket.add(pace, T0_NS)
    assert bucket.needed(pace) == pytest.approx(2.0)
    for _ in range(10_000):
        bucket.add(pace, T0_NS)
    assert bucket.needed(pace) == MOST_NEEDED


def test_a_series_has_a_days_worth_at_once_and_time_gives_it_back() -> None:
    bucket, pace = Bucket(), series_pace(4.0)
    for _ in range(8):
        bucket.add(pace, T0_NS)
    assert bucket.needed(pace) == pytest.approx(2.0)
    bucket.wear(pace, T0_NS + DAY_NS)
    assert bucket.needed(pace) == 1.0


# ---- one line under a plant's budget


def test_what_the_budget_holds_back_is_an_alert_with_its_reason_and_no_call() -> None:
    line = line_of(odd())
    held = alerts(line, asks(2.0, 0), at(1, (1, 15.0), (2, 25.0)), tick(11))
    assert (held["c1|odd"].state, held["c2|odd"].state) == (State.SUPPRESSED, State.UNACKED)
    assert held["c1|odd"].suppressed_by == "alarm budget: 2.0 times its threshold needed"
    assert (held["c1|odd"].needed_score, held["c2|odd"].needed_score) == (2.0, 0.0)


def test_it_is_told_when_it_grows_or_when_there_is_room_and_never_taken_back() -> None:
    line = line_of(odd())
    alerts(line, asks(2.0, 0), at(1, (1, 15.0), (2, 15.0)), tick(11))
    grown = alerts(line, at(12, (1, 21.0)), tick(21))
    assert {name: one.state for name, one in grown.items()} == {"c1|odd": State.UNACKED}
    room = alerts(line, asks(1.2, 22), tick(31))
    assert {name: (one.state, one.needed_score) for name, one in room.items()} == {"c2|odd": (State.UNACKED, 0.0)}
    assert alerts(line, asks(8.0, 32), tick(60)) == {}


def test_facts_and_rules_that_say_so_are_not_bounded() -> None:
    line = line_of(
        odd("fact", is_fact=True), odd("wanted", budgeted=False), odd("bounded", is_fact=True, budgeted=True)
    )
    told = alerts(line, asks(8.0, 0), at(1, (1, 15.0)), tick(11))
    assert {one.kind: one.state for one in told.values()} == {
        "fact": State.UNACKED,
        "wanted": State.UNACKED,
        "bounded": State.SUPPRESSED,
    }


def test_a_spike_between_two_looks_counts_with_its_height() -> None:
    told = alerts(line_of(odd()), asks(2.0, 0), at(1, (1, 30.0)), at(2, (1, 12.0)), tick(11))
    assert told["c1|odd"].state is State.UNACKED


def test_what_is_held_back_hides_nothing_else() -> None:
    line = line_of(odd(), odd("child", is_fact=True, suppressed_by=("odd",)))
    assert alerts(line, asks(2.0, 0), at(1, (1, 15.0)), tick(11))["c1|child"].state is State.UNACKED


def test_a_subject_that_calls_all_day_needs_more_each_time() -> None:
    """Forty times a day at 1.5 times its threshold, with four a day free."""
    line, told = line_of(odd()), 0
    for i in range(80):
        said = alerts(line, at(900 * i + 1, (1, 15.0)), at(900 * i + 300, (1, 1.0)), tick(900 * i + 400))
        told += bool(said) and not said["c1|odd"].suppressed_by
    assert 4 <= told <= 12


def test_the_same_alert_is_not_raised_twice_within_its_hold() -> None:
    line = line_of(odd(is_fact=True, repeat_after_s=60.0))
    ids = set()
    for second in range(1, 121, 10):  # on and off every five seconds for two minutes
        said = line.apply([at(second, (1, 15.0)), at(second + 5, (1, 1.0)), tick(second + 9)])
        ids |= {one.record.key for one in said if one.record.measurement == ALERT_EVENT.name}
    assert 2 <= len(ids) <= 3


# ---- groups and stopped lines


def output() -> BoundRule:
    return BoundRule("output_drop", AlertRule(method="output_drop", metric="good"), lambda _context: Stopped(), True)


class Stopped(Threshold):
    """Scores 2 and a rate of 0 for a reading of 0, else 0.5 and the reading."""

    def score(self, batch):  # type: ignore[no-untyped-def]
        scores = super().score(batch)
        scores.score[:] = np.where(scores.value <= 0, 2.0, 0.5)
        return scores

    def explain(self, series: int, at_ns: int) -> dict[str, float | str | bool]:
        return {"stopped_since_s": float((at_ns - 30 * NS_PER_S) // NS_PER_S)}


def test_what_begins_together_on_a_line_is_told_as_one() -> None:
    line = line_of(odd(), odd("other"), together_s=600.0)
    told = alerts(line, at(1, (1, 15.0), (2, 15.0), (3, 15.0)), tick(11))
    assert [one.kind for one in told.values() if one.state is State.UNACKED] == ["odd"]
    hidden = [one for one in told.values() if one.state is State.SUPPRESSED]
    assert len(hidden) == 5
    assert {one.cause_key for one in hidden} == {"odd:site/line/c1:level"}
    later = alerts(line, at(12, (1, 1.0), (2, 15.0)), tick(21), tick(31))
    assert later["c1|odd"].state is State.RTN_UNACKED
    assert State.UNACKED in {one.state for one in later.values()}, "what still stands has a new leader"


def test_what_begins_later_or_is_more_severe_is_told_by_itself() -> None:
    line = line_of(odd(), odd("grave", severity=AlertLevel.CRITICAL), together_s=600.0)
    first = alerts(line, at(1, (1, 15.0)), tick(11))
    assert {one.state for one in first.values()} == {State.UNACKED}
    later = alerts(line, at(1000, (1, 15.0), (2, 15.0)), tick(1011))
    assert (later["c2|odd"].state, later["c2|grave"].state) == (State.UNACKED, State.UNACKED)


def test_a_stopped_line_hides_its_children_and_not_what_led_to_it() -> None:
    line = line_of(output(), odd())
    early = alerts(line, at(1, (20, 5.0), (1, 15.0)), tick(31))
    assert early["c1|odd"].state is State.UNACKED
    stop = alerts(line, at(100, (20, 0.0), (2, 15.0), (1, 15.0)), tick(111))
    assert stop["c0|output_drop"].state is State.UNACKED
    assert (stop["c2|odd"].state, stop["c2|odd"].cause_key) == (State.SUPPRESSED, "output_drop:site/line/c0:good")
    assert "c1|odd" not in stop, "it came before the stop and stays told"
    again = alerts(line, at(112, (20, 5.0), (2, 15.0)), tick(121), tick(126))
    assert again["c2|odd"].state is State.UNACKED, "it outlasts the stop"


def test_a_rule_may_want_to_be_told_of_a_standing_line() -> None:
    line = line_of(output(), odd(in_stop=True))
    assert alerts(line, at(100, (20, 0.0), (2, 15.0)), tick(111))["c2|odd"].state is State.UNACKED


# ---- the same frames, the same words


def busy(cut: int) -> list[Frame]:
    rng = np.random.default_rng(1)
    points = [
        (i + 1.0, int(s), float(v))
        for i, (s, v) in enumerate(zip(rng.integers(0, 9, 600), rng.exponential(6, 600), strict=True))
    ]
    frames: list[Frame] = []
    for start in range(0, len(points), cut):
        frames.append(_cut(points[start : start + cut]))
    return frames


def _cut(points: Sequence[tuple[float, int, float]]) -> Frame:
    builder = BatchBuilder()
    for second, series, value in points:
        at_ns = T0_NS + int(second * NS_PER_S)
        builder.add(series, at_ns, value, 0, at_ns)
    return batch_frame(SHARD, builder.build())


ASKED = [asks(1.3, 100), asks(2.0, 200), asks(1.1, 400)]


def test_cuts_and_restarts_change_nothing() -> None:
    whole = line_of(odd(), odd("other"), together_s=60.0)
    said = whole.apply([*ASKED, *busy(600)])
    for cut in (1, 7):
        pieces = line_of(odd(), odd("other"), together_s=60.0)
        told = pieces.apply(ASKED)
        for i, frame in enumerate(busy(cut)):
            if i % 11 == 5:
                pieces = line_of(odd(), odd("other"), together_s=60.0, kept=pieces)
            told += pieces.apply([frame])
        assert told == said
        assert pieces.snapshot() == whole.snapshot()
    assert len(said) > 50


# ---- the keeper


def raised(second: float, name: str = "a", state: State = State.UNACKED) -> Frame:
    at_ns = T0_NS + int(second * NS_PER_S)
    alert = Alert(
        key=f"odd:{name}",
        kind="odd",
        subject=name,
        shard=SHARD,
        series=name,
        severity=AlertLevel.WARNING,
        state=state,
        active_at_ns=at_ns,
        fired_at_ns=at_ns,
        changed_at_ns=at_ns,
    )
    return record_frame(SHARD, event_output(alert).record)


def storm(alarms: int, every_s: float) -> list[Frame]:
    frames: list[Frame] = []
    for i in range(alarms):
        frames += [raised(i * every_s, str(i)), tick(i * every_s + 5)]
    return frames


def test_the_keeper_asks_for_more_in_a_storm_and_for_less_when_it_is_over() -> None:
    keeper = Keeper(100.0)
    up = keeper.apply(storm(60, 10.0))
    assert [one.score for one in up] == sorted(one.score for one in up)
    assert up[-1].score == 8.0
    down = keeper.apply([tick(600 + 600 * i) for i in range(200)])
    assert [one.score for one in down] == sorted((one.score for one in down), reverse=True)
    assert down[-1].score == 1.0
    assert len(up) + len(down) < 30, "few enough words for the log"


def test_the_keeper_says_nothing_while_there_is_room_and_does_not_count_what_nobody_was_told() -> None:
    assert Keeper(100.0).apply(storm(30, 1200.0)) == []
    hidden = [raised(i, str(i), State.SUPPRESSED) for i in range(100)]
    assert Keeper(100.0).apply([*hidden, tick(200)]) == []
    assert Keeper(float("inf")).apply(storm(100, 1.0)) == []


def test_the_keeper_is_the_same_after_any_cut_and_restart() -> None:
    frames, whole = storm(60, 20.0), Keeper(50.0)
    said = whole.apply(frames)
    pieces, told = Keeper(50.0), []
    for i, frame in enumerate(frames):
        if i % 7 == 3:
            again = Keeper(50.0)
            again.restore(pieces.snapshot(), STATE_VERSION)
            pieces = again
        told += pieces.apply([frame])
    assert told == said
    assert pieces.snapshot() == whole.snapshot()
    assert len(said) > 5


def test_a_clock_that_was_set_back_does_not_stop_the_keeper() -> None:
    keeper = Keeper(100.0)
    keeper.apply([tick(400 * 86_400)])
    assert keeper.apply(storm(60, 10.0))[-1].score == 8.0


def test_what_is_asked_for_survives_the_log() -> None:
    asked = NeededScore(1.5, T0_NS)
    frame = needed_score_frame(asked)
    assert (frame.shard, frame.kind) == ("*", FrameKind.CONTROL)
    assert unpack(frame.kind, pack(asked)) == asked


# ---- over a spool


def test_a_site_that_calls_too_often_asks_more_of_every_line_and_replays_the_same(tmp_path: Path) -> None:
    found = []
    for name, restarts in (("whole", False), ("restarted", True)):
        with Spool.open(tmp_path / f"{name}.sqlite") as spool:
            found.append(_site_run(spool, restarts=restarts))
            assert needed_score(spool) > 1.0
    assert found[0] == found[1]
    told, held, asked = found[0]
    assert asked >= 1
    assert held > 0
    assert told < 25


def _site_run(spool: Spool, *, restarts: bool) -> tuple[int, int, int]:
    """Two lines call every ten seconds in turn, at 1.5 times the threshold; the site wants ten a day."""
    rule, alerts_wanted = odd(budget_per_d=1e6), AlertSettings(budget_per_d=10.0, together_s=0.0)
    ids = []
    with spool.transaction():
        for line in ("a", "b"):
            ids += [
                (f"site/{line}", spool.series.id_of(Series(Equipment("e", "site", line=line, cell=f"c{i}"), "level")))
                for i in range(20)
            ]
    worker = Detection(spool, [rule], DetectSettings(), Calendar(), alerts_wanted)
    for i, (shard, series) in enumerate(ids):
        builder, second = BatchBuilder(), 10.0 * i
        at_ns = T0_NS + int(second * NS_PER_S)
        builder.add(series, at_ns, 15.0, 0, at_ns)
        with spool.transaction():
            spool.log.append([batch_frame(shard, builder.build()), tick(second + 9)])
        if restarts:
            worker = Detection(spool, [rule], DetectSettings(), Calendar(), alerts_wanted)
        while worker.step():
            pass
    records = [msgspec.convert(record.detail, Alert) for record in spool.log.latest(ALERT_EVENT.name)]
    controls = spool.log.read(0, 10_000, kinds=(FrameKind.CONTROL,))
    assert not any(isinstance(frame.body, Control) for frame in controls)
    return sum(not one.suppressed_by for one in records), sum(one.needed_score > 0 for one in records), len(controls)
