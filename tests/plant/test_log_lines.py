"""The reader of logs that the other tests of this folder trust: it lets no line pass that people could not act on."""

from __future__ import annotations

import pytest

from tests.plant.log_lines import events

AT = "2026-11-22 20:55:48,899 WARNING collector.health.counters "


def test_events_are_counted_over_all_lines() -> None:
    down = AT + "sink.unavailable sink=influx reason=\"http://store ('refused'): is the store up?\"\n"
    assert events(down + AT + "sink.available sink=influx\n" + down) == {"sink.unavailable": 2, "sink.available": 1}


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        AT + "something went wrong",
        AT + "broker.lost broker=127.0.0.1:1883",
    ],
)
def test_a_traceback_a_remark_and_an_event_without_a_remedy_do_not_pass(line: str) -> None:
    with pytest.raises(AssertionError):
        events(line)
