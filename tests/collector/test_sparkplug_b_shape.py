"""Messages that are built as an earlier one was are read as parsing would have it, and no others are taken for such."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.formats.sparkplug_b.payload import FIELD_OF, Datatype, Metric, Payload, encode
from collector.formats.sparkplug_b.schema import plain
from collector.formats.sparkplug_b.shape import Numbers, Shapes, shape_of
from collector.sources.source import Message
from tests.collector.sparkplug_nodes import ns
from tests.collector.test_sparkplug_b_columns import born, read

STAMP_MS = ns(0) // 1_000_000
KINDS = (Datatype.DOUBLE, Datatype.INT32, Datatype.FLOAT, Datatype.INT64, Datatype.BOOLEAN, Datatype.DOUBLE)
FIELDS = [FIELD_OF[kind] for kind in KINDS]
VALUES = st.tuples(
    st.floats(allow_nan=False),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(width=32, allow_nan=False),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(allow_nan=False),
)
TOPIC = "spBv1.0/g/DDATA/n/d"


def message(values: tuple[float, ...], stamps: list[int | None], stamp_ms: int | None, seq: int) -> bytes:
    metrics = [
        Metric(value, "", i, stamp, kind)
        for i, (value, stamp, kind) in enumerate(zip(values, stamps, KINDS, strict=False))
    ]
    return encode(Payload(stamp_ms, seq, metrics))


def parsed(payload: bytes) -> Numbers:
    wire = plain(payload)
    assert wire is not None
    return Numbers(
        wire.seq,
        wire.timestamp if wire.HasField("timestamp") else None,
        [metric.timestamp for metric in wire.metrics],
        any(metric.HasField("timestamp") for metric in wire.metrics),
        [getattr(metric, field) for metric, field in zip(wire.metrics, FIELDS, strict=True)],
    )


@settings(deadline=None, max_examples=200)
@given(VALUES, st.none() | st.integers(1, 2**42), st.none() | st.integers(1, 2**42), st.integers(0, 255))
def test_a_shape_reads_the_message_it_was_made_of(
    values: tuple[float, ...], stamp: int | None, stamp_ms: int | None, seq: int
) -> None:
    payload = message(values, [stamp] * 6, stamp_ms, seq)
    shape = shape_of(payload, FIELDS)
    assert shape is not None
    assert shape.numbers(payload) == parsed(payload)


def test_messages_of_one_device_are_read_by_the_shape_of_the_first() -> None:
    shapes: Shapes[str] = Shapes()
    first, then = (message((i * 0.5, i, i * 0.25, i, True, 1e300), [STAMP_MS + i] * 6, STAMP_MS, i) for i in (1, 100))
    assert shapes.read(first) is None
    shapes.note(first, FIELDS, "known")
    assert shapes.read(then) == (parsed(then), "known")


@pytest.mark.parametrize(
    "payload",
    [
        encode(Payload(STAMP_MS, 1, (Metric("on", "", 1, STAMP_MS, Datatype.STRING),))),
        encode(Payload(STAMP_MS, None, (Metric(1.0, "", 1, STAMP_MS, Datatype.DOUBLE),))),
        encode(Payload(STAMP_MS, 1, (Metric(1, "", 1, STAMP_MS, Datatype.INT32),))),
        encode(Payload(STAMP_MS, 1, (Metric(1.0, "", 1, STAMP_MS, Datatype.DOUBLE),) * 2)),
        b"\x18\x01\x12\x02\x10\x01",
        b"\x18\x01\x12\x14\x10\x01" + 2 * (b"\x69" + bytes(8)),
        b"\x18\x01\x18\x02\x12\x0b\x10\x01\x69" + bytes(8),
    ],
    ids=["text", "no seq", "another field", "two metrics", "no value", "a value twice", "seq twice"],
)
def test_what_is_not_plain_has_no_shape(payload: bytes) -> None:
    assert shape_of(payload, ["double_value"]) is None


def test_some_metrics_with_times_and_some_without_have_no_shape() -> None:
    assert shape_of(message((1.0, 2), [STAMP_MS, None], None, 1), FIELDS[:2]) is None


def changed(payload: bytes, chance: random.Random) -> bytes:
    """A few bytes or bits of it are others."""
    bytes_ = bytearray(payload)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(bytes_))
        bytes_[at] = bytes_[at] ^ (1 << chance.randrange(8)) if chance.random() < 0.5 else chance.randrange(256)
    return bytes(bytes_)


def swapped(payload: bytes, chance: random.Random) -> bytes:
    """Two stretches of it stand in each other's place."""
    cuts = sorted(chance.sample(range(len(payload) + 1), 4))
    a, b, c, d = cuts
    return payload[:a] + payload[c:d] + payload[b:c] + payload[a:b] + payload[d:]


def _next(payload: bytes) -> bytes:
    """With the number that is due, where the place of that is as it was."""
    return payload.replace(b"\x18\x02", b"\x18\x03", 1)


@pytest.mark.parametrize("damaged", [changed, swapped])
def test_whatever_becomes_of_its_bytes_a_message_is_read_as_parsing_and_the_closer_look_have_it(
    damaged: Callable[[bytes, random.Random], bytes],
) -> None:
    """Of the same length as one whose shape is known, so that nothing but the shape can tell them apart."""
    chance = random.Random(11)
    whole = encode(
        Payload(
            STAMP_MS,
            2,
            (
                Metric(1.5, "", 0, STAMP_MS, Datatype.DOUBLE),
                Metric(2.5, "", 1, STAMP_MS, Datatype.FLOAT),
                Metric(7, "", 3, STAMP_MS, Datatype.INT32),
                Metric(70_000, "", 6, STAMP_MS, Datatype.UINT64),
                Metric(True, "", 8, STAMP_MS, Datatype.BOOLEAN),
            ),
        )
    )
    for _ in range(400):
        again = damaged(whole, chance)
        sent = [Message(TOPIC, whole, ns(1)), Message(TOPIC, _next(again), ns(1))]
        one_by_one, fast = born(), born()
        assert read(fast, sent, fast=True)[0] == read(one_by_one, sent, fast=False)[0], again.hex()
        assert fast.parts() == one_by_one.parts(), again.hex()
