"""Clocks that are wrong are flagged within twenty messages, those that are right never, and nothing is thrown away."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clocks.clock import MessageClock, PlantClock, WallClock
from collector.clocks.watch import ClockWatch, watch_for
from collector.readings import NS_PER_S, Equipment, Quality
from collector.spool.ledger import Cause
from tests.collector.batches import Row, batch, rows
from tests.collector.device_clocks import LINE, T0_S, Heard, Sent, heard, read_of, sending

HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 365 * 86_400.0
LIMIT_S = 60.0
GOOD_FOR_S = 100.0  # then the clock goes wrong


def stepping(by_s: float) -> Callable[[float], float]:
    return lambda elapsed_s: by_s if elapsed_s >= GOOD_FOR_S else 0.0


WRONG = {
    "10 min ahead": stepping(600.0),
    "10 min behind": stepping(-600.0),
    "1970": stepping(-T0_S),
    "a year ahead": stepping(YEAR_S),
    "a year behind": stepping(-YEAR_S),
    "DST forward": stepping(HOUR_S),
    "DST back": stepping(-HOUR_S),
}


@pytest.mark.parametrize("every_s", [0.1, 1.0, 60.0])
@pytest.mark.parametrize("jitter_s", [0.0, 2.0])
@pytest.mark.parametrize("ahead_s", WRONG.values(), ids=WRONG)
def test_a_clock_that_leaps_is_flagged_within_twenty_messages_and_not_before(
    ahead_s: Callable[[float], float], jitter_s: float, every_s: float
) -> None:
    """Where twenty messages take less time than jitter lasts, it takes twice the jitter's spread to tell."""
    right = round(GOOD_FOR_S / every_s)
    said = heard(sending(right + 160, every_s=every_s, ahead_s=ahead_s, jitter_s=jitter_s), ClockWatch(LIMIT_S))
    assert not any(one.is_wrong or one.flagged for one in said[:right])
    within = 20 if every_s >= 1.0 or jitter_s == 0.0 else 150
    assert first_flagged(said) - right < within
    assert said[-1].is_wrong


@pytest.mark.parametrize("ahead_s", [600.0, -600.0, -T0_S, YEAR_S, HOUR_S, -HOUR_S, 90.0, -90.0])
def test_a_clock_that_was_never_right_is_flagged_within_twenty_messages(ahead_s: float) -> None:
    said = heard(sending(20, ahead_s=lambda _: ahead_s, jitter_s=2.0), ClockWatch(LIMIT_S))
    assert said[-1].is_wrong
    (gap,) = [gap for one in said for gap in one.gaps if not gap.missing]
    assert (gap.asset, gap.cause) == (LINE, Cause.CLOCK)
    assert ("ahead of" if ahead_s > 0 else "behind") in gap.note


@pytest.mark.parametrize("sign", [1, -1], ids=["fast", "slow"])
def test_a_clock_that_drifts_is_flagged_within_twenty_messages_of_the_limit(sign: int) -> None:
    """A second an hour: the limit is reached after sixty hours, told with the drift that led there."""
    watch, every_s = ClockWatch(LIMIT_S), 60.0
    crosses = round(LIMIT_S * HOUR_S / every_s)
    said = heard(sending(crosses + 60, every_s=every_s, ahead_s=lambda at_s: sign * at_s / HOUR_S), watch)
    assert abs(first_flagged(said) - crosses) < 20
    (gap,) = [gap for one in said for gap in one.gaps][:1]
    assert f"drifting {sign:+.1f} s an hour" in gap.note
    assert watch.estimates()[LINE].drift_s_per_h == pytest.approx(sign, abs=0.01)


def test_drift_is_told_from_jitter_after_a_few_hours() -> None:
    watch = ClockWatch(LIMIT_S)
    heard(sending(5 * 360, every_s=10.0, ahead_s=lambda at_s: at_s / HOUR_S, jitter_s=2.0), watch)
    assert watch.estimates()[LINE].drift_s_per_h == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every_s", [0.01, 1.0, 30.0])
