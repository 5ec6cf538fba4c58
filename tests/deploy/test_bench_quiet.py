"""`andon bench quiet`: what counts as seen and as chatter, and that playing a method again says the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from deploy.bench import quiet
from deploy.bench.quiet import NO_BUDGET, Week, called_for, seen_of
from deploy.bench.quiet_plant import MINUTE_NS, START_NS, Fault
from deploy.bench.quiet_site import Site
from detectors.alerts import Alert, State

SHIFT = Fault("shift", 1, "flow", 2, 600, 780)
CELL = "quiet/l1/c2"


def alert(kind: str, cell: str = CELL, metric: str = "flow", *, minute: int = 620, cause_key: str = "") -> Alert:
    subject = cell if kind == "one_class_sgd" else f"{cell}:{metric}"
    return Alert(
        key=f"{kind}:{subject}",
        kind=kind,
        subject=subject,
        shard="quiet/l1",
        series=f"{cell}:{metric}",
        severity=AlertLevel.WARNING,
        state=State.SUPPRESSED if cause_key else State.UNACKED,
        active_at_ns=START_NS + minute * MINUTE_NS,
        cause_key=cause_key,
    )


def week(*alerts: Alert) -> Week:
    """All but the hidden ones were told when they began."""
    told = [(one.active_at_ns, one.key, one.kind) for one in alerts if not one.cause_key]
    return Week(told, {one.alert_id: one for one in alerts})


@pytest.mark.parametrize(
    ("alerts", "is_seen"),
    [
        ((alert("cusum"),), True),
        ((alert("one_class_sgd"),), True),
        ((alert("stuck"),), False),
        ((alert("cusum", metric="pressure"),), False),
        ((alert("cusum", "quiet/l1/c3"),), False),
        ((alert("cusum", minute=599),), False),
        ((alert("cusum", minute=791),), False),
        ((alert("ewma", metric="vibration"), alert("cusum", cause_key="ewma:quiet/l1/c2:vibration")), True),
        ((alert("ewma", "quiet/l1/c3"), alert("cusum", cause_key="ewma:quiet/l1/c3:flow")), False),
        ((alert("cusum", cause_key="ewma:quiet/l1/c2:vibration"),), False),
    ],
)
def test_a_fault_is_seen_by_a_told_alert_of_its_kind_place_and_time(alerts, is_seen):
    assert bool(seen_of([SHIFT], week(*alerts))) is is_seen


def test_a_call_to_the_line_for_another_reason_is_counted_apart():
    other = week(alert("stuck", "quiet/l1/c0", "queue"))
    assert (seen_of([SHIFT], other), called_for([SHIFT], other)) == ([], [SHIFT])


def test_three_times_in_a_minute_chatter_and_twice_do_not():
    def told(*seconds: int) -> list[tuple[int, str, str]]:
        return [(START_NS + second * NS_PER_S, "a", "cusum") for second in seconds]

    assert quiet._chattering(told(0, 30, 60)) == 1
    assert quiet._chattering(told(0, 60, 120)) == 0


def test_only_lines_of_two_shifts_stand_at_night():
    site = Site((), 5, 40, 1, 6)
    at_night_ns = START_NS + 120 * MINUTE_NS
    stands = [site.calendar.planned_stop(f"l{i}", at_night_ns) is not None for i in range(5)]
    assert stands == [False, False, False, True, True]


def test_what_is_played_again_is_what_was_said():
    site = Site((), 1, 13, 1, 6)
    values = site.lines[0].values[:, :240].copy()
    values[[one.metric == "pressure" for one in site.lines[0].series], 200:210] = 9.0  # past the limit of its rule
    site.lines = [replace(site.lines[0], values=values)]
    site.ask(site.lines[0])
    first, again = (quiet._week(site, site.rules, NO_BUDGET) for _ in range(2))
    assert first == again
    assert {kind for _, _, kind in first.told} >= {"limits"}
