"""One cause, one alert, across lines: what stands because of another line's stop is hidden by that one's alert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Series
from collector.schema import ALERT_EVENT, AlertLevel
from collector.spool.frames import AlertNews, Frame, alert_news_frame, batch_frame, pack, tick_frame, unpack
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.calendar import Calendar
from detectors.causes.standing import Standing
from detectors.detector import Cause, Context
from detectors.flow import Flow
from detectors.line import LineLogic
from detectors.methods import output_drop
from detectors.rule import AlertRule
from detectors.settings import BoundRule, DetectSettings
from detectors.worker import Detection
from tests.detectors.plain import T0_NS

SAW = Series(Equipment("acme", "north", "", "cut", "saw"), "good", "1", Kind.COUNTER)
PRESS = Series(Equipment("acme", "north", "", "press", "cell"), "good", "1", Kind.COUNTER)
FLOW = Flow({}, {"north/press": ("north/cut",)})
STOPPED_S, STARVED_S, MENDED_S = 3600, 3900, 4800  # the saw stops, the press has used up what lay between, both run
SETTINGS = DetectSettings(tick_s=10.0, levels_s=600.0)


def stopped(name: str = "halt", line: str = "*", **settings: object) -> BoundRule:
    rule = AlertRule(method="output_drop", name=name, line=line, metric="good", **settings)  # type: ignore[arg-type]
    return BoundRule(name, rule, lambda context: output_drop.build(output_drop.Options(), context), is_fact=True)


def counted(second: int, *, is_fed: bool = True) -> list[Frame]:
    """What both lines say at an instant: a unit every 5 s but for the stop, the press later by the buffer."""
    standing_s = min(max(second - STOPPED_S, 0), MENDED_S - STOPPED_S)
    waiting_s = min(max(second - STARVED_S, 0), MENDED_S - STOPPED_S)
    frames = []
    for one, series, stood_s in ((1, SAW, standing_s), (2, PRESS, waiting_s if is_fed else 0)):
        builder, at_ns = BatchBuilder(), T0_NS + second * NS_PER_S
        builder.add(one, at_ns, (second - stood_s) // 5, 0, at_ns)
        frames.append(batch_frame(f"north/{series.equipment.line}", builder.build()))
    return [*frames, tick_frame(T0_NS + second * NS_PER_S + 1)]


class Site:
    """Both lines over one spool, read every 10 s; `at_once`: after how many instants the detectors look.

    At what was before the stop they look at once.
    """

    def __init__(self, folder: Path, *rules: BoundRule, flow: Flow = FLOW, at_once: int = 1) -> None:
        self.spool = Spool.open(folder / "spool.db")
        with self.spool.transaction():
            assert [self.spool.series.id_of(one) for one in (SAW, PRESS)] == [1, 2]
        self.rules, self.flow, self.at_once, self.second = rules, flow, at_once, 0
        self.detection = self.started()

    def started(self) -> Detection:
        return Detection(self.spool, self.rules, SETTINGS, Calendar(), flow=self.flow)

    def play(self, until_s: int) -> dict[str, Alert]:
        """The last word on each line's alert."""
        while self.second < until_s:
            frames = []
            for _ in range(max(self.at_once, (STOPPED_S - self.second) // 10)):
                self.second += 10
                frames += counted(self.second)
            with self.spool.transaction():
                self.spool.log.append(frames)
            while self.detection.step():
                pass
        alerts = [msgspec.convert(one.detail, Alert) for one in self.spool.log.latest(ALERT_EVENT.name)]
        return {alert.shard.partition("/")[2]: alert for alert in alerts}


def test_a_line_that_starves_is_hidden_by_the_stop_before_it_whatever_that_rule_is_called(tmp_path: Path) -> None:
    alerts = Site(tmp_path, stopped("saw_halt", "cut"), stopped("press_halt", "press")).play(4300)
    assert alerts["cut"].state is State.UNACKED
    assert (alerts["press"].state, alerts["press"].cause_key) == (State.SUPPRESSED, "saw_halt:north/cut/saw:good")
    assert alerts["press"].evidence["upstream_stopped"] == "north/cut/saw:good"


def test_nobody_is_called_while_the_effect_is_still_on_its_way_out(tmp_path: Path) -> None:
    """The saw runs again; the press starts 300 s later, as it had stopped 300 s later."""
    site = Site(tmp_path, stopped())
    assert site.play(MENDED_S + 100)["cut"].state is State.RTN_UNACKED
    assert site.play(MENDED_S + 250)["press"].state is State.SUPPRESSED
    assert site.play(MENDED_S + 600)["press"].state is State.NORMAL


def test_a_line_that_does_not_start_again_is_told_when_its_cause_is_long_over() -> None:
    standing = Standing()
    standing.hear(news(active_s=0, resolved_s=600))
    press = alert(active_s=300)
    for at_s, lingers in ((700, True), (899, True), (901, False)):
        assert (standing.lingering(press, T0_NS + at_s * NS_PER_S) is not None) == lingers


@pytest.mark.parametrize("rules", [(stopped("press_halt", "press"),), (stopped(),)])
def test_without_an_alert_on_the_cause_the_line_itself_is_told(tmp_path: Path, rules: tuple[BoundRule, ...]) -> None:
    """No rule watches the saw; or no map says that it feeds the press."""
    alerts = Site(tmp_path, *rules, flow=FLOW if rules[0].rule.line == "press" else Flow()).play(4300)
    assert (alerts["press"].state, alerts["press"].cause_key) == (State.UNACKED, "")


def test_what_is_more_severe_than_its_cause_is_told(tmp_path: Path) -> None:
    loud = stopped("press_halt", "press", severity=AlertLevel.CRITICAL)
    assert Site(tmp_path, stopped("saw_halt", "cut"), loud).play(4300)["press"].state is State.UNACKED


def test_in_a_catch_up_the_line_hears_late_and_is_hidden_then(tmp_path: Path) -> None:
    site = Site(tmp_path, stopped(), at_once=410)
    assert site.play(4100)["press"].state is State.UNACKED
    site.at_once = 1
    assert site.play(4120)["press"].state is State.SUPPRESSED


def test_a_restart_in_between_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, stopped())
    site.play(4200)
    site.detection = site.started()
    assert site.play(4300)["press"].state is State.SUPPRESSED


def test_the_same_log_gives_the_same_line() -> None:
    def said(cut: int) -> list[str]:
        context = Context({1: SAW, 2: PRESS}, Calendar(), "north/press", flow=FLOW)
        line = LineLogic([stopped()], SETTINGS, context)
        frames = [frame for second in range(10, 4300, 10) for frame in counted(second)]
        frames.insert(3 * 370, alert_news_frame("north/press", news(active_s=STOPPED_S + 30), T0_NS))
        found = []
        for start in range(0, len(frames), cut):
            found += [one.output_id for one in line.apply(frames[start : start + cut])]
        return found

    assert said(1) == said(97)


# ---- what stands


def news(active_s: int, resolved_s: int = 0, **changed: object) -> AlertNews:
    said = AlertNews(
        key="halt:north/cut/saw:good",
        kind="output_drop",
        subject="north/cut/saw:good",
        series="north/cut/saw:good",
        severity=AlertLevel.WARNING,
        active_at_ns=T0_NS + active_s * NS_PER_S,
        resolved_at_ns=T0_NS + resolved_s * NS_PER_S if resolved_s else 0,
        stands=not resolved_s,
    )
    return msgspec.structs.replace(said, **changed)


def alert(active_s: int) -> Alert:
    return Alert(
        key="halt:north/press/cell:good",
        kind="output_drop",
        subject=PRESS.name,
        shard="north/press",
        series=PRESS.name,
        severity=AlertLevel.WARNING,
        state=State.SUPPRESSED,
        active_at_ns=T0_NS + active_s * NS_PER_S,
        cause_key="halt:north/cut/saw:good",
    )


def test_the_end_of_an_older_occurrence_ends_no_newer_one() -> None:
    standing, cause = Standing(), Cause("output_drop", SAW.name, T0_NS)
    standing.hear(news(active_s=100))
    standing.hear(news(active_s=0, resolved_s=50))
    assert standing.on(cause, alert(200)) is not None
    standing.hear(news(active_s=100, resolved_s=300))
    assert standing.on(cause, alert(200)) is None


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ({}, True),
        ({"series": "north/cut/other:good", "subject": "north/cut:good"}, True),  # all machines of the line together
        ({"series": "north/cut/other:good", "subject": "north/cut/other:good"}, False),
        ({"kind": "silent"}, False),
        ({"stands": False}, False),
    ],
)
def test_only_an_alert_of_the_method_on_the_series_stands_for_a_cause(said: dict[str, Any], stands: bool) -> None:
    standing = Standing()
    standing.hear(news(active_s=0, **said))
    assert (standing.on(Cause("output_drop", SAW.name, T0_NS), alert(200)) is not None) == stands


def test_news_come_back_from_the_log_as_they_were() -> None:
    frame = alert_news_frame("north/press", news(active_s=0), T0_NS)
    assert unpack(frame.kind, pack(frame.body)) == frame.body
