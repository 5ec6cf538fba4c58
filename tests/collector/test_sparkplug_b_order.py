"""Sparkplug B in order (R7): what overtakes waits, every missing number is booked, nobody is asked twice in 5 s."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clocks.clock import WallClock
from collector.decoder import Decoder
from collector.formats.limits import Limits
from collector.formats.sparkplug_b.payload import Datatype, Metric, decode, encode
from collector.readings import NS_PER_S
from collector.sources.source import Message
from collector.spool.ledger import Cause
from collector.topics import TopicTemplate
from tests.collector.sparkplug_nodes import Heard, Node, new_format, ns
from tests.collector.test_sparkplug_b_session import as_message, captured

NODE_PAUSE_NS = 5 * NS_PER_S


def shaken(messages: Sequence[Message], within_s: float, seed: int) -> list[Message]:
    """The same messages, each up to `within_s` late on its way, received when they arrive. The first is in time: of
    what went before the first that is heard nobody can know whether it was lost."""
    chance = random.Random(seed)
    late = [one.received_ns + int(chance.random() * within_s * NS_PER_S) for one in messages]
    late[0] = messages[0].received_ns
    pairs = sorted(zip(late, messages, strict=True), key=lambda pair: pair[0])
    return [message._replace(received_ns=arrived_ns) for arrived_ns, message in pairs]


def complete(messages: Sequence[Message]) -> list[Message]:
    """The capture as it would be had nothing been lost: each edge node's numbers without a hole."""
    counters: dict[str, int] = {}
    told = []
    for message in messages:
        payload = decode(message.payload)
        node = message.topic.split("/")[3]
        counters[node] = (counters.get(node, 41) + 1) % 256
        told.append(message._replace(payload=encode(payload._replace(seq=counters[node]))))
    return told


@pytest.mark.parametrize("seed", range(5))
def test_r7_every_missing_number_of_the_capture_is_booked_even_when_it_arrives_out_of_order(seed: int) -> None:
    heard = Heard(new_format(rebirth=True)).hear(shaken([as_message(row) for row in captured()], 2.0, seed))
    heard.wait(ns(10**8))
    readings = sum(int(row["metric_count"]) for row in captured())
    assert (heard.missing, len(heard.readings)) == (16, readings)
    assert {gap.cause for gap in heard.gaps} == {Cause.SEQ_GAP}


def test_r7_no_edge_node_is_asked_for_its_birth_twice_in_5_s() -> None:
    heard = Heard(new_format(rebirth=True)).hear(as_message(row) for row in captured())
    asked: dict[str, list[int]] = {}
    for at_ns, saying in heard.says:
        asked.setdefault(saying.topic, []).append(at_ns)
    assert len(asked["spBv1.0/org_A/NCMD/702"]) >= 5, "no birth ever comes, so it is asked again"
    pauses = [later - earlier for times in asked.values() for earlier, later in pairwise(times)]
    assert min(pauses) >= NODE_PAUSE_NS


@pytest.mark.parametrize("seed", range(5))
def test_r7_reordering_inside_2_s_is_no_gap_and_asks_for_nothing(seed: int) -> None:
    rows = [row for row in captured() if row["payload_timestamp"] and "/702/" in row["topic"]]
    birth, _ = Node("702").born(0)  # without one, that would be a reason to ask
    birth = Message("spBv1.0/org_A/NBIRTH/702", encode(decode(birth.payload)._replace(seq=41)), ns(0))
    messages = complete([as_message(row) for row in rows])
    heard = Heard(new_format(rebirth=True)).hear([birth, *shaken(messages, 2.0, seed)])
    assert (heard.gaps, heard.says, heard.bad, heard.dead) == ([], [], [], [])
    assert heard.form.gauges()["sparkplug_messages_held"] == 0


def test_what_overtakes_waits_and_comes_in_order_with_its_own_time_of_receipt() -> None:
    node, heard = Node(), Heard(new_format())
    births = node.born(0)
    one, two, three = (node.data(at_s, value) for at_s, value in ((1, 1.0), (1.1, 2.0), (1.2, 3.0)))
    heard.hear([*births, two._replace(received_ns=ns(1.0)), three, one._replace(received_ns=ns(2))])
    assert heard.values() == [0.0, 1.0, 2.0, 3.0]
    assert heard.received_ns[2::2] == [ns(2), ns(1), ns(1.2)]
    assert heard.gaps == []


