"""A Sparkplug B payload between its bytes and plain values, both ways.

Fields that the schema leaves out (metadata, data sets, templates, bytes) are passed over when reading, and so are all
properties but the unit and whether a metric may be written.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from collector.formats.limits import MOST_METRICS, has_more_than
from collector.formats.sparkplug_b.schema import PAYLOAD, PROPERTIES
from collector.units.agreement import UNIT_PROPERTIES

Value = bool | int | float | str


class Datatype(IntEnum):
    """Sparkplug 3.0, section 6.4.16: the scalar data types."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14


class Metric(NamedTuple):
    """One metric as sent. `value` is None when null or of a type the schema leaves out; `name` is "" when left out.

    Signed integers travel as unsigned ones: `signed` turns them back once the data type is known. `unit` is the
    sender's word, "" where its properties have none; `is_read_only` what they say of writing, which few do.
    """

    value: Value | None
    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = Datatype.UNKNOWN
    is_null: bool = False
    is_historical: bool = False
    unit: str = ""
    is_read_only: bool = False


class Payload(NamedTuple):
    """One message's payload; `timestamp_ms` and `seq` are None when left out."""

    timestamp_ms: int | None
    seq: int | None
    metrics: Sequence[Metric] = ()


class NotSparkplug(ValueError):
    """The bytes are no Sparkplug B payload."""


_METRICS = 2  # the number of that field in a payload
_PROPERTY_VALUES = (1, 2)  # and of a property set's two
_READ_ONLY = "readOnly"  # the property by which gateways say that a metric cannot be written
_MOST_PROPERTIES = 1_000  # of a metric
_NOT_THE_SCHEMA = "not a protobuf message of the Sparkplug B schema: check what the edge node publishes"
_NOT_UTF8 = "a metric's name or text is not UTF-8: mend the edge node's publisher"
BITS: dict[int, int] = {Datatype.INT8: 8, Datatype.INT16: 16, Datatype.INT32: 32, Datatype.INT64: 64}
_IN_INT = frozenset((Datatype.INT8, Datatype.INT16, Datatype.INT32, Datatype.UINT8, Datatype.UINT16, Datatype.UINT32))
FIELD_OF: dict[int, str] = {
    **dict.fromkeys(_IN_INT, "int_value"),
    **dict.fromkeys((Datatype.INT64, Datatype.UINT64, Datatype.DATETIME), "long_value"),
    **dict.fromkeys((Datatype.STRING, Datatype.TEXT), "string_value"),
    Datatype.FLOAT: "float_value",
    Datatype.DOUBLE: "double_value",
    Datatype.BOOLEAN: "boolean_value",
}


def decode(data: bytes) -> Payload:
    """Reads a payload. Raises NotSparkplug, and nothing else, whatever the bytes are."""
    if has_more_than(MOST_METRICS, _METRICS, data):
        raise NotSparkplug(f"more than {MOST_METRICS} metrics: have the edge node split its birth over devices")
    wire = PAYLOAD()
    try:
        wire.ParseFromString(data)
        return Payload(
            timestamp_ms=wire.timestamp if wire.HasField("timestamp") else None,
            seq=wire.seq if wire.HasField("seq") else None,
            metrics=tuple([_read(metric) for metric in wire.metrics]),
        )
    except DecodeError as error:
        raise NotSparkplug(_NOT_THE_SCHEMA) from error
    except UnicodeDecodeError as error:
        raise NotSparkplug(_NOT_UTF8) from error


def encode(payload: Payload) -> bytes:
    """Writes a payload; negative integers go out as Sparkplug's unsigned ones. Raises ValueError on a data type it does
    not know or a value that does not fit it."""
    wire = PAYLOAD()
    if payload.timestamp_ms is not None:
        wire.timestamp = payload.timestamp_ms
    if payload.seq is not None:
        wire.seq = payload.seq
    for metric in payload.metrics:
        _write(metric, wire.metrics.add())
    return bytes(wire.SerializeToString())


