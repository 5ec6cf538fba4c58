"""Gaps on their way from the log to the detectors: an interval that is known to be missing stops no line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from collector import schema
from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Series
from collector.spool.frames import EVERY_SHARD, Frame, batch_frame, gap_frames, tick_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from detectors.alerts import Alert
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.engine import SpoolShards, run_shard
from detectors.line import LineLogic
from detectors.methods import output_drop, shortage, silent
from detectors.rule import AlertRule
from detectors.settings import BoundRule, DetectSettings
from tests.detectors.plain import T0_NS, Threshold, bound

SHARD = "site/line"
PLACE = Equipment("e", "site", line="line", cell="cell")
GOOD = Series(PLACE, "good", kind=Kind.COUNTER)
BOTTLES = Series(PLACE, "bottles", kind=Kind.COUNTER, on_event=True)
STOCK = Series(PLACE, "stock", kind=Kind.STOCK)
RUN_S, HOLE_S = 1800, 300


def rule(name: str, build: Callable[..., object], options: object) -> BoundRule:
    return BoundRule(name, AlertRule(method=name), lambda context: build(options, context))  # type: ignore[arg-type,return-value]


RULES = (
    rule("output_drop", output_drop.build, output_drop.Options()),
    rule("silent", silent.build, silent.Options()),
    rule("shortage", shortage.build, shortage.Options(response_s=600)),
)


@pytest.fixture(params=[GOOD, BOTTLES], ids=["periodic", "on event"])
def counter(request: pytest.FixtureRequest) -> Series:
    found: Series = request.param
    return found


def logic(series: Series) -> LineLogic:
    return LineLogic(RULES, DetectSettings(), Context({1: series}, Calendar(), SHARD))


def running(from_s: int, to_s: int, *, made: Callable[[int], float] = lambda second: second // 4) -> list[Frame]:
    """A line that makes a unit every 4 s and says so every time, with a tick every 20 s."""
    frames = []
    for start in range(from_s, to_s, 20):
        builder = BatchBuilder()
        for second in range(start, start + 20, 4):
            at_ns = T0_NS + second * NS_PER_S
            builder.add(1, at_ns, made(second), 0, at_ns)
        frames += [batch_frame(SHARD, builder.build()), tick(start + 20)]
    return frames


def tick(second: float) -> Frame:
    return tick_frame(T0_NS + int(second * NS_PER_S))


def gap(from_s: int, to_s: int, cause: Cause = Cause.EVICTED, shard: str = SHARD) -> list[Frame]:
    return gap_frames([Gap(SHARD, cause, T0_NS + from_s * NS_PER_S, T0_NS + to_s * NS_PER_S, 75, shard=shard)])


def told(line: LineLogic, frames: Sequence[Frame]) -> list[str]:
    """The kinds of the alerts that the frames raise or clear, one each time."""
    records = [said.record for said in line.apply(frames)]
    alerts = [msgspec.convert(r.detail, Alert) for r in records if r.measurement == schema.ALERT_EVENT.name]
    return [alert.kind for alert in alerts if alert.changed_at_ns in (alert.fired_at_ns, alert.resolved_at_ns)]


END_S = RUN_S + 4 * HOLE_S
AFTER = running(RUN_S + HOLE_S, END_S)
TICKS = [tick(RUN_S + second) for second in range(20, HOLE_S + 20, 20)]


def test_five_minutes_lost_are_no_drop_no_stop_and_no_silence(counter: Series) -> None:
    line = logic(counter)
    frames = [*running(0, RUN_S), *gap(RUN_S, RUN_S + HOLE_S), *TICKS, *AFTER]
    assert told(line, frames) == []


def test_five_minutes_lost_by_an_edge_node_that_says_so_afterwards_are_no_drop() -> None:
    """Sequence numbers tell when the next message comes; until then a periodic counter is unknown."""
    line = logic(GOOD)
    frames = [*running(0, RUN_S), *TICKS, *gap(RUN_S, RUN_S + HOLE_S, Cause.SEQ_GAP), *AFTER]
    assert "output_drop" not in told(line, frames)


def test_five_minutes_without_a_broker_are_nobodys_stop(counter: Series) -> None:
    """No tick is written meanwhile, and the gap is every line's."""
    line = logic(counter)
    frames = [*running(0, RUN_S), *gap(RUN_S, RUN_S + HOLE_S, Cause.DISCONNECTED, EVERY_SHARD), *AFTER]
    assert told(line, frames) == []