def test_a_gap_is_booked_when_the_window_has_passed_although_nothing_arrives() -> None:
    node, heard = Node(), Heard(new_format(reorder_s=3))
    heard.hear([*node.born(0), node.data(1)])
    node.lost(2)
    heard.hear([node.data(2, 7.0)])
    assert (heard.values()[-1], heard.gaps) == (1.0, [])
    heard.wait(ns(4.9))
    assert heard.gaps == []
    heard.wait(ns(5.0))
    (gap,) = heard.gaps
    assert (gap.missing, gap.from_ns, gap.to_ns, gap.note) == (2, ns(1), ns(2), "seq 3 was due, 5 came")
    assert heard.values()[-1] == 7.0


def test_what_comes_after_its_gap_was_booked_is_read_and_taken_back_once() -> None:
    node, heard = Node(), Heard(new_format(reorder_s=1))
    heard.hear(node.born(0))
    late = node.data(1, 5.0)._replace(received_ns=ns(9))
    heard.hear([node.data(2), node.data(4), late, node.data(10), node.data(11)])
    assert [gap.missing for gap in heard.gaps] == [1, -1]
    assert heard.values() == [0.0, 1.0, 1.0, 5.0, 1.0, 1.0]


def test_a_birth_that_was_overtaken_by_its_own_devices_is_no_gap() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear([*node.born(0), node.data(1), node.data(2)])
    nbirth, dbirth = node.born(3)
    first = node.data(3.5, 9.0)
    heard.hear([dbirth, first, nbirth._replace(received_ns=ns(3.6)), node.data(4, 10.0)])
    assert (heard.gaps, heard.bad) == ([], [])
    assert heard.values()[-3:] == [0.0, 9.0, 10.0]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.floats(0, 2.9), min_size=9, max_size=9),
    st.sampled_from(["never heard", "dead", "joined midway", "born again"]),
    st.integers(0, 9),
)
def test_a_life_gives_the_same_readings_in_whatever_order_its_messages_arrive_within_the_window(
    late_s: list[float], before: str, restart: int
) -> None:
    """NBIRTH, the DBIRTHs of two devices and their data, sent 10 ms apart; the collector starts again somewhere."""
    press, oven = Node(device="press"), Node(device="oven")
    earlier = [*press.born(0), *(press.data(1 + i / 10) for i in range(20))]
    if before == "joined midway":
        press.seq = 60
        earlier = [press.data(at_s) for at_s in (0, 0.1, 4)]
    earlier = [] if before == "never heard" else [*earlier, *([press.died(5)] if before == "dead" else [])]
    life = [*press.born(10)]
    oven.seq = press.seq
    oven_metrics = [Metric(0.5, f"m{i}", i + 50, ns(10) // 1_000_000, Datatype.DOUBLE) for i in range(2)]
    life.append(oven.device_born(10.02, *oven_metrics))
    press.seq = oven.seq
    life += [press.data(10.03 + i / 100, float(i)) for i in range(6)]
    arrivals = sorted(
        (
            one._replace(received_ns=one.received_ns + int(by_s * NS_PER_S))
            for one, by_s in zip(life, late_s, strict=True)
        ),
        key=lambda one: one.received_ns,
    )

    def told(messages: Sequence[Message], restart_at: int) -> Heard:
        heard = Heard(new_format()).hear(earlier)
        heard.wait(ns(9))
        heard.gaps.clear()
        heard.bad.clear()
        heard.dead.clear()
        for i, message in enumerate(messages):
            if i == restart_at:
                heard.form, kept = new_format(), heard.form.snapshot()
                heard.form.restore(kept)
            heard.hear([message])
        heard.wait(ns(20))
        return heard

    in_order, shuffled = told(life, -1), told(arrivals, restart)
    assert shuffled.readings == in_order.readings
    assert [gap for gap in shuffled.gaps if gap.missing] == []
    assert (shuffled.bad, shuffled.dead) == ([], [])


def test_who_joins_midway_hears_all_after_the_window_at_the_latest_and_books_no_gap_before_it() -> None:
    node, heard = Node(), Heard(new_format(reorder_s=3))
    node.born(0)
    node.seq = 254
    messages = [_named(node.data(i / 10, float(i))) for i in range(5)]
    one, two, three, four, five = messages
    heard.hear([two._replace(received_ns=ns(0)), one, four, three])
    heard.wait(ns(2.9))
    assert heard.values() == []
    heard.wait(ns(3))
    assert heard.values() == [0.0, 1.0, 2.0, 3.0]
    heard.hear([five])
    assert (heard.values()[4:], heard.gaps, heard.bad, heard.dead) == ([4.0], [], [], [])


def test_a_device_that_was_born_without_its_node_is_heard_after_the_window() -> None:
    node, heard = Node(), Heard(new_format(reorder_s=3))
    _, dbirth = node.born(0)
    heard.hear([dbirth, node.data(1, 5.0)])
    heard.wait(ns(3))
    assert heard.values() == [0.0, 5.0]
    assert (heard.gaps, heard.bad, heard.dead) == ([], [], [])


def test_what_seems_of_a_next_birth_that_never_comes_is_read_as_late() -> None:
    """Its clock was set back meanwhile: what comes late says a later time than what was heard last."""
    node, heard = Node(), Heard(new_format(reorder_s=1))
    heard.hear(node.born(0))
    late = node.data(9, 5.0)
    heard.hear([node.data(2), node.data(4), late, node.data(9.5, 6.0)])
    heard.wait(ns(10.5))
    assert [gap.missing for gap in heard.gaps] == [1, -1]
    assert sorted(heard.values()) == [0.0, 1.0, 1.0, 5.0, 6.0]


def _named(message: Message) -> Message:
    """The same by name: what a host that saw no birth can read."""
    payload = decode(message.payload)
    metrics = tuple(
        one._replace(name=f"m{i}", alias=None, datatype=Datatype.DOUBLE) for i, one in enumerate(payload.metrics)
    )
    return message._replace(payload=encode(payload._replace(metrics=metrics)))


def test_a_message_that_waited_and_cannot_be_read_is_a_dead_letter() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear(node.born(0))
    late, stranger = node.data(1), node.data(1)
    unknown = decode(stranger.payload)
    unknown = unknown._replace(metrics=(unknown.metrics[0]._replace(alias=99, datatype=Datatype.DOUBLE),))
    heard.hear([stranger._replace(payload=encode(unknown)), late])
    (letter,) = heard.dead
    assert (letter.topic, letter.received_ns) == (stranger.topic, stranger.received_ns)
    assert "alias 99 of g/n/d is unknown" in letter.reason


def test_a_restart_loses_nothing_that_waits() -> None:
    node, heard = Node(), Heard(new_format())
    births = node.born(0)
    one, two, three = node.data(1, 1.0), node.data(1.5, 2.0), node.data(2, 3.0)
    heard.hear([*births, three, two])
    heard.form, before = new_format(), heard.form.snapshot()
    heard.form.restore(before)
    heard.hear([one._replace(received_ns=ns(2.5))])
    assert heard.values() == [0.0, 1.0, 2.0, 3.0]
    assert heard.gaps == []


def test_more_than_can_wait_ends_the_wait() -> None:
    node, heard = Node(), Heard(new_format(reorder_s=5))
    heard.hear(node.born(0))
    node.lost()
    heard.hear(node.data(1 + i / 1000) for i in range(220))
    assert heard.missing == 1
    assert len(heard.values()) == 221


def test_without_a_window_a_gap_is_booked_at_once() -> None:
    node, heard = Node(), Heard(new_format(reorder_s=0))
    heard.hear(node.born(0))
    node.lost()
    heard.hear([node.data(1)], on_time=False)
    assert (heard.missing, heard.values()) == (1, [0.0, 1.0])


def test_a_clock_set_back_holds_nothing_up() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear(node.born(0))
    node.lost()
    heard.hear([node.data(100)], on_time=False)
    heard.wait(ns(-3600))
    assert (heard.missing, heard.values()) == (1, [0.0, 1.0])


@pytest.mark.parametrize("reorder_s", [-1, 5.1])
def test_a_window_outside_0_to_5_s_is_refused(reorder_s: float) -> None:
    with pytest.raises(msgspec.ValidationError, match="reorder_s"):
        new_format(reorder_s=reorder_s)


def test_what_limits_a_message_does_not_limit_all_that_waited_for_it() -> None:
    node, late = Node(metrics=900), Node(metrics=900)
    decoder = Decoder([(TopicTemplate("spBv1.0/#"), new_format())], WallClock(), limits=Limits(max_values=5_000))
    births, late.seq = node.born(0), 2
    node.lost()
    early = [node.data(1 + i / 20) for i in range(10)]
    decoder.decode([*births, *early])
    intake = decoder.decode([late.data(1.9)])
    assert (len(intake), intake.dead) == (11 * 900, [])
    assert len(decoder.decode([node.died(3)])) == 900
