"""What leaves a gateway's log in lanes, live first, is at the site just once; what was evicted there is a gap here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clocks.clock import PlantClock
from collector.config import Site
from collector.dead_replay import Revived, replay_dead
from collector.decoder import Decoder
from collector.formats.forwarded import Forwarded, Options, build
from collector.forwarding.bundle import bundles, pack
from collector.lanes import Lanes, Pace
from collector.memory import keep
from collector.readings import Quality
from collector.sinks.sink import Parcel
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.frames import tick_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.log_name import name_of
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from tests.collector.parcels import SERIES, START_NS, frame

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


def sent_in_bundles(spool: Spool, frames: int) -> tuple[list[bytes], list[int]]:
    """A log in bundles of one frame each, everything before a bundle settled; the times of its readings."""
    at_ns = append(spool, 0, frames)
    log = name_of(spool)
    frames_read = spool.log.read(0, 1_000)
    parcels = [Parcel([one], spool.series, log=log, settled=one.offset - 1) for one in frames_read]
    return [pack(bundle) for one in parcels for bundle in bundles(one, "press7", 100)], at_ns


def test_what_was_given_up_and_comes_after_all_is_taken_once_and_makes_up_for_its_gap(spool):
    sent, at_ns = sent_in_bundles(spool, 8)
    form, taken, missing = Forwarded(), [], 0
    for body in (*sent[:2], *sent[5:], *sent[2:4], sent[2], *sent[4:]):
        restarted = Forwarded()
        restarted.restore(form.snapshot())
        form = restarted
        decoded = form.decode(Message("andon/forward/press7", body, 0))
        taken += decoded.readings.at_ns
        missing += sum(gap.missing for gap in decoded.gaps)
    assert sorted(taken) == at_ns and missing == 0


def test_a_dead_letter_that_was_booked_as_missing_comes_back_with_its_replay(spool, tmp_path):
    sent, _ = sent_in_bundles(spool, 6)
    with Spool.open(tmp_path / "site.sqlite") as site:
        decoder = Decoder([(TopicTemplate("andon/forward/+"), Forwarded())], PlantClock(START_NS, START_NS))
        messages = [Message("andon/forward/press7", body, START_NS) for body in sent if body is not sent[3]]
        intake = decoder.decode(messages)
        with site.transaction():
            site.log.append(intake.frames(site.series))
            keep(site, decoder.snapshot(), {})
            for gap in intake.gaps:
                site.ledger.add(gap)
            site.dead.add(DeadLetter("andon/forward/press7", sent[3], "of a newer version", START_NS))
        assert site.ledger.total(Cause.SEQ_GAP) == 1
        assert replay_dead(site, decoder) == Revived(letters=1, readings=2)
        assert site.ledger.total(Cause.SEQ_GAP) == 0 and site.dead.count() == 0
        assert "came after all" in {gap.note for gap in site.ledger.read()}


def test_a_log_keeps_its_name_and_no_other_has_it(tmp_path):
    with Spool.open(tmp_path / "one.sqlite") as one, Spool.open(tmp_path / "two.sqlite") as two:
        assert name_of(one) == name_of(one) != name_of(two)
    with Spool.open(tmp_path / "one.sqlite") as again:
        assert name_of(again) == name_of(again)
