"""What leaves a gateway's log in lanes, live first, is at the site just once; what was evicted there is a gap here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.config import Site
from collector.formats.forwarded import Options, build
from collector.forwarding.bundle import bundles, pack
from collector.lanes import Lanes, Pace
from collector.readings import Quality
from collector.sinks.sink import Parcel
from collector.sources.source import Message
from collector.spool.frames import tick_frame
from collector.spool.ledger import Gap
from collector.spool.log_name import name_of
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from tests.collector.parcels import SERIES, frame

BACKLOG = 1_200  # frames; more than a live lane leaves to itself
ROWS_PER_S = 500.0


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        with opened.transaction():
            for series in SERIES.values():
                opened.series.id_of(series)
        yield opened


class SiteEnd:
    """A site's collector that may be restarted after any message."""

    def __init__(self) -> None:
        self._memory = b""
        self.at_ns: list[int] = []
        self.late = 0
        self.gaps: list[Gap] = []

    def take(self, parcel: Parcel) -> None:
        for bundle in bundles(parcel, "press7", 100):
            form = build(Options(), Site(enterprise="iot1", name="rig"), TopicTemplate("#"))
            form.restore(self._memory)
            decoded = form.decode(Message("andon/forward/press7", pack(bundle), 0))
            self._memory = form.snapshot()
            self.at_ns += decoded.readings.at_ns
            self.late += sum(bool(quality & Quality.HISTORICAL) for quality in decoded.readings.quality)
            self.gaps += decoded.gaps


def append(spool: Spool, first: int, count: int) -> list[int]:
    """Appends frames of two readings, a tick after every fifth; the times of the readings."""
    frames = [frame(number) for number in range(first, first + count)]
    with spool.transaction():
        for number, one in enumerate(frames):
            spool.log.append([one] if number % 5 else [one, tick_frame(number)])
    return [at_ns for one in frames for at_ns in one.body.at_ns.tolist()]


def forward(spool: Spool, lanes: Lanes, site: SiteEnd, now_s: float, *, fails_every: int = 7) -> int:
    """Carries on until nothing is to be had at this time; every so many parcels the cursor does not move after it."""
    log, sent = name_of(spool), 0
    while frames := lanes.next(now_s):
        site.take(Parcel(frames, spool.series, log=log, settled=lanes.settled(frames)))
        sent += 1
        if sent % fails_every:
            with spool.transaction():
                lanes.delivered(frames)
    return sent


@pytest.mark.parametrize("live_first", [True, False])
def test_live_first_and_repeats_lose_and_double_nothing(spool, live_first):
    lanes, site = Lanes(spool, "sink:site", Pace(live_first, ROWS_PER_S), 0.0), SiteEnd()
    sent = append(spool, 0, 10)
    forward(spool, lanes, site, 0.0)
    sent += append(spool, 10, BACKLOG)
    for second in range(1, 40):
        forward(spool, lanes, site, float(second))
        sent += append(spool, 2_000 + 3 * second, 3)
    forward(spool, lanes, site, 100.0)
    assert sorted(site.at_ns) == sorted(sent)
    assert site.gaps == []
    assert (site.late > 0) is live_first and (live_first or site.at_ns == sent)


def test_what_the_gateway_evicted_before_it_was_sent_is_a_gap_at_the_site(spool):
    lanes, site = Lanes(spool, "sink:site", Pace(live_first=False), 0.0), SiteEnd()
    sent = append(spool, 0, 10)
    forward(spool, lanes, site, 0.0)
    append(spool, 10, 20)
    with spool.transaction():
        evicted = spool.log.evict_oldest(12 + 24)
    sent += append(spool, 30, 5)
    forward(spool, lanes, site, 1.0)
    assert site.at_ns == sent
    (gap,) = site.gaps
    assert (gap.asset, gap.missing) == ("gateway press7", evicted.frames - 12)


def test_a_log_keeps_its_name_and_no_other_has_it(tmp_path):
    with Spool.open(tmp_path / "one.sqlite") as one, Spool.open(tmp_path / "two.sqlite") as two:
        assert name_of(one) == name_of(one) != name_of(two)
    with Spool.open(tmp_path / "one.sqlite") as again:
        assert name_of(again) == name_of(again)
