"""The fast way of Sparkplug B gives what the closer look gives, and leaves to it whatever is not plain."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.formats.format import BadPayload
from collector.formats.limits import MOST_METRICS
from collector.formats.sparkplug_b import SparkplugB
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, Value, encode
from collector.formats.sparkplug_b.schema import ABSENT
from collector.intake import Columns, Intake
from collector.sources.source import Message
from tests.collector.sparkplug_nodes import Node, new_format, ns

STAMP_MS = ns(0) // 1_000_000
OPTIONS: dict[str, Any] = {
    "metric": [
        {"name": "m4", "kind": "state", "states": ["on", "off"]},
        {"name": "m7", "kind": "state", "states": ["on", "off"]},
        {"name": "m2", "kind": "stock"},
        {"name": "m1", "unit": "m", "source_unit": "mm"},
    ],
    "reorder_s": 0,
}
DATATYPES = (
    Datatype.DOUBLE,
    Datatype.FLOAT,
    Datatype.INT8,
    Datatype.INT32,
    Datatype.INT64,
    Datatype.UINT16,
    Datatype.UINT64,
    Datatype.STRING,
    Datatype.BOOLEAN,
    Datatype.TEXT,
    16,
)
VALUES: dict[str, tuple[Datatype, st.SearchStrategy[Value]]] = {
    "double": (Datatype.DOUBLE, st.floats()),
    "float": (Datatype.FLOAT, st.floats(width=32)),
    "int": (Datatype.INT32, st.integers(-3, 3) | st.integers(-(2**31), 2**31 - 1)),
    "long": (Datatype.INT64, st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)),
    "unsigned": (Datatype.UINT64, st.just(ABSENT) | st.integers(0, 2**64 - 1)),
    "boolean": (Datatype.BOOLEAN, st.booleans()),
    "text": (Datatype.STRING, st.sampled_from(["on", "off", "", "\0", "else"])),
}
FIELD_OF_DATATYPE = ("double", "float", "int", "int", "long", "int", "unsigned", "text", "boolean", "text", "double")


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    """Mostly a plain metric of the device; now and then of another field, named, null, historical, of another time."""
    i = draw(st.integers(0, len(DATATYPES) - 1))
    kind = FIELD_OF_DATATYPE[i] if draw(st.integers(0, 9)) else draw(st.sampled_from(sorted(VALUES)))
    datatype, values = VALUES[kind]
    odd = draw(st.sampled_from(["", "", "", "", "", "name", "null", "past", "stamp", "unknown"]))
    return Metric(
        None if odd == "null" else draw(values),
        f"m{i}" if odd == "name" else "",
        77 if odd == "unknown" else i,
        STAMP_MS + draw(st.integers(0, 3)) if odd == "stamp" else draw(st.sampled_from([None, STAMP_MS])),
        datatype,
        is_historical=odd == "past",
    )


def born() -> SparkplugB:
    form = new_format(**OPTIONS)
    declared = tuple(Metric(None, f"m{i}", i, STAMP_MS, kind) for i, kind in enumerate(DATATYPES))
    form.decode(Node().born(0)[0])
    form.decode(Message("spBv1.0/g/DBIRTH/n/d", encode(Payload(STAMP_MS, 1, declared)), ns(0)))
    return form


def read(form: SparkplugB, messages: list[Message], *, fast: bool) -> tuple[str, int]:
    """The readings as they are stored, and how many messages took the closer look."""
    columns, looked = Columns(), 0
    for message in form.decode_whole(messages, columns) if fast else messages:
        looked += 1
        with contextlib.suppress(BadPayload):
            columns.add(form.decode(message).readings, message.received_ns)
    return repr(Intake(lots=columns.lots()).readings), looked


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(metrics(), min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_both_ways_give_the_same(sent: list[list[Metric]], has_stamp: bool) -> None:
    stamp_ms = STAMP_MS if has_stamp else None
    messages = [
        Message("spBv1.0/g/DDATA/n/d", encode(Payload(stamp_ms, 2 + i, tuple(one))), ns(1))
        for i, one in enumerate(sent)
    ]
    one_by_one, whole = born(), born()
    assert read(whole, messages, fast=True)[0] == read(one_by_one, messages, fast=False)[0]
    assert whole.parts() == one_by_one.parts()


def test_plain_data_takes_no_closer_look() -> None:
    form, node = new_format(), Node()
    for message in node.born(0):
        form.decode(message)
    assert read(form, [node.data(at_s) for at_s in range(1, 50)], fast=True)[1] == 0


def test_a_message_of_more_metrics_than_are_read_is_refused_and_not_taken() -> None:
    form, empty = new_format(), b"\x12\x00" * (MOST_METRICS + 1)
    for message in Node().born(0):
        form.decode(message)
    flood = Message("spBv1.0/g/DDATA/n/d", b"\x18\x02" + empty, ns(1))
    columns = Columns()
    assert list(form.decode_whole([flood], columns)) == [flood]
    with pytest.raises(BadPayload, match=f"more than {MOST_METRICS} metrics"):
        form.decode(flood)


def test_a_new_birth_is_heeded_at_once() -> None:
    form, node = new_format(), Node()
    messages = [*node.born(0), node.data(1), *node.born(2), node.data(3, 8.0)]
    assert read(form, messages, fast=True)[1] == 4
    swapped = tuple(Metric(0.0, f"m{1 - i}", i + 1, STAMP_MS, Datatype.DOUBLE) for i in range(2))
    again = Message("spBv1.0/g/DBIRTH/n/d", encode(Payload(STAMP_MS, node.seq, swapped)), ns(4))
    node.seq += 1
    columns = Columns()
    form.decode(again)
    assert list(form.decode_whole([node.data(5, 9.0)], columns)) == []
    assert [one.metric for one in columns.block[0]] == ["m1", "m0"]