def test_what_came_of_a_lost_stretch_counts_for_nothing(counter: Series) -> None:
    """A counter that was not moved on for the lost units, and one that was: the band stays where it was."""
    for owed in (0, HOLE_S // 4):
        line = logic(counter)
        after = running(RUN_S + HOLE_S, END_S, made=lambda second, owed=owed: second // 4 - owed)  # type: ignore[misc]
        frames = [*running(0, RUN_S), *gap(RUN_S, RUN_S + HOLE_S), *TICKS, *after]
        assert told(line, frames) == []


def test_the_same_five_minutes_really_stopped_are_told() -> None:
    periodic, by_event = logic(GOOD), logic(BOTTLES)
    stood = running(RUN_S, RUN_S + HOLE_S, made=lambda _second: RUN_S // 4 - 1)
    assert told(periodic, [*running(0, RUN_S), *stood]) == ["output_drop"]
    assert "output_drop" in told(by_event, [*running(0, RUN_S), *TICKS])


def test_a_gap_that_ends_and_nothing_comes_is_told(counter: Series) -> None:
    line = logic(counter)
    frames = [*running(0, RUN_S), *gap(RUN_S, RUN_S + HOLE_S), *TICKS]
    assert told(line, frames) == []
    after = [tick(RUN_S + HOLE_S + second) for second in range(20, 200, 20)]
    assert "silent" in told(line, after)


def test_an_edge_node_that_declared_its_death_is_told() -> None:
    """What it books is when it may have died; the time since is not excused."""
    line = logic(GOOD)
    frames = [*running(0, RUN_S), tick(RUN_S + 20), *gap(RUN_S, RUN_S + 20, Cause.DISCONNECTED)]
    assert told(line, frames) == []
    assert told(line, TICKS[1:]) == ["silent"]


def test_a_line_of_which_nothing_can_be_read_is_silent() -> None:
    line = logic(GOOD)
    frames = running(0, RUN_S)
    for second in range(RUN_S, RUN_S + HOLE_S, 20):
        frames += [*gap(second, second + 20, Cause.DEAD_LETTER), tick(second + 20)]
    assert told(line, frames) == ["silent"]


def test_a_stop_that_stood_before_a_gap_still_stands_after_it(counter: Series) -> None:
    line = logic(counter)
    made = RUN_S // 4 - 1
    stood = running(RUN_S, RUN_S + 120, made=lambda _second: made) if counter is GOOD else TICKS[:6]
    assert told(line, [*running(0, RUN_S), *stood]).count("output_drop") == 1
    after = running(RUN_S + 600, RUN_S + 700, made=lambda _second: made) if counter is GOOD else []
    rest = [*gap(RUN_S + 120, RUN_S + 600), tick(RUN_S + 600), *after, tick(RUN_S + 700)]
    assert "output_drop" not in told(line, rest)


def on_hand(second: int) -> float:
    return 5000.0 - second // 4


def refilled(second: int) -> float:
    return on_hand(second) + 40


def test_use_within_a_hole_leaves_the_rate_as_it_was() -> None:
    """The hole hid a refill of 40 pieces, so what the stock fell by within it is no measure of use."""
    ends = []
    for hole in ([], gap(RUN_S, RUN_S + HOLE_S)):
        line = logic(STOCK)
        before = running(0, RUN_S, made=on_hand)
        lost = TICKS if hole else running(RUN_S, RUN_S + HOLE_S, made=on_hand)
        after = running(RUN_S + HOLE_S, RUN_S + 2 * HOLE_S, made=refilled if hole else on_hand)
        said = [one.record for one in line.apply([*before, *hole, *lost, *after])]
        bands = [r for r in said if r.measurement == schema.EXPECTED.name and r.tags["method"] == "shortage"]
        ends.append(float(bands[-1].fields["low"]))
        assert told(line, []) == []
    assert ends[1] == pytest.approx(ends[0], rel=0.02)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def detect(spool: Spool, series: Series) -> list[str]:
    """Runs the line's detectors as far as the log goes, from the state they left; the kinds of the alerts."""
    seams = SpoolShards(spool)
    line = logic(series)
    kept = seams.load(SHARD)
    line.restore(kept.body, kept.version)
    while run_shard(SHARD, line, seams, seams, seams):
        pass
    events = spool.log.latest(schema.ALERT_EVENT.name)
    return [msgspec.convert(record.detail, Alert).kind for record in events]


def append(spool: Spool, series: Series, frames: Sequence[Frame]) -> None:
    with spool.transaction():
        spool.series.id_of(series)
        spool.log.append(frames)


def test_readings_evicted_before_detection_are_no_stop(spool: Spool, counter: Series) -> None:
    append(spool, counter, running(0, RUN_S))
    assert detect(spool, counter) == []
    append(spool, counter, running(RUN_S, RUN_S + HOLE_S))
    lost = spool.log.end() - spool.states.load(SHARD).offset
    append(spool, counter, AFTER)
    with spool.transaction():
        spool.log.evict_delivered(spool.states.load(SHARD).offset, 10_000)
    for _ in range(lost):
        with spool.transaction():
            spool.log.evict_oldest(1)  # one by one: the gap in their place grows
    assert detect(spool, counter) == []


def test_a_replay_of_the_log_is_the_same_run(spool: Spool, counter: Series) -> None:
    frames = [*running(0, RUN_S), *gap(RUN_S, RUN_S + HOLE_S), *TICKS, *AFTER]
    append(spool, counter, frames)
    detect(spool, counter)
    again = logic(counter)
    again.apply(spool.log.read(0, 100_000, shard=SHARD))
    assert again.snapshot() == spool.states.load(SHARD).body


def test_a_method_that_fails_on_a_gap_is_switched_off_and_says_so() -> None:
    class Failing(Threshold):
        def miss(self, gap: Gap) -> None:
            raise ZeroDivisionError("no such gap")

    line = LineLogic([bound("failing", Failing)], DetectSettings(), Context({1: GOOD}, Calendar(), SHARD))
    assert told(line, [*running(0, 40, made=lambda _second: 0.0), *gap(40, 50), tick(60)]) == ["method_failed"]
