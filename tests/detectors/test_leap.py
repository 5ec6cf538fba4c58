"""Time on a line: long leaps are cheap and end where walking would have, and a fast clock makes nobody else late."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

import msgspec
import pytest

from collector import schema
from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from collector.spool.frames import Action, Control, Frame, Record, batch_frame, control_frame, tick_frame
from detectors.alerts import Alert, State
from detectors.calendar import Calendar, Shift
from detectors.detector import Context
from detectors.line import LineLogic
from detectors.methods import output_drop, shortage, silent, stuck
from detectors.rule import AlertRule
from detectors.settings import BoundRule, DetectSettings
from tests.detectors.plain import T0_NS, Threshold, bound

PLACE = Equipment("e", "site", line="line", cell="cell")
SERIES = {
    1: Series(PLACE, "level"),
    2: Series(PLACE, "good", kind=Kind.COUNTER, on_event=True),
    3: Series(PLACE, "stock", kind=Kind.STOCK),
}
SHIFTS = tuple(
    Shift(
        name=f"{start}", start=dt.time(start), end=dt.time((start + 8) % 24), days=("mon", "tue", "wed", "thu", "fri")
    )
    for start in (6, 14, 22)
)
H, D = 3600, 86_400


def bound_method(name: str, build: object, options: object) -> BoundRule:
    return BoundRule(name, AlertRule(method=name), lambda context: build(options, context))  # type: ignore[operator]


EVERY_METHOD = (
    bound_method("shortage", shortage.build, shortage.Options(response_s=600)),
    bound_method("output_drop", output_drop.build, output_drop.Options()),
    bound_method("silent", silent.build, silent.Options()),
    bound_method("stuck", stuck.build, stuck.Options()),
)


def logic(rules: Sequence[BoundRule], calendar: Calendar | None = None) -> LineLogic:
    return LineLogic(rules, DetectSettings(), Context(SERIES, calendar or Calendar(), "site/line"))


def readings(series: int, *points: tuple[float, float], fast_s: float = 0) -> Frame:
    """(seconds after T0, value), from a device whose clock is `fast_s` ahead of the site's."""
    builder = BatchBuilder()
    for second, value in points:
        received_ns = T0_NS + int(second * NS_PER_S)
        builder.add(series, received_ns + int(fast_s * NS_PER_S), value, 0, received_ns)
    return batch_frame("site/line", builder.build())


def tick(second: float) -> Frame:
    return tick_frame(T0_NS + int(second * NS_PER_S))


def alerts(line: LineLogic, *frames: Frame) -> list[Alert]:
    """Every state of an alert that the frames lead to."""
    records: list[Record] = [said.record for said in line.apply(frames)]
    return [msgspec.convert(r.detail, Alert) for r in records if r.measurement == schema.ALERT_EVENT.name]


@pytest.mark.parametrize("shifts", [SHIFTS, SHIFTS[:1], ()])
def test_a_reading_of_1970_before_those_of_today_takes_no_time_worth_telling(shifts: tuple[Shift, ...]) -> None:
    builder = BatchBuilder()
    for series in SERIES:
        for second in range(0, 600, 4):
            builder.add(series, second * NS_PER_S + 1, float(second), 0, T0_NS)
        builder.add(series, T0_NS, 1.0, 0, T0_NS)
    line = logic(EVERY_METHOD, Calendar("Asia/Shanghai", shifts))
    began = time.process_time()
    line.apply([batch_frame("site/line", builder.build().take(slice(None)))])
    assert time.process_time() - began < 2.0


def test_a_gap_of_a_day_is_looked_at_tick_by_tick() -> None:
    line = logic([bound("threshold", Threshold)])
    said = line.apply([readings(1, (0, 20.0)), tick(25 * H)])
    levels = [one.record.at_ns for one in said if one.record.measurement == schema.ALERT_STATE.name]
    assert len(set(levels)) == pytest.approx(25 * H / 30, abs=2)


@pytest.mark.parametrize("days", [2, 3])
def test_a_leap_ends_where_walking_would_have(days: int) -> None:
    """On-delays and planned stops have had their time."""
    rules = [bound("threshold", Threshold, gap_s=1e12, for_s=600.0), *EVERY_METHOD[2:3]]
    ends = []
    for step_s in (25 * H, days * D):
        line = logic(rules, Calendar("UTC", SHIFTS[:1]))
        ticks = [tick(second) for second in (*range(60, days * D, step_s), days * D + 7 * H)]
        told = alerts(line, readings(1, (0, 20.0)), *ticks)
        ends.append({a.key: (a.state, a.suppressed_by) for a in told})
    assert ends[0] == ends[1]
    assert len(ends[0]) == 2


