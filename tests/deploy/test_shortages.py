"""Which shortage alerts came true, which a refill excuses, and which called somebody for nothing."""

from __future__ import annotations

import pytest

from collector.readings import NS_PER_S, Equipment, Kind, Series
from collector.schema import AlertLevel
from deploy.shortages import RULE, judge
from detectors.alerts import Alert, State

SERIES = Series(Equipment("e", "rig", line="line", cell="store"), "level", "g", Kind.STOCK)
RAISED = 1000.0


def alert(raised_at: float = RAISED, cleared_at: float = 0.0, response_s: float = 120.0, stock: float = 200.0) -> Alert:
    """Raised at 200 g, of which 3600 g are used per hour: a gram a second."""
    return Alert(
        key=f"shortage:{SERIES.name}",
        kind="shortage",
        subject=SERIES.name,
        shard="rig/line",
        series=SERIES.name,
        severity=AlertLevel.CRITICAL,
        state=State.RTN_UNACKED if cleared_at else State.UNACKED,
        fired_at_ns=int(raised_at * NS_PER_S),
        resolved_at_ns=int(cleared_at * NS_PER_S),
        evidence={"stock": stock, "use_per_h": 3600.0, "response_s": response_s},
    )


def judged(levels: dict[float, float], *alerts: Alert) -> tuple[int, int, int]:
    """(times it ran empty, alerts not followed by empty, false alerts) of one stock; a full one from the start."""
    times, values = [0.0, *levels], [800.0, *levels.values()]
    shortages, not_empty, false = judge({SERIES: (times, values)}, alerts)
    return len(shortages), not_empty, false


def test_empty_within_ten_minutes_is_true() -> None:
    assert judged({RAISED: 200.0, RAISED + 600: 0.0}, alert()) == (1, 0, 0)


def test_empty_later_is_false() -> None:
    assert judged({RAISED: 200.0, RAISED + 601: 0.0}, alert()) == (1, 1, 1)


def test_empty_when_raised_is_true() -> None:
    assert judged({RAISED - 5: 0.0, RAISED + 30: 800.0}, alert(stock=0.0)) == (1, 0, 0)


def test_a_long_response_time_is_given_twice() -> None:
    levels = {RAISED: 200.0, RAISED + 1200: 0.0}
    assert judged(levels, alert(response_s=600.0)) == (1, 0, 0)
    assert judged({RAISED: 200.0, RAISED + 1201: 0.0}, alert(response_s=600.0)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("levels", "cleared_after_s", "false"),
    [
        ({90: 120.0, 95: 800.0}, 125, 0),  # 120 g last the response time of 120 s
        ({70: 130.0, 75: 800.0}, 105, 1),  # 130 g last longer: there was time left
        ({4: 800.0}, 34, 1),  # nothing was used since the alert
        ({590: 20.0, 600: 800.0}, 630, 0),
        ({590: 20.0, 601: 800.0}, 631, 1),  # too late to be an answer to the alert
        ({40: 160.0, 200: 20.0, 205: 800.0}, 100, 1),  # the alert had ended before
        ({90: 20.0, 95: 55.0}, 0, 1),  # 35 g of 800 g are no refill
    ],
)
def test_a_refill_excuses_only_just_before_empty(levels: dict[int, float], cleared_after_s: int, false: int) -> None:
    after = {RAISED + at: level for at, level in levels.items()}
    cleared_at = RAISED + cleared_after_s if cleared_after_s else 0.0
    assert judged({RAISED: 200.0, **after}, alert(cleared_at=cleared_at)) == (0, 1, false)


def test_a_refill_excuses_nothing_when_the_use_was_not_known() -> None:
    unknown = alert()
    unknown.evidence.pop("use_per_h")
    assert judged({RAISED: 200.0, RAISED + 90: 20.0, RAISED + 95: 800.0}, unknown) == (0, 1, 1)


def test_the_rule_says_what_is_judged() -> None:
    assert "never empty within 10 min" in RULE
    assert "twice the response time" in RULE
    assert "refilled just before: while the alert stood" in RULE
