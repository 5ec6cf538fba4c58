"""Sparkplug B payloads: the bytes are those of Eclipse Tahu's schema, and what goes out comes back."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pool
from hypothesis import given
from hypothesis import strategies as st

from collector.formats.sparkplug_b.payload import (
    Datatype,
    Form,
    Metric,
    NotSparkplug,
    Payload,
    Value,
    decode,
    encode,
    signed,
)
from collector.formats.sparkplug_b.schema import PAYLOAD, PLAIN, PROPERTIES

UNITS = ("", "", "kg", "°C")
UINT64 = st.integers(0, 2**64 - 1)
VALUES: dict[Datatype, st.SearchStrategy[Value]] = {
    Datatype.INT8: st.integers(-(2**7), 2**7 - 1),
    Datatype.INT16: st.integers(-(2**15), 2**15 - 1),
    Datatype.INT32: st.integers(-(2**31), 2**31 - 1),
    Datatype.INT64: st.integers(-(2**63), 2**63 - 1),
    Datatype.UINT32: st.integers(0, 2**32 - 1),
    Datatype.UINT64: UINT64,
    Datatype.FLOAT: st.floats(width=32, allow_nan=False),
    Datatype.DOUBLE: st.floats(allow_nan=False),
    Datatype.BOOLEAN: st.booleans(),
    Datatype.STRING: st.text(max_size=20),
}


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    datatype = draw(st.sampled_from(sorted(VALUES)))
    value = draw(st.none() | VALUES[datatype])
    name = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
    alias, stamp_ms = draw(st.none() | UINT64), draw(st.none() | UINT64)
    return Metric(
        value, name, alias, stamp_ms, datatype, value is None, draw(st.booleans()), draw(st.sampled_from(UNITS))
    )


@given(st.builds(Payload, st.none() | UINT64, st.none() | st.integers(0, 255), st.lists(metrics()).map(tuple)))
def test_what_is_written_is_read_back(payload: Payload) -> None:
    read = decode(encode(payload))
    meant = tuple(
        metric if metric.value is None else metric._replace(value=signed(metric.value, metric.datatype))
        for metric in read.metrics
    )
    assert read._replace(metrics=meant) == payload


def test_reads_bytes_laid_out_by_hand() -> None:
    """Field numbers and wire types from sparkplug_b.proto: timestamp 1, metrics 2, seq 3; in a metric name 1, alias 2,
    timestamp 3, datatype 4, is_historical 5, int_value 10, double_value 13."""
    first = b"\x0a\x01T" + b"\x10\x07" + b"\x18\x05" + b"\x20\x03" + b"\x28\x01" + b"\x50\x2a"
    second = b"\x10\x08" + b"\x69" + bytes.fromhex("000000000000f83f")
    data = b"\x08\x09" + b"\x12" + bytes([len(first)]) + first + b"\x12" + bytes([len(second)]) + second + b"\x18\x03"
    assert decode(data) == Payload(
        9, 3, (Metric(42, "T", 7, 5, Datatype.INT32, is_historical=True), Metric(1.5, alias=8))
    )


@pytest.mark.parametrize(
    ("properties", "unit"),
    [
        ({"engUnit": "kg"}, "kg"),
        ({"Quality": None, "Engineering Units": "°C"}, "°C"),
        ({"Engineering Units": "g", "engUnit": "kg"}, "kg"),
        ({"engUnit": None}, ""),
        ({"engUnit": ""}, ""),
        ({"engLow": "kg"}, ""),
        ({}, ""),
    ],
)
def test_a_unit_is_what_a_property_of_that_name_says(properties: dict[str, str | None], unit: str) -> None:
    said = PROPERTIES(keys=list(properties))
    for text in properties.values():
        said.values.add(type=Datatype.STRING, string_value=text or "", is_null=text is None)
    wire = PAYLOAD()
    wire.metrics.add(name="T", int_value=1, properties=said.SerializeToString())
    assert decode(wire.SerializeToString()).metrics == (Metric(1, "T", unit=unit),)


def test_a_unit_is_read_from_bytes_laid_out_by_hand() -> None:
    """From sparkplug_b.proto: properties 9 of a metric; keys 1 and values 2 of a set; type 1 and string_value 8."""
    properties = b"\x0a\x07engUnit" + b"\x12\x06" + b"\x08\x0c" + b"\x42\x02kg"
    metric = b"\x0a\x01T" + b"\x4a" + bytes([len(properties)]) + properties + b"\x50\x01"
    assert decode(b"\x12" + bytes([len(metric)]) + metric).metrics == (Metric(1, "T", unit="kg"),)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        (b"\x12\x00" * 1_001, "a metric has more than 1000 properties: have the edge node send fewer"),
        (b"\x0a\x00" * 1_001, "a metric has more than 1000 properties: have the edge node send fewer"),
        (b"\x0a\x07engUnit\x12\x03\x42\x01\xb0", "a metric's name or text is not UTF-8"),
        (b"\x0a\x07eng", "not a protobuf message of the Sparkplug B schema"),
    ],
)
def test_properties_that_cannot_be_read_are_refused(properties: bytes, says: str) -> None:
    wire = PAYLOAD()
    wire.metrics.add(name="T", int_value=1, properties=properties)
    with pytest.raises(NotSparkplug, match=says):
        decode(wire.SerializeToString())


def test_passes_over_what_its_schema_leaves_out() -> None:
    """uuid (4) and body (5) of a payload; properties (9), a data set (17) and bytes (16) of a metric."""
    metric = b"\x0a\x01D" + b"\x4a\x02\x0a\x00" + b"\x8a\x01\x02\x08\x01"
    other = b"\x0a\x01B" + b"\x82\x01\x01\x00"
    data = b"\x12" + bytes([len(metric)]) + metric + b"\x12" + bytes([len(other)]) + other + b"\x22\x01u\x2a\x01b"
    assert decode(data) == Payload(None, None, (Metric(None, "D"), Metric(None, "B")))


def test_a_null_has_no_value_even_when_one_is_sent() -> None:
    assert decode(b"\x12\x07\x0a\x01N\x38\x01\x50\x01").metrics == (Metric(None, "N", is_null=True),)


@pytest.mark.parametrize(
    ("sent", "datatype", "meant"),
    [
        (0xFF, Datatype.INT8, -1),
        (0xFFFFFFFF, Datatype.INT8, -1),  # as Java's int
        (0xFFF9, Datatype.INT16, -7),
        (0x7FFFFFFF, Datatype.INT32, 2**31 - 1),
        (2**64 - 1, Datatype.INT64, -1),
        (2**64 - 1, Datatype.UINT64, 2**64 - 1),
        (7, 4_000_000_000, 7),  # a data type nobody knows
        (True, Datatype.BOOLEAN, True),
    ],
)
def test_signed_integers_travel_as_unsigned_ones(sent: int, datatype: int, meant: int) -> None:
    assert signed(sent, datatype) == meant


def test_a_form_fills_in_what_encode_would_write() -> None:
    names = [Metric(None, alias=1, datatype=Datatype.INT64), Metric(None, alias=2, datatype=Datatype.STRING)]
    form = Form(names)
    sent: tuple[tuple[int, int, tuple[Value, ...]], ...] = ((5, 0, (-3, "on")), (6, 255, (4, "")))
    for stamp_ms, seq, values in sent:
        filled = tuple(
            metric._replace(value=value, timestamp_ms=stamp_ms) for metric, value in zip(names, values, strict=True)
        )
        assert form.encode(stamp_ms, seq, values) == encode(Payload(stamp_ms, seq, filled))


def test_what_it_cannot_write_is_refused() -> None:
    with pytest.raises(ValueError, match="no data type 16 in this schema"):
        encode(Payload(0, 0, (Metric("a data set", "D", datatype=16),)))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except NotSparkplug as refused:
        assert str(refused)


def test_its_schema_is_its_own() -> None:
    """Another package's sparkplug_b.proto can be loaded in the same process."""
    for name in ("sparkplug_b.proto", PAYLOAD.DESCRIPTOR.file.name, PLAIN.DESCRIPTOR.file.name):
        with pytest.raises(KeyError):
            descriptor_pool.Default().FindFileByName(name)