def test_a_shelving_runs_out_within_a_leap() -> None:
    line = logic([bound("threshold", Threshold, gap_s=1e12)])
    (raised,) = alerts(line, readings(1, (0, 20.0)), tick(10))
    shelve = Control(Action.SHELVE, raised.alert_id, "kim", T0_NS + 10 * NS_PER_S, "", T0_NS + 3 * D * NS_PER_S)
    after = alerts(line, control_frame("site/line", shelve), tick(6 * D))
    assert [alert.state for alert in after] == [State.SHELVED, State.UNACKED]
    assert 0 <= after[-1].changed_at_ns - shelve.until_ns <= H * NS_PER_S


def test_a_fast_device_does_not_make_the_line_stand_still() -> None:
    """A gauge 250 s ahead of a counter that counts every 4 s: the counter is never late."""
    line = logic([bound_method("output_drop", output_drop.build, output_drop.Options())])
    frames = []
    for i in range(600):
        frames += [readings(2, (4 * i, i)), readings(1, (4 * i + 1, i % 7), fast_s=250)]
    assert alerts(line, *frames, tick(2400)) == []


def test_a_fast_counter_is_judged_at_its_own_time() -> None:
    line = logic([bound_method("output_drop", output_drop.build, output_drop.Options())])
    frames = [readings(2, (4 * i, i), fast_s=250) for i in range(600)]
    assert alerts(line, *frames, tick(2400)) == []
    (stopped,) = alerts(line, tick(2400 + 300))
    assert stopped.kind == "output_drop"


YEAR = 365 * D


def test_a_site_clock_a_year_ahead_for_a_moment_stops_no_tick_for_a_year() -> None:
    """One tick from a clock that was wrong: what is missed after it was set right is told in its own time."""
    line = logic([bound_method("silent", silent.build, silent.Options(after_s=60.0))])
    ahead = alerts(line, readings(1, (0, 1.0)), tick(10), tick(YEAR))
    assert [alert.state for alert in ahead] == [State.UNACKED]
    back = alerts(line, readings(1, (20, 1.0)), tick(30))
    assert [alert.state for alert in back] == [State.RTN_UNACKED]
    assert alerts(line, tick(70)) == []
    (silent_again,) = [alert for alert in alerts(line, tick(200)) if alert.state is State.UNACKED]
    assert silent_again.fired_at_ns <= T0_NS + 85 * NS_PER_S


def test_a_delay_that_began_under_a_clock_ahead_runs_out_in_time() -> None:
    line = logic([bound("threshold", Threshold, for_s=60.0, gap_s=1e12)])
    alerts(line, readings(1, (0, 1.0)), tick(YEAR), readings(1, (1, 20.0)), tick(YEAR + 5))
    said = alerts(line, tick(10), tick(80))
    assert [alert.state for alert in said] == [State.UNACKED]
    assert said[0].fired_at_ns <= T0_NS + 75 * NS_PER_S


def test_readings_flagged_for_their_clock_poison_no_window() -> None:
    """A device leaps a year ahead and to 1970 within its stream: every method says what it says without those."""
    told = []
    for with_wrong in (False, True):
        line = logic(EVERY_METHOD)
        frames = []
        for i in range(900):
            frames.append(readings(1, (4 * i, i % 7)))
            frames.append(readings(2, (4 * i + 1, i)))
            frames.append(readings(3, (4 * i + 2, 5000.0 - i)))
            if with_wrong and i > 300 and i % 10 == 0:
                frames += [wrong_clock(series, 4 * i + 3, at_ns) for series in SERIES for at_ns in (0, 2**62)]
        told.append(alerts(line, *frames, tick(3600), tick(3600 + 2 * H)))
    assert told[0] == told[1]
    assert told[0]


def wrong_clock(series: int, second: float, at_ns: int) -> Frame:
    builder = BatchBuilder()
    builder.add(series, at_ns, 1e6, Quality.CLOCK, T0_NS + int(second * NS_PER_S))
    return batch_frame("site/line", builder.build())


def test_ticks_behind_the_readings_of_a_recording_turn_nothing_back() -> None:
    """A recording's ticks trail what was read with them; only a tick before another tick is a clock set back."""
    rules = [bound("threshold", Threshold, gap_s=1e12)]
    line = logic(rules)
    assert len(alerts(line, tick(0), readings(1, (0, 20.0), (5000, 1.0), (5100, 1.0)), tick(10), tick(20))) == 2
    restored = logic(rules)
    restored.restore(line.snapshot(), line.version)
    assert alerts(restored, tick(30), readings(1, (5200, 1.0))) == []
