"""Births and deaths of Sparkplug B (R9): only the present birth's death counts, and then nothing is known any more."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.formats.sparkplug_b.edge_node import EdgeNode
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode
from collector.readings import Quality, Reading
from collector.sources.source import Message
from tests.collector.sparkplug_nodes import START_S, Heard, Node, new_format, ns

KINDS = ("data", "lost", "late death", "death", "device death", "rebirth")
EVENTS = st.lists(st.sampled_from(KINDS), max_size=40)


def stale(readings: list[Reading]) -> list[Reading]:
    return [one for one in readings if one.quality == Quality.STALE]


class Lived(NamedTuple):
    """How often something came that a host may take wrong."""

    late_deaths: int
    true_deaths: int


def lived(events: Sequence[str], chance: random.Random, reorder_s: float) -> Lived:
    """Connections follow each other; deaths of earlier ones (an older bdSeq) come at any time in between.

    Raises AssertionError where a late death is heeded, or a true one is not told of every live metric at once.
    """
    node, heard, at_s = Node(), Heard(new_format(reorder_s=reorder_s)), 0.0
    heard.hear(node.born(at_s))
    online = is_born = True
    late = true = 0
    for event in events:
        at_s += 1.0
        told = len(stale(heard.readings))
        wanted = 0
        if event == "lost":
            node.lost()
        elif event == "data":
            heard.hear([node.data(at_s)])
        elif event == "rebirth":
            heard.hear(node.born(at_s))
            online = is_born = True
        elif event == "late death" and node.bd_seq:
            heard.hear([node.died(at_s, bd_seq=node.bd_seq - 1 - chance.randrange(node.bd_seq))])
            late += online
        elif event == "death":
            heard.hear([node.died(at_s)])
            wanted = node.metrics if online and is_born else 0
            true += wanted > 0
            online = is_born = False
        elif event == "device death":
            heard.hear([node.device_died(at_s)])
            heard.wait(ns(at_s + 5))  # it may have to wait for what was lost
            at_s += 5
            wanted = node.metrics if online and is_born else 0
            is_born = False
        assert len(stale(heard.readings)) - told == wanted, event
    assert heard.form.gauges()["sparkplug_late_deaths"] == late
    return Lived(late, true)


@settings(deadline=None, max_examples=200)
@given(EVENTS, st.randoms(use_true_random=False), st.floats(0, 5))
def test_r9_whatever_the_order_every_late_death_is_ignored_and_every_true_one_is_told(
    events: list[str], chance: random.Random, reorder_s: float
) -> None:
    lived(events, chance, reorder_s)


def by_chance(seed: int) -> Lived:
    chance = random.Random(seed)
    return lived(chance.choices(KINDS, k=40), chance, chance.uniform(0, 5))


def test_r9_random_lives_hold_late_deaths_and_true_ones() -> None:
    lives = [by_chance(seed) for seed in range(30)]
    assert sum(one.late_deaths for one in lives) > 50
    assert sum(one.true_deaths for one in lives) > 50


@pytest.mark.parametrize("ends", [True, False], ids=["every death", "no death"])
def test_r9_a_host_that_heeds_every_death_or_none_is_found_out(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lives = {seed: by_chance(seed) for seed in range(20)}
    telling = [seed for seed, one in lives.items() if (one.late_deaths if ends else one.true_deaths)]
    assert len(telling) > 10
    monkeypatch.setattr(EdgeNode, "is_ended_by", lambda *_: ends)
    for seed in telling:
        with pytest.raises(AssertionError):
            by_chance(seed)


def test_r9_a_true_death_makes_every_live_metric_stale_with_the_message_that_tells_it() -> None:
    node, heard = Node(metrics=3), Heard(new_format())
    heard.hear([*node.born(0), node.data(1), node.died(7)], on_time=False)
    told = stale(heard.readings)
    assert [(one.series.name, one.at_ns) for one in told] == [(f"g/n/d:m{i}", ns(7)) for i in range(3)]
    assert all(math.isnan(one.value) for one in told)


def test_a_death_is_told_once() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear([*node.born(0), node.died(1), node.died(2)])
    assert (len(stale(heard.readings)), len(heard.gaps)) == (2, 1)


def test_a_dead_device_is_not_told_again_when_its_node_dies() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear([*node.born(0), node.device_died(1), node.died(2)])
    assert [one.at_ns for one in stale(heard.readings)] == [ns(1), ns(1)]


def test_a_device_dies_at_the_time_its_edge_node_says_where_a_clock_can_say_that() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear([*node.born(0), node.device_died(1)._replace(received_ns=ns(1.5))])
    assert {one.at_ns for one in stale(heard.readings)} == {heard.gaps[0].from_ns} == {ns(1)}
    heard = Heard(new_format())
    heard.hear([*node.born(0), node.device_died(-START_S)._replace(received_ns=ns(1.5))])
    assert {one.at_ns for one in stale(heard.readings)} == {ns(1.5)}


def test_what_waits_is_read_before_the_death_it_came_ahead_of() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear(node.born(0))
    node.lost()
    heard.hear([node.data(1, 8.0), node.died(2)])
    assert (heard.missing, heard.values()[:2]) == (1, [0.0, 8.0])
    assert heard.readings[-1].quality == Quality.STALE


def test_a_death_that_does_not_say_whose_is_refused_while_a_birth_lives() -> None:
    node, heard = Node(), Heard(new_format())
    heard.hear([*node.born(0), Message("spBv1.0/g/NDEATH/n", b"", ns(1))])
    assert heard.bad == [
        "topic spBv1.0/g/NDEATH/n: the death of edge node g/n has no bdSeq: have its will carry the birth's"
    ]
    assert stale(heard.readings) == []


def test_a_bd_seq_of_0_that_a_writer_left_out_is_that_0() -> None:
    node, heard = Node(), Heard(new_format())
    left_out = encode(Payload(0, None, (Metric(0, "bdSeq", datatype=Datatype.INT64),))).removesuffix(b"\x58\x00")
    left_out = left_out[:3] + bytes([left_out[3] - 2]) + left_out[4:]
    heard.hear([*node.born(0), Message("spBv1.0/g/NDEATH/n", left_out, ns(1))])
    assert (heard.bad, len(stale(heard.readings))) == ([], 2)


def test_a_birth_that_declares_an_alias_twice_is_refused_and_its_numbers_are_kept() -> None:
    heard = Heard(new_format())
    stamp_ms = ns(0) // 1_000_000
    twice = tuple(Metric(1.0, name, 4, stamp_ms, Datatype.DOUBLE) for name in ("a", "b"))
    by_alias = Payload(stamp_ms, 2, (Metric(1.0, "", 4, None, Datatype.DOUBLE),))
    heard.hear(
        [
            Node().born(0)[0],
            Message("spBv1.0/g/DBIRTH/n/d", encode(Payload(stamp_ms, 1, twice)), ns(0)),
            Message("spBv1.0/g/DDATA/n/d", encode(by_alias), ns(1)),
        ]
    )
    assert "declares alias 4 twice, for 'a' and 'b'" in heard.bad[0]
    assert "alias 4 of g/n/d is unknown" in heard.bad[1]
    assert heard.gaps == []


def test_an_alias_belongs_to_one_metric_of_all_devices_of_an_edge_node_until_that_is_born_again() -> None:
    """Another edge node has its own."""
    one, other = Node(), Node(device="e")
    heard = Heard(new_format()).hear([*one.born(0), *Node("o").born(0)])
    other.seq = one.seq
    level = Metric(0.0, "x", 2, ns(1) // 1_000_000, Datatype.DOUBLE)
    heard.hear([other.device_born(1, level)])
    assert heard.bad == [
        "topic spBv1.0/g/DBIRTH/n/e: the birth of g/n/e declares alias 2 for 'x', which is 'm1' of d, so nothing sent "
        "by it could be told apart: mend the edge node's configuration"
    ]
    heard.hear([one.born(2)[0]])  # the node alone: its devices are not yet
    other.seq = 1
    heard.hear([other.device_born(2, level)])
    assert (len(heard.bad), heard.values("x")) == (1, [0.0])


def test_a_memory_of_before_units_were_kept_is_taken_up_as_it_is() -> None:
    node, form = Node(), new_format()
    Heard(form).hear(node.born(0))
    parts = form.parts()
    for name in [one for one in parts if one.startswith("table ")]:
        table = msgspec.msgpack.decode(parts[name])
        del table["units"]
        for known in table["by_alias"].values():
            del known["unit"]
        parts[name] = msgspec.msgpack.encode(table)
    after = new_format()
    after.restore_parts(parts)
    heard = Heard(after).hear([node.data(1), node.died(2)])
    assert (heard.bad, [one.series.unit for one in heard.readings]) == ([], ["1"] * 4)


@pytest.mark.parametrize("unit", ["°C", "N.m"])
def test_a_death_is_told_of_all_whose_values_were_taken(unit: str) -> None:
    """A metric whose unit is refused has no series, and keeps no other from becoming stale."""
    node, heard = Node(), Heard(new_format())
    stamp_ms = ns(0) // 1_000_000
    metrics = [
        Metric(1.0, "T", 8, stamp_ms, Datatype.DOUBLE, unit=unit),
        Metric(1.0, "m", 9, stamp_ms, Datatype.DOUBLE),
    ]
    birth = node.born(0)[0]
    node.seq = 1
    heard.hear([birth, node.device_born(0, *metrics), node.died(1)])
    refused = unit == "°C"
    assert len(heard.bad) == refused
    assert [one.series.metric for one in stale(heard.readings)] == (["m"] if refused else ["T", "m"])


def test_what_has_no_number_is_skipped_counted_and_costs_no_number() -> None:
    """A data set, a file's bytes, a template: fields 17, 16 and 18 of a metric, which our schema leaves out."""
    node, heard = Node(), Heard(new_format())
    heard.hear(node.born(0))
    message = node.data(1, 2.0)
    others = (b"\x0a\x01D\x8a\x01\x02\x08\x01", b"\x0a\x01F\x82\x01\x01\x00", b"\x0a\x01T\x92\x01\x00")
    more = b"".join(b"\x12" + bytes([len(one)]) + one for one in others)
    heard.hear([message._replace(payload=message.payload + more), node.data(2, 3.0)])
    assert (heard.values(), heard.gaps, heard.bad) == ([0.0, 2.0, 3.0], [], [])
    assert heard.form.gauges()["sparkplug_metrics_skipped"] == 3