class Form:
    """A payload whose metrics are the same every time, filled in anew: `encode` in a quarter of the time."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._wire = PAYLOAD()
        for metric in metrics:
            wire = self._wire.metrics.add()
            _write(metric, wire)
            wire.ClearField("is_null")
        self._lines = [(wire, _field_of(metric)) for wire, metric in zip(self._wire.metrics, metrics, strict=True)]

    def encode(self, timestamp_ms: int, seq: int, values: Sequence[Value]) -> bytes:
        """The payload with `values` in the order of the metrics, all of this time."""
        self._wire.timestamp = timestamp_ms
        self._wire.seq = seq
        for (wire, field), value in zip(self._lines, values, strict=True):
            wire.timestamp = timestamp_ms
            setattr(wire, field, _unsigned(value, field))
        return bytes(self._wire.SerializeToString())


def signed(value: Value, datatype: int) -> Value:
    """The integer a sender meant: two's complement undone for the signed data types, all else unchanged."""
    bits = BITS.get(datatype)
    if bits is None or not isinstance(value, int):
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _read(wire: Any) -> Metric:
    which = wire.WhichOneof("value")
    is_null = wire.is_null
    value = None if which is None or is_null else getattr(wire, which)
    name = wire.name
    if isinstance(value, bytes) or isinstance(name, bytes):  # how upb hands over text that is not UTF-8
        raise NotSparkplug(_NOT_UTF8)
    alias = wire.alias if wire.HasField("alias") else None
    stamp_ms = wire.timestamp if wire.HasField("timestamp") else None
    unit, is_read_only = _said_in(wire.properties) if wire.HasField("properties") else ("", False)
    return Metric(value, name, alias, stamp_ms, wire.datatype, is_null, wire.is_historical, unit, is_read_only)


def _said_in(properties: bytes) -> tuple[str, bool]:
    """What a metric's properties call its unit, and whether they say that it cannot be written."""
    if any(has_more_than(_MOST_PROPERTIES, field, properties) for field in _PROPERTY_VALUES):
        raise NotSparkplug(f"a metric has more than {_MOST_PROPERTIES} properties: have the edge node send fewer")
    wire = PROPERTIES.FromString(properties)
    said = {key: value for key, value in zip(wire.keys, wire.values, strict=False) if not value.is_null}
    unit = next((said[name].string_value for name in UNIT_PROPERTIES if name in said and said[name].string_value), "")
    if isinstance(unit, bytes):
        raise NotSparkplug(_NOT_UTF8)
    return unit, _READ_ONLY in said and bool(said[_READ_ONLY].boolean_value)


def _write(metric: Metric, wire: Any) -> None:
    if metric.name:  # a name goes with its data type; an alias stands for both
        wire.name = metric.name
        wire.datatype = metric.datatype
    if metric.alias is not None:
        wire.alias = metric.alias
    if metric.timestamp_ms is not None:
        wire.timestamp = metric.timestamp_ms
    if metric.is_historical:
        wire.is_historical = True
    if metric.unit or metric.is_read_only:
        wire.properties = _properties(metric)
    if metric.value is None:
        wire.is_null = True
        return
    field = _field_of(metric)
    setattr(wire, field, _unsigned(metric.value, field))


def _properties(metric: Metric) -> bytes:
    wire = PROPERTIES()
    if metric.unit:
        wire.keys.append(UNIT_PROPERTIES[0])
        wire.values.add(type=Datatype.STRING, string_value=metric.unit)
    if metric.is_read_only:
        wire.keys.append(_READ_ONLY)
        wire.values.add(type=Datatype.BOOLEAN, boolean_value=True)
    return bytes(wire.SerializeToString())


def _field_of(metric: Metric) -> str:
    field = FIELD_OF.get(metric.datatype)
    if field is None:
        raise ValueError(f"metric {metric.name!r}: no data type {metric.datatype} in this schema")
    return field


def _unsigned(value: Value, field: str) -> Value:
    if isinstance(value, int) and value < 0:
        return value & (0xFFFFFFFF if field == "int_value" else 0xFFFFFFFFFFFFFFFF)
    return value
