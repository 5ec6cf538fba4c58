"""A device that alone is in doubt is asked for its birth itself, where it takes that and the site lets it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, decode, encode
from collector.readings import NS_PER_S
from collector.sources.source import Message
from tests.collector.sparkplug_nodes import REBIRTH_CONTROL, Heard, Node, new_format, ns

DEVICE, NODE = "spBv1.0/g/DCMD/n/d", "spBv1.0/g/NCMD/n"
ALLOWED: dict[str, Any] = {"rebirth": True, "device_rebirth": True}


def born(**options: Any) -> tuple[Node, Heard]:
    node, heard = Node(takes_rebirth=True), Heard(new_format(**options or ALLOWED))
    heard.hear(node.born(0))
    return node, heard


def stranger(node: Node, at_s: float) -> Message:
    """Data under an alias that no birth declared."""
    return _under(node, at_s, Metric(1.0, "", 99, None, Datatype.DOUBLE))


def named(node: Node, at_s: float) -> Message:
    return _under(node, at_s, Metric(1.0, "m0", None, None, Datatype.DOUBLE))


def _under(node: Node, at_s: float, metric: Metric) -> Message:
    message = node.data(at_s)
    return message._replace(payload=encode(decode(message.payload)._replace(metrics=(metric,))))


def asked(heard: Heard) -> list[str]:
    return [saying.topic for _, saying in heard.says]


def test_a_request_writes_what_the_devices_birth_declared() -> None:
    node, heard = born()
    heard.hear([stranger(node, 1)])
    ((at_ns, (topic, payload, qos, retain)),) = heard.says
    (metric,) = decode(payload).metrics
    assert (topic, qos, retain, decode(payload).seq) == (DEVICE, 0, False, None)
    assert (metric.name, metric.datatype, metric.value) == ("Device Control/Rebirth", Datatype.BOOLEAN, True)
    assert decode(payload).timestamp_ms == metric.timestamp_ms == at_ns // 1_000_000
    assert "write true to `Device Control/Rebirth` of device g/n/d" in heard.bad[0]
    gauges = heard.form.gauges()
    assert (gauges["sparkplug_rebirths_asked"], gauges["sparkplug_rebirths_asked_of_devices"]) == (1, 1)


@pytest.mark.parametrize("speaks", [Node.data, named], ids=["by alias", "by name"])
def test_a_device_that_speaks_after_its_death_is_asked(speaks: Callable[[Node, float], Message]) -> None:
    node, heard = born()
    heard.hear([node.device_died(1), speaks(node, 2)])
    assert asked(heard) == [DEVICE]


def test_what_was_sent_before_a_devices_death_and_comes_after_it_asks_nobody() -> None:
    node, heard = born(**ALLOWED, reorder_s=0)
    late = named(node, 1)._replace(received_ns=ns(3))
    heard.hear([node.device_died(2), late])
    heard.wait(ns(20))
    assert (heard.missing, heard.bad) == (0, [])
    assert asked(heard) == [NODE], "for the gap, which the late one filled"


def test_a_device_whose_birth_could_not_be_taken_is_asked_once_it_speaks() -> None:
    node, heard = born()
    twice = [Metric(1.0, name, 9, ns(1) // 1_000_000, Datatype.DOUBLE) for name in ("a", "b")]
    heard.hear([node.device_born(1, *twice, REBIRTH_CONTROL)])
    assert asked(heard) == []
    heard.hear([node.data(2)])
    assert asked(heard) == [DEVICE]


@pytest.mark.parametrize(
    "control",
    [
        None,
        REBIRTH_CONTROL._replace(datatype=Datatype.INT32, value=0),
        REBIRTH_CONTROL._replace(is_read_only=True),
    ],
    ids=["none", "no truth value", "read only"],
)
def test_a_device_that_takes_no_request_is_not_asked_its_edge_node_is(control: Metric | None) -> None:
    node, heard = Node(), Heard(new_format(**ALLOWED))
    nbirth, _ = node.born(0)
    node.seq = 1
    heard.hear([nbirth, node.device_born(0, *node.declared(0), *([control] if control else []))])
    heard.hear([stranger(node, 1)])
    assert asked(heard) == [NODE]


@pytest.mark.parametrize(("options", "topics"), [({"rebirth": True}, [NODE]), ({"rebirth": False}, [])])
def test_devices_are_asked_only_where_the_site_says_so(options: dict[str, Any], topics: list[str]) -> None:
    node, heard = born(**options)
    heard.hear([stranger(node, 1)])
    assert asked(heard) == topics


@pytest.mark.parametrize("reason", ["a gap", "two devices", "no birth of its edge node"])
def test_where_more_than_one_device_may_be_in_doubt_the_edge_node_is_asked(reason: str) -> None:
    node, heard = born()
    if reason == "a gap":
        node.lost()
        heard.hear([stranger(node, 1)], on_time=False)
    elif reason == "two devices":
        other = Node(device="e", takes_rebirth=True, seq=node.seq)
        heard.hear([other.device_born(0, REBIRTH_CONTROL)])
        heard.hear([stranger(other, 1)], on_time=False)
        node.seq = other.seq
        heard.hear([stranger(node, 1)], on_time=False)
    else:
        heard.hear([node.died(1), stranger(node, 2)], on_time=False)
    heard.wait(ns(6))
    assert asked(heard) == [NODE]


def test_a_device_that_does_not_answer_is_asked_for_by_its_edge_node_5_s_later_and_then_ever_more_seldom() -> None:
    node, heard = born()
    heard.hear(stranger(node, 1 + i / 10) for i in range(400))
    assert asked(heard) == [DEVICE, NODE, NODE, NODE]
    pauses_s = [round((later - earlier) / NS_PER_S) for (earlier, _), (later, _) in pairwise(heard.says)]
    assert pauses_s == [5, 10, 20]


@pytest.mark.parametrize("is_of_use", [True, False])
def test_a_device_is_asked_again_where_its_last_birth_held_for_a_minute(is_of_use: bool) -> None:
    node, heard = born()
    heard.hear([stranger(node, 1), node.device_born(2, *node.declared(2)), stranger(node, 120 if is_of_use else 10)])
    assert asked(heard) == [DEVICE, DEVICE if is_of_use else NODE]


def test_a_birth_or_a_death_ends_the_wish_for_one() -> None:
    for ends in ("birth", "death"):
        node, heard = born()
        heard.hear([stranger(node, 1), node.device_born(2, *node.declared(2)), stranger(node, 3)])
        heard.hear([node.device_died(4) if ends == "death" else node.device_born(4, *node.declared(4))])
        heard.wait(ns(60))
        assert asked(heard) == [DEVICE], ends


def test_another_devices_birth_is_no_answer() -> None:
    node, heard = born()
    other = Node(device="e", seq=node.seq)
    heard.hear([other.device_born(0)])
    node.seq = other.seq
    heard.hear([stranger(node, 1)])
    other.seq = node.seq
    heard.hear([other.device_born(2)])
    node.seq = other.seq
    heard.hear([stranger(node, 10)])
    assert asked(heard) == [DEVICE, NODE]


def test_50_devices_in_doubt_one_after_the_other_are_asked_at_most_once_in_5_s_together() -> None:
    """It is the edge node's line that bears the answers."""
    node, heard = born()
    for at_s in range(1, 51):
        device = Node(device=f"d{at_s}", seq=node.seq)
        heard.hear([device.device_born(at_s, REBIRTH_CONTROL), stranger(device, at_s + 0.5)])
        node.seq = device.seq
    times = [at_ns for at_ns, _ in heard.says]
    assert len(times) > 1
    assert all(later - earlier >= 5 * NS_PER_S for earlier, later in pairwise(times))


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_restart_remembers_who_takes_requests(is_dead: bool) -> None:
    node, heard = born()
    heard.hear([node.device_died(1)] if is_dead else [])
    heard.form, before = new_format(**ALLOWED), heard.form.snapshot()
    heard.form.restore(before)
    heard.hear([stranger(node, 2)])
    assert asked(heard) == [DEVICE]


def test_a_memory_of_before_that_was_kept_asks_the_edge_node() -> None:
    node, heard = born()
    parts = heard.form.parts()
    for name in [one for one in parts if one.startswith("table ")]:
        table = msgspec.msgpack.decode(parts[name])
        del table["takes_rebirth"]
        parts[name] = msgspec.msgpack.encode(table)
    heard.form = new_format(**ALLOWED)
    heard.form.restore_parts(parts)
    heard.hear([stranger(node, 1)])
    assert asked(heard) == [NODE]


def test_whether_a_metric_can_be_written_travels_with_its_unit() -> None:
    sent = REBIRTH_CONTROL._replace(is_read_only=True, unit="m")
    (read,) = decode(encode(Payload(1, 1, (sent,)))).metrics
    assert (read.is_read_only, read.unit) == (True, "m")