def test_jitter_of_two_seconds_is_no_fault(every_s: float, seed: int) -> None:
    watch = ClockWatch(LIMIT_S)
    said = heard(sending(1000, every_s=every_s, jitter_s=2.0, seed=seed), watch)
    assert not any(one.flagged or one.gaps or one.is_wrong for one in said)
    assert abs(watch.estimates()[LINE].offset_s) < 4.0


def backlog(outage_s: float, *, speed: float, every_s: float = 1.0, jitter_s: float = 0.0) -> list[Sent]:
    """An outage after a minute: what was made meanwhile comes `speed` times as fast, then what is live."""
    whole = list(sending(round((60 + 3 * outage_s) / every_s), every_s=every_s, jitter_s=jitter_s))
    back_s = T0_S + 60 + outage_s
    arrived = []
    for message in whole:
        made_s = message.received_s - T0_S - 60
        late_s = back_s + made_s / speed
        arrived.append(message._replace(received_s=max(message.received_s, late_s)) if made_s > 0 else message)
    return arrived


@pytest.mark.parametrize("jitter_s", [0.0, 2.0])
@pytest.mark.parametrize("every_s", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("speed", [2.0, 10.0, 100_000.0])
@pytest.mark.parametrize("outage_s", [300.0, 3600.0])
def test_what_a_gateway_kept_through_an_outage_is_late_and_no_fault(
    outage_s: float, speed: float, every_s: float, jitter_s: float
) -> None:
    """No flag of history, and nobody says that a backlog comes in: only the delay, which falls, tells."""
    messages = backlog(min(outage_s, 600.0 * every_s), speed=speed, every_s=every_s, jitter_s=jitter_s)
    said = heard(messages, ClockWatch(LIMIT_S))
    assert not any(one.gaps or one.is_wrong for one in said)


@pytest.mark.parametrize("at_once", [20, 100], ids=["20 sensors", "100 sensors"])
def test_a_backlog_of_many_sensors_read_at_the_same_instant_is_no_fault(at_once: int) -> None:
    live = list(sending(20))
    kept = [
        Sent(T0_S + 700 + (i * at_once + sensor) * 0.01, T0_S + 30 + 10 * i)
        for i in range(60)
        for sensor in range(at_once)
    ]
    said = heard([*live, *kept], ClockWatch(LIMIT_S))
    assert not any(one.gaps or one.is_wrong for one in said)


def test_a_live_lane_beside_a_backlog_is_no_fault() -> None:
    lanes = []
    for i in range(600):
        lanes.append(Sent(T0_S + 4000 + i, T0_S + 4000 + i - 0.02))
        lanes += [Sent(T0_S + 4000.1 + i + j / 10, T0_S + 3990 - 3 * i - j) for j in range(3)]  # newest first
    assert not any(one.gaps or one.is_wrong for one in heard(lanes, ClockWatch(LIMIT_S)))


def test_what_the_broker_kept_is_late_and_no_fault() -> None:
    """The source says so: not settled. Even messages that all stay late are not believed."""
    messages = list(sending(400, ahead_s=lambda _: -900.0))
    said = heard(messages, ClockWatch(LIMIT_S), settled=lambda _: False)
    assert not any(one.gaps or one.is_wrong for one in said)


def test_who_is_ahead_is_flagged_though_a_backlog_comes_in() -> None:
    """Nothing arrives before it was sent."""
    said = heard(sending(20, ahead_s=lambda _: 90.0), ClockWatch(LIMIT_S), settled=lambda _: False)
    assert said[-1].is_wrong


def test_history_that_says_so_is_no_fault_however_old() -> None:
    late = [Sent(T0_S + i, T0_S - 40 * DAY_S + i, Quality.HISTORICAL) for i in range(100)]
    said = heard(late, ClockWatch(LIMIT_S))
    assert not any(one.flagged or one.gaps or one.is_wrong for one in said)


def test_messages_stamped_at_receipt_say_nothing_about_a_clock() -> None:
    watch = ClockWatch(LIMIT_S)
    mixed = [one for sent in sending(40, ahead_s=lambda _: -600.0) for one in (sent, *stamped(sent))]
    assert heard(mixed, watch)[-1].is_wrong


def stamped(sent: Sent) -> list[Sent]:
    return [Sent(sent.received_s + i / 100, sent.received_s + i / 100) for i in (1, 2, 3)]


@pytest.mark.parametrize("ahead_s", WRONG.values(), ids=WRONG)
def test_a_clock_set_right_is_right_within_twenty_messages(ahead_s: Callable[[float], float]) -> None:
    until_s = GOOD_FOR_S + 400.0
    watch = ClockWatch(LIMIT_S)
    said = heard(sending(540, ahead_s=lambda at_s: ahead_s(at_s) if at_s < until_s else 0.0, jitter_s=2.0), watch)
    assert said[499].is_wrong
    assert not said[520].is_wrong
    assert not said[-1].flagged
    booked = [gap for one in said for gap in one.gaps if not gap.missing]
    assert booked[-1].to_ns == pytest.approx((T0_S + until_s) * NS_PER_S, abs=20 * NS_PER_S)
    assert len(booked) < 12, "once a minute while it lasts, not once a message"


def test_an_offset_that_changes_is_told_anew() -> None:
    watch = ClockWatch(LIMIT_S)
    said = heard(sending(200, ahead_s=lambda at_s: -600.0 if at_s < 100 else -HOUR_S), watch)
    notes = list(dict.fromkeys(gap.note.split(" the site's")[0] for one in said for gap in one.gaps))
    assert notes == ["its clock is 10 min behind", "its clock is 60 min behind"]


def test_a_clock_that_stands_still_is_flagged_in_the_end() -> None:
    said = heard(sending(1000, ahead_s=lambda at_s: -at_s), ClockWatch(LIMIT_S))
    assert said[-1].is_wrong


def test_the_limit_is_the_sites_to_choose() -> None:
    messages = list(sending(40, ahead_s=lambda _: -90.0))
    assert heard(messages, ClockWatch(60.0))[-1].is_wrong
    assert not heard(messages, ClockWatch(120.0))[-1].is_wrong


def test_a_reading_is_flagged_and_kept_as_it_is() -> None:
    given_ = read_of(Sent(T0_S, T0_S), Sent(T0_S, T0_S + 301.5), Sent(T0_S, T0_S - DAY_S - 0.5))
    judged = ClockWatch(LIMIT_S).judge(LINE, given_, is_settled=True, place_of=cell)
    flagged = [Quality.GOOD, Quality.GOOD, Quality.CLOCK, Quality.CLOCK, Quality.CLOCK, Quality.CLOCK]
    flagged[2] = Quality.CLOCK  # its first reading is 300.5 s ahead
    assert judged.batch.quality.tolist() == flagged
    assert judged.flagged == 4
    for before, after in zip(given_.columns[:3], judged.batch.columns[:3], strict=True):
        assert np.array_equal(before, after)
    assert {(gap.asset, gap.shard, gap.cell, gap.missing) for gap in judged.gaps} == {
        ("site/line/cell_0", LINE, "cell_0", 1),
        ("site/line/cell_1", LINE, "cell_1", 1),
    }
    assert judged.latest_ns == round(T0_S * NS_PER_S)


def cell(number: int) -> Equipment:
    return Equipment("e", "site", line="line", cell=f"cell_{number}")


def test_flagged_readings_that_come_one_by_one_are_one_gap_without_holes() -> None:
    """The detectors are told where they miss something, so between two flagged readings there must be no hole."""
    watch = ClockWatch(LIMIT_S)
    told = []
    for message in sending(20, ahead_s=lambda _: YEAR_S):
        told += watch.judge(LINE, read_of(message), is_settled=True, place_of=cell).gaps
    own = [gap for gap in told if gap.cell == "cell_0"]
    assert all(before.to_ns == after.from_ns for before, after in pairwise(own))
    assert sum(gap.missing for gap in own) == 20


def test_nothing_right_moves_no_clock() -> None:
    judged = ClockWatch(LIMIT_S).judge(LINE, read_of(Sent(T0_S, T0_S + YEAR_S)), is_settled=True)
    assert judged.latest_ns is None


def test_of_a_recording_nothing_is_flagged_but_what_no_clock_says() -> None:
    """A capture of 2024 received years later, at once; one device of it had never been told the time."""
    watch = watch_for(MessageClock(), LIMIT_S)
    capture = [Sent(T0_S + i / 1000, T0_S - 2 * YEAR_S + 60 * i) for i in range(500)]
    said = heard([*capture, Sent(T0_S + 1, 5.0)], watch)
    assert [one.flagged for one in said] == [0] * 500 + [2]
    assert not any(one.gaps for one in said[:-1])


def test_a_published_plant_says_nothing_about_clocks_but_flags_what_cannot_be() -> None:
    watch = watch_for(PlantClock(), LIMIT_S)
    said = heard([*sending(100, ahead_s=lambda _: -200.0), Sent(T0_S, T0_S + YEAR_S)], watch)
    assert [one.flagged for one in said] == [0] * 100 + [2]
    assert watch.estimates() == {}


def test_a_live_site_is_watched() -> None:
    assert heard(sending(30, ahead_s=lambda _: -200.0), watch_for(WallClock(), LIMIT_S))[-1].is_wrong


def test_the_gauges_name_the_gateway() -> None:
    watch = ClockWatch(LIMIT_S)
    heard(sending(30, ahead_s=lambda _: 90.0), watch)
    assert watch.gauges() == {f"clock_offset_ms/{LINE}": 89_980, "clocks_wrong": 1}


def test_when_all_gateways_are_off_alike_it_is_this_machine() -> None:
    watch = ClockWatch(LIMIT_S)
    for i, ahead_s in enumerate((-HOUR_S, -HOUR_S - 2, -HOUR_S + 1, 0.0)):
        for message in sending(40, ahead_s=lambda _, off=ahead_s: off):  # type: ignore[misc]
            watch.judge(f"site/line_{i}", read_of(message), is_settled=True)
        assert watch.own_clock_is_off() is (i >= 2)


@given(rows(min_size=1), st.booleans())
def test_any_instants_at_all_are_judged_and_none_is_lost(given_rows: list[Row], is_settled: bool) -> None:
    given_ = batch(*given_rows)
    watch = ClockWatch(LIMIT_S)
    for _ in range(3):
        judged = watch.judge(LINE, given_, is_settled=is_settled)
        assert judged.flagged <= len(judged.batch) == len(given_)
        assert np.array_equal(judged.batch.at_ns, given_.at_ns)


@pytest.mark.parametrize("group", [2, 7, 16, 40])
def test_how_messages_are_cut_into_deliveries_changes_no_verdict(group: int) -> None:
    messages = list(sending(160, ahead_s=stepping(-600.0)))
    watch = ClockWatch(LIMIT_S)
    for at in range(0, len(messages), group):
        watch.judge(LINE, read_of(*messages[at : at + group]), is_settled=True)
    whole = ClockWatch(LIMIT_S)
    heard(messages, whole)
    assert watch.estimates()[LINE].is_wrong
    assert watch.estimates()[LINE].offset_s == pytest.approx(whole.estimates()[LINE].offset_s)


def first_flagged(said: list[Heard]) -> int:
    """The message at which a clock was first said to be wrong, by a reading's flag or by the gateway's entry."""
    return next(i for i, one in enumerate(said) if one.flagged or one.is_wrong)
