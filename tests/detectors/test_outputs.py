"""What an alert's record says of it for a scorecard to count."""

from __future__ import annotations

import pytest

from collector.schema import AlertLevel
from detectors.alerts import Alert, State
from detectors.detector import Evidence
from detectors.outputs import event_output


def alert(evidence: Evidence, *, suppressed_by: str = "") -> Alert:
    return Alert(
        key="shortage:site/line/store:stock_part",
        kind="shortage",
        subject="site/line/store:stock_part",
        shard="site/line",
        series="site/line/store:stock_part",
        severity=AlertLevel.CRITICAL,
        state=State.SUPPRESSED if suppressed_by else State.UNACKED,
        fired_at_ns=1,
        evidence=evidence,
        suppressed_by=suppressed_by,
    )


@pytest.mark.parametrize(
    ("stock", "suppressed_by", "counted"),
    [
        (12.0, "", {"in_time": 1, "missed": 0}),
        (0.0, "", {"in_time": 0, "missed": 1}),
        (12.0, "planned stop: night", {"in_time": 0, "missed": 0}),
    ],
    ids=["before it was empty", "only then", "nobody was told"],
)
def test_an_alert_on_a_stock_says_whether_it_came_in_time(
    stock: float, suppressed_by: str, counted: dict[str, int]
) -> None:
    fields = event_output(alert({"stock": stock}, suppressed_by=suppressed_by)).record.fields
    assert {name: fields[name] for name in counted} == counted


def test_an_alert_on_anything_else_says_nothing_of_that() -> None:
    fields = event_output(alert({"quiet_s": 70.0})).record.fields
    assert not {"in_time", "missed"} & fields.keys()
