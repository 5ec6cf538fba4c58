"""One rule at work: what a failing method leaves standing, what a restart tries again, and how old a verdict is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Series
from collector.schema import ALERT_EVENT, ALERT_STATE
from collector.spool.frames import Action, Control, Frame, batch_frame, control_frame, tick_frame
from detectors.alerts import Alert, State
from detectors.calendar import Calendar
from detectors.detector import Context, Point, Scores, as_scores
from detectors.line import LineLogic
from detectors.settings import BoundRule, DetectSettings
from tests.detectors.plain import T0_NS, RaisingAbove, Threshold, bound

SERIES = {i: Series(Equipment("e", "site", line="line", cell=f"c{i}"), "level") for i in range(20)}


def logic(*rules: BoundRule, kept: LineLogic | None = None) -> LineLogic:
    line = LineLogic(rules, DetectSettings(), Context(SERIES, Calendar(), "site/line"))
    if kept is not None:
        line.restore(kept.snapshot(), kept.version)
    return line


def frame(second: float, *values: tuple[int, float]) -> Frame:
    builder = BatchBuilder()
    for series, value in values:
        at_ns = T0_NS + int(second * NS_PER_S)
        builder.add(series, at_ns, value, 0, at_ns)
    return batch_frame("site/line", builder.build())


def tick(second: float) -> Frame:
    return tick_frame(T0_NS + int(second * NS_PER_S))


def apply(line: LineLogic, *frames: Frame) -> list[Alert]:
    """The last word on every alert that was said something about."""
    said = [
        msgspec.convert(s.record.detail, Alert) for s in line.apply(frames) if s.record.measurement == ALERT_EVENT.name
    ]
    return list({alert.alert_id: alert for alert in said}.values())


def states(alerts: Sequence[Alert]) -> dict[str, State]:
    return {alert.key: alert.state for alert in alerts}


FAILED = "method_failed:site/line/c1:level:raising"
RAISING = bound("raising", RaisingAbove)


def test_only_the_series_on_which_a_method_fails_is_switched_off() -> None:
    line = logic(RAISING)
    told = apply(line, frame(1, (1, 3.0), (2, 3.0), (3, 3.0)), frame(2, (2, 3.0), (1, 5000.0), (3, 20.0)), tick(11))
    assert states(told) == {FAILED: State.UNACKED, "raising:site/line/c3:level": State.UNACKED}
    assert told[-1].evidence == {"error": "ZeroDivisionError: no such value"}
    told = apply(line, frame(12, (1, 20.0), (2, 20.0)), tick(21))
    assert states(told) == {"raising:site/line/c2:level": State.UNACKED}


def test_a_method_that_fails_on_everything_alerts_once() -> None:
    line = logic(RAISING)
    told = apply(line, frame(1, *((i, 5000.0) for i in range(20))), tick(11))
    assert states(told) == {"method_failed:site/line:raising": State.UNACKED}


def test_one_that_fails_on_one_series_after_another_is_switched_off_for_the_line() -> None:
    line = logic(RAISING)
    frames = [frame(i, (i, 5000.0), (0, 1.0)) for i in range(1, 20)]
    told = apply(line, *frames, tick(30))
    assert len(told) == 6
    assert "method_failed:site/line:raising" in states(told)


def test_alerts_of_a_method_that_failed_can_still_be_acknowledged_and_grow_old() -> None:
    line = logic(RAISING)
    (raised,) = apply(line, frame(1, (1, 20.0)), tick(11))
    apply(line, frame(12, (1, 5000.0)), tick(21))
    ack = Control(Action.ACK, raised.alert_id, "kim", T0_NS + 30 * NS_PER_S)
    assert states(apply(line, control_frame("site/line", ack))) == {raised.key: State.ACKED}
    (old,) = apply(line, tick(1000))
    assert (old.key, old.state, old.stale_since_ns) == (raised.key, State.ACKED, T0_NS + NS_PER_S)


def test_a_restart_tries_again_and_good_calls_clear_the_alert() -> None:
    line = logic(RAISING)
    apply(line, frame(1, (1, 5000.0), (2, 3.0)), tick(11))
    again = logic(RAISING, kept=line)
    assert apply(again, frame(12, (2, 3.0)), tick(21)) == []  # not yet known
    told = apply(again, frame(22, (1, 20.0)), tick(31))
    assert states(told) == {FAILED: State.RTN_UNACKED, "raising:site/line/c1:level": State.UNACKED}


def test_a_restart_that_fails_again_keeps_the_alert() -> None:
    line = logic(RAISING)
    apply(line, frame(1, (1, 5000.0)), tick(11))
    assert apply(logic(RAISING, kept=line), frame(12, (1, 5000.0)), tick(31)) == []


class Unheard(Threshold):
    """Says NaN at every tick once a series has been quiet for a minute."""

    def tick(self, at_ns: int) -> Scores:
        return as_scores([(one, at_ns, Point()) for one, last in self.last.items() if at_ns - last > 60 * NS_PER_S])


def test_a_score_that_is_no_number_does_not_keep_evidence_young() -> None:
    line = logic(bound("unheard", Unheard))
    (raised,) = apply(line, frame(1, (1, 20.0)), tick(300))
    assert (raised.state, raised.stale_since_ns) == (State.UNACKED, 0)
    (old,) = apply(line, tick(400))
    assert (old.state, old.stale_since_ns) == (State.UNACKED, T0_NS + NS_PER_S)


def test_where_a_rule_stands_in_the_file_changes_nothing() -> None:
    a, b = bound("a", Threshold), bound("b", RaisingAbove)
    line = logic(a)
    (raised,) = apply(line, frame(1, (1, 20.0)), tick(11))
    moved = logic(b, a, kept=line)
    (cleared,) = apply(moved, frame(12, (1, 3.0)), tick(21))[:1]
    assert (cleared.alert_id, cleared.state) == (raised.alert_id, State.RTN_UNACKED)


def test_what_a_removed_rule_had_raised_is_closed_and_said_to_be() -> None:
    line = logic(bound("a", Threshold))
    (raised,) = apply(line, frame(1, (1, 20.0), (2, 3.0)), tick(11))
    after = logic(bound("b", Threshold), kept=line)
    said = after.apply([tick(16)])
    (event,) = [s.record for s in said if s.record.measurement == ALERT_EVENT.name]
    (level,) = [s.record for s in said if s.record.measurement == ALERT_STATE.name]
    closed = msgspec.convert(event.detail, Alert)
    assert (closed.alert_id, closed.state) == (raised.alert_id, State.NORMAL)
    assert closed.comments[-1].text == "closed: no rule of site.toml watches this any more"
    assert level.fields["state"] == 0.0
    assert after.apply([tick(21)]) == []


@pytest.mark.parametrize("name", ["threshold", "second"])
def test_a_rule_with_a_name_of_its_own_has_keys_of_its_own(name: str) -> None:
    other = msgspec.structs.replace(bound("threshold", Threshold).rule)
    line = logic(bound("threshold", Threshold), BoundRule("second", other, lambda _context: Threshold()))
    told = apply(line, frame(1, (1, 20.0)), tick(11))
    (own,) = [alert for alert in told if alert.key == f"{name}:site/line/c1:level"]
    assert own.kind == "threshold"