def test_history_moves_no_live_value() -> None:
    heard = Heard(new_format())
    past = Metric(5.0, "m", None, ns(-3600) // 1_000_000, Datatype.DOUBLE, is_historical=True)
    heard.hear([Message("spBv1.0/g/DDATA/n/d", encode(Payload(ns(0) // 1_000_000, 1, (past,))), ns(0))])
    heard.wait(ns(3))
    (reading,) = heard.readings
    assert reading.quality == Quality.GOOD | Quality.HISTORICAL


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("spBv1.0/g/NGREETING/n", "'NGREETING' is no message type of spBv1.0"),
        ("spBv1.0/g/DREQ/n/d", "'DREQ' is no message type"),
        ("spBv1.0/g/NDATA/n/d", "no Sparkplug B topic"),
        ("spBv1.0/g/DDATA/n", "no Sparkplug B topic"),
        ("spBv1.0/g/DDATA/n/d/e", "no Sparkplug B topic"),
        ("spBv1.0/g/DDATA/n/+", "no Sparkplug B topic"),
        ("spBv1.0//NDATA/n", "no Sparkplug B topic"),
        ("spBv2.0/g/NDATA/n", "no Sparkplug B topic"),
    ],
)
def test_what_is_no_message_of_this_version_is_kept_as_a_dead_letter(topic: str, says: str) -> None:
    heard = Heard(new_format()).hear([Message(topic, encode(Payload(1, 1)), ns(0))])
    assert says in heard.bad[0]


def test_500_edge_nodes_of_50_metrics_write_little_with_each_message() -> None:
    """Their tables are some 700 kB; a message rewrites the numbers of 16 edge nodes, nothing else."""
    nodes = [Node(f"n{i}", metrics=50) for i in range(500)]
    heard = Heard(new_format())
    for node in nodes:
        heard.hear(node.born(0))
    before = heard.form.parts()
    heard.hear([nodes[250].data(1)])
    after = heard.form.parts()
    written = [body for name, body in after.items() if body is not before.get(name)]
    assert sum(map(len, before.values())) > 300_000
    assert len(written) == 1
    assert len(written[0]) < 1_000
    again = new_format()
    again.restore_parts(after)
    assert again.parts() == after
    assert msgspec.msgpack.decode(again.snapshot(), type=dict[str, bytes]) == after


def unborn(seq: int, at_s: float, stamp_ms: int) -> Message:
    """Data of an edge node whose birth was never heard."""
    metric = Metric(1.0, "x", datatype=Datatype.DOUBLE)
    return Message("spBv1.0/g/NDATA/n", encode(Payload(stamp_ms, seq, (metric,))), ns(at_s))


def test_a_timestamp_at_the_end_of_time_and_a_gap_stop_no_memory() -> None:
    heard = Heard(new_format())
    for i, seq in enumerate((0, 1, 5, 6)):
        heard.hear([unborn(seq, i * 60.0, 2**64 - 1)])
    assert sum(gap.missing for gap in heard.gaps) == 3
    again = new_format()
    again.restore_parts(heard.form.parts())
    assert again.parts() == heard.form.parts()


def test_numbers_that_go_to_and_fro_without_a_birth_take_no_more_memory() -> None:
    heard, sizes = Heard(new_format()), set()
    for i in range(60):
        heard.hear([unborn((5, 4)[i % 2], i * 60.0, ns(i * 60.0) // 1_000_000)])
        if i >= 20:
            sizes.add(sum(map(len, heard.form.parts().values())) // 64)
    assert len(sizes) == 1
