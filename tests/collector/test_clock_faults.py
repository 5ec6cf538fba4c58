"""R10: a site's devices with wrong clocks, from their messages to spool, ledger and detectors' input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import numpy as np
import pytest

from collector.clocks.clock import WallClock
from collector.clocks.watch import AHEAD_NS, BEHIND_NS
from collector.config import Site, SpoolSettings
from collector.decoder import Decoder
from collector.formats import json_fields
from collector.health.counters import Counters
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S, Batch, Quality
from collector.retention import Retention
from collector.sources.source import Delivery, Message
from collector.spool.frames import FrameKind
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from tests.collector.device_clocks import T0_S, Sent, sending

SITE = Site(enterprise="e", name="site")
TOPIC = TopicTemplate("site/{line}/{cell}")
HOUR_S, YEAR_S = 3600.0, 365 * 86_400.0
MESSAGES = 120
GOOD_FOR_S = 60.0

# line: how far its clock is ahead, so long after the start
DEVICES: dict[str, Callable[[float], float]] = {
    "right": lambda _: 0.0,
    "ahead_10_min": lambda _: 600.0,
    "behind_10_min": lambda _: -600.0,
    "never_set": lambda at_s: -T0_S,
    "year_ahead": lambda _: YEAR_S,
    "dst_forward": lambda at_s: HOUR_S if at_s >= GOOD_FOR_S else 0.0,
    "dst_back": lambda at_s: -HOUR_S if at_s >= GOOD_FOR_S else 0.0,
    "drifting": lambda at_s: 58.0 + 3.0 * at_s / GOOD_FOR_S,  # the last minute of 60 h at a second an hour, in haste
}


class Devices:
    """A source of one message a line and second; every delivery holds `group` messages."""

    def __init__(self, stop: Event, group: int) -> None:
        sent = [
            (message, line)
            for line, ahead_s in DEVICES.items()
            for message in sending(MESSAGES, ahead_s=ahead_s, jitter_s=2.0 if line == "right" else 0.0)
        ]
        self.left = [as_message(*one) for one in sorted(sent)]
        self.acknowledged = 0
        self._stop, self._group = stop, group

    def receive(self, limit: int, wait_s: float) -> Delivery:
        taken, self.left = self.left[: self._group], self.left[self._group :]
        if not taken:
            self._stop.set()
        return Delivery(taken, lambda: self._acknowledge(len(taken)))

    def close(self) -> None:
        self.left = []

    def _acknowledge(self, count: int) -> None:
        self.acknowledged += count


def as_message(sent: Sent, line: str) -> Message:
    payload = b'{"ts": %d, "level": 1.5}' % round(sent.at_s * 1000)
    return Message(f"site/{line}/cell", payload, round(sent.received_s * NS_PER_S))


def collected(spool: Spool, source: Devices, stop: Event) -> Counters:
    counters = Counters(report_every_s=None)
    options = json_fields.Options(time="ts", time_unit="ms", fields={"level": json_fields.Field()})
    clock = WallClock()
    decoder = Decoder([(TOPIC, json_fields.build(options, SITE, TOPIC))], clock)
    retention = Retention(SpoolSettings(), counters, detected=False)
    ingest(source, decoder, Appender(spool, SITE, clock, 5 * NS_PER_S, retention, counters), stop)
    return counters


def stored(spool: Spool, line: str) -> Batch:
    """All readings of a line, in order of arrival."""
    shard = f"site/{line}"
    frames = [frame for frame in spool.log.read(0, 100_000, kinds=(FrameKind.BATCH,)) if frame.shard == shard]
    columns = zip(*(frame.body.columns for frame in frames if isinstance(frame.body, Batch)), strict=True)
    return Batch(*(np.concatenate(column) for column in columns))


@pytest.mark.parametrize("group", [1, 40])
def test_wrong_clocks_are_booked_flagged_and_kept_and_right_ones_left_alone(spool: Spool, group: int) -> None:
    stop = Event()
    source = Devices(stop, group)
    counters = collected(spool, source, stop)
    assert source.acknowledged == MESSAGES * len(DEVICES)
    assert counters.counts["dead_lettered"] == 0
    assert counters.counts["readings_stored"] == MESSAGES * len(DEVICES), "flagged, never rejected"
    for line in DEVICES:
        batch = stored(spool, line)
        delay_ns = batch.received_ns - batch.at_ns
        cannot_be = (delay_ns < -AHEAD_NS) | (delay_ns > BEHIND_NS)
        assert np.array_equal(batch.quality == Quality.CLOCK, cannot_be), line
    assert {line for line in DEVICES if booked(spool, line)} == set(DEVICES) - {"right"}


def booked(spool: Spool, line: str) -> Sequence[str]:
    """What the ledger says of a line's clock itself, beside its flagged readings."""
    gaps = [gap for gap in spool.ledger.read() if gap.cause is Cause.CLOCK]
    return [gap.note for gap in gaps if gap.asset == f"site/{line}" and not gap.missing]


def test_the_ledger_counts_every_flagged_reading_and_says_how_far_the_clock_is_off(spool: Spool) -> None:
    stop = Event()
    collected(spool, Devices(stop, group=7), stop)
    for line in ("ahead_10_min", "never_set", "year_ahead", "dst_forward"):
        flagged = int(np.count_nonzero(stored(spool, line).quality == Quality.CLOCK))
        gaps = [gap for gap in spool.ledger.read() if gap.asset == f"site/{line}/cell"]
        assert len(gaps) == 1, "one entry while it goes on"
        assert gaps[0].missing == flagged > 0
    assert booked(spool, "behind_10_min") == [
        "its clock is 10 min behind the site's: set it, have it follow NTP",
    ]
    assert booked(spool, "dst_back") == ["its clock is 60 min behind the site's: set it, have it follow NTP"]
