"""A dead detector is one alert, and nobody else's end; a quiet plant, a slow start or a busy moment is none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.frames import Action, Control, Record, control_frame, tick_frame
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.watcher import Watcher
from tests.collector.parcels import frame as readings

T0_NS = 1_790_000_000 * NS_PER_S
LINE, OWN = "rig/bottling", "rig/_self"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        with opened.transaction():
            opened.log.append([readings(0), tick_frame(T0_NS)])
        yield opened


def watcher(spool: Spool) -> Watcher:
    return Watcher(spool, "rig", limit_s=60.0, levels_s=30.0)


def look(one: Watcher, spool: Spool, *seconds: int, alive: bool) -> None:
    """Looks at these seconds; before each a tick is due, and detectors that are alive deal with all of it."""
    for second in seconds:
        with spool.transaction():
            spool.log.append([tick_frame(T0_NS + second * NS_PER_S)])
            if alive:
                for line in spool.log.shards():
                    state = spool.states.load(line)
                    spool.states.commit(line, spool.log.end(), 1, b"", state.rev)
        one.step(T0_NS + second * NS_PER_S, float(second))


def occurrences(spool: Spool) -> list[Alert]:
    found = [msgspec.convert(record.detail, Alert) for record in spool.log.latest(schema.ALERT_EVENT.name)]
    return sorted(found, key=lambda alert: alert.active_at_ns)


def levels(spool: Spool) -> list[tuple[int, float]]:
    bodies = [frame.body for frame in spool.log.read(0, 10_000)]
    said = [one for one in bodies if isinstance(one, Record) and one.measurement == schema.ALERT_STATE.name]
    return [((one.at_ns - T0_NS) // NS_PER_S, float(one.fields["state"])) for one in said]


def test_detectors_that_go_on_are_no_alert(spool):
    look(watcher(spool), spool, *range(0, 1000, 5), alive=True)
    assert not occurrences(spool) and not levels(spool)


def test_detectors_that_are_started_late_are_no_alert_within_the_limit(spool):
    one = watcher(spool)
    look(one, spool, *range(0, 60, 5), alive=False)
    look(one, spool, *range(60, 300, 5), alive=True)
    assert not occurrences(spool)


def test_a_dead_detector_is_one_alert_that_stays_until_it_is_back(spool):
    one = watcher(spool)
    look(one, spool, *range(0, 100, 5), alive=True)
    look(one, spool, *range(100, 1000, 5), alive=False)
    (alert,) = occurrences(spool)
    assert (alert.kind, alert.state, alert.severity) == ("detection", State.UNACKED, "critical")
    assert (alert.fired_at_ns - T0_NS) // NS_PER_S == pytest.approx(155, abs=5)
    told = levels(spool)
    assert {state for _, state in told} == {2.0}
    assert max(b - a for (a, _), (b, _) in pairwise(told)) <= 30
    look(one, spool, *range(1000, 1600, 5), alive=True)
    assert [state for second, state in levels(spool) if second >= 1000] == [0.0] * 10
    assert occurrences(spool)[0].state is State.RTN_UNACKED


def test_one_line_that_stands_still_among_others_is_told(spool):
    one = watcher(spool)
    look(one, spool, 0, alive=True)
    for second in range(5, 100, 5):
        with spool.transaction():
            spool.log.append([tick_frame(T0_NS + second * NS_PER_S)])
            for line in set(spool.log.shards()) - {LINE}:
                spool.states.commit(line, spool.log.end(), 1, b"", spool.states.load(line).rev)
        one.step(T0_NS + second * NS_PER_S, float(second))
    assert len(occurrences(spool)) == 1


def test_the_beat_goes_on_while_the_detectors_are_dead(spool):
    look(watcher(spool), spool, *range(0, 300, 5), alive=False)
    (beat,) = spool.log.latest(schema.WATCH_BEAT.name)
    assert (beat.fields["alive"], beat.fields["open_alerts"]) == (1, 1)
    assert beat.at_ns >= T0_NS + 240 * NS_PER_S


def test_it_has_an_owner_and_a_restart_of_the_watcher_forgets_nothing(spool):
    first = watcher(spool)
    look(first, spool, *range(0, 100, 5), alive=False)
    (alert,) = occurrences(spool)
    control = Control(Action.ACK, alert.alert_id, "kim", T0_NS + 100 * NS_PER_S, "I look")
    with spool.transaction():
        spool.log.append([control_frame(OWN, control)])
    look(watcher(spool), spool, *range(100, 130, 5), alive=False)
    again = watcher(spool)
    look(again, spool, *range(130, 200, 5), alive=False)
    (owned,) = occurrences(spool)
    assert (owned.state, owned.acked_by, len(owned.comments)) == (State.ACKED, "kim", 1)
    look(again, spool, *range(200, 210, 5), alive=True)
    assert occurrences(spool)[0].state is State.NORMAL


def test_dying_again_is_a_new_occurrence_and_ends_the_one_that_nobody_took(spool):
    one = watcher(spool)
    look(one, spool, *range(0, 100, 5), alive=False)
    look(one, spool, *range(100, 200, 5), alive=True)
    look(one, spool, *range(200, 300, 5), alive=False)
    assert [alert.state for alert in occurrences(spool)] == [State.NORMAL, State.UNACKED]
