"""The part of Eclipse Tahu's `sparkplug_b.proto` that carries scalar metrics (field numbers and types as there), built
in a descriptor pool of its own, so no other user of protobuf in the process can clash with it.

Of its payload two classes are made: `PAYLOAD` has every field that is read; `PLAIN` only those of data by alias, with
defaults that no plain message holds, so that a value which is absent, or of another field, shows by itself. A metric's
properties are read apart, by `PROPERTIES`: most metrics have none, and their number must be known first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Kind = descriptor_pb2.FieldDescriptorProto
ABSENT = 2**64 - 1  # what PLAIN gives for a whole number or a truth value that is not there
ABSENT_TEXT = "\0"


class _Field(NamedTuple):
    name: str
    number: int
    kind: Any
    default: str | None = None


_ALIAS = _Field("alias", 2, _Kind.TYPE_UINT64)
_TIMESTAMP = _Field("timestamp", 3, _Kind.TYPE_UINT64)
_DATATYPE = _Field("datatype", 4, _Kind.TYPE_UINT32)
_NAMED = (
    _Field("name", 1, _Kind.TYPE_STRING),
    _ALIAS,
    _TIMESTAMP,
    _DATATYPE,
    _Field("is_historical", 5, _Kind.TYPE_BOOL),
    _Field("is_null", 7, _Kind.TYPE_BOOL),
    _Field("properties", 9, _Kind.TYPE_BYTES),  # a PropertySet, which travels as bytes do
)
_TYPE = _Field("type", 1, _Kind.TYPE_UINT32)
_PROPERTY = (
    _TYPE,
    _Field("is_null", 2, _Kind.TYPE_BOOL),
    _Field("boolean_value", 7, _Kind.TYPE_BOOL),
    _Field("string_value", 8, _Kind.TYPE_STRING),
)
_VALUES = (
    _Field("int_value", 10, _Kind.TYPE_UINT32),
    _Field("long_value", 11, _Kind.TYPE_UINT64),
    _Field("float_value", 12, _Kind.TYPE_FLOAT),
    _Field("double_value", 13, _Kind.TYPE_DOUBLE),
    _Field("boolean_value", 14, _Kind.TYPE_BOOL),
    _Field("string_value", 15, _Kind.TYPE_STRING),
)
_PLAIN_VALUES = (  # whole numbers and truth values are varints all alike, so they may be read wider than they are
    _Field("int_value", 10, _Kind.TYPE_UINT64, str(ABSENT)),
    _Field("long_value", 11, _Kind.TYPE_UINT64, str(ABSENT)),
    _Field("float_value", 12, _Kind.TYPE_FLOAT, "nan"),
    _Field("double_value", 13, _Kind.TYPE_DOUBLE, "nan"),
    _Field("boolean_value", 14, _Kind.TYPE_UINT64, str(ABSENT)),
    _Field("string_value", 15, _Kind.TYPE_STRING, ABSENT_TEXT),
)


def _payload_class(pool: descriptor_pool.DescriptorPool, package: str, own: Any, values: Any) -> Any:
    """The generated class of `Payload` with metrics of these fields."""
    schema = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    metric = schema.message_type.add(name="Metric")
    _add(metric, own)
    metric.oneof_decl.add(name="value")
    _add(metric, values, oneof_index=0)
    payload = schema.message_type.add(name="Payload")
    _add(payload, (_Field("timestamp", 1, _Kind.TYPE_UINT64), _Field("seq", 3, _Kind.TYPE_UINT64)))
    _add_many(payload, "metrics", 2, f".{package}.Metric")
    return _made(pool, schema, "Payload")


def _properties_class(pool: descriptor_pool.DescriptorPool, package: str) -> Any:
    """The generated class of `PropertySet`: `keys`, and as many `values`, of which texts and truth values are read."""
    schema = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    _add(schema.message_type.add(name="PropertyValue"), _PROPERTY)
    properties = schema.message_type.add(name="PropertySet")
    properties.field.add(name="keys", number=1, type=_Kind.TYPE_STRING, label=_Kind.LABEL_REPEATED)
    _add_many(properties, "values", 2, f".{package}.PropertyValue")
    return _made(pool, schema, "PropertySet")


def _made(pool: descriptor_pool.DescriptorPool, schema: Any, name: str) -> Any:
    pool.Add(schema)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{schema.package}.{name}"))


def _add_many(message: Any, name: str, number: int, of: str) -> None:
    message.field.add(name=name, number=number, type=_Kind.TYPE_MESSAGE, type_name=of, label=_Kind.LABEL_REPEATED)


def _add(message: Any, fields: Iterable[_Field], **more: int) -> None:
    for name, number, kind, default in fields:
        field = message.field.add(name=name, number=number, type=kind, label=_Kind.LABEL_OPTIONAL, **more)
        if default is not None:
            field.default_value = default


_POOL = descriptor_pool.DescriptorPool()
PAYLOAD = _payload_class(_POOL, "andon.sparkplug_b", _NAMED, _VALUES)
PROPERTIES = _properties_class(_POOL, "andon.sparkplug_b.properties")
PLAIN = _payload_class(_POOL, "andon.sparkplug_b.plain", (_ALIAS, _TIMESTAMP, _DATATYPE), _PLAIN_VALUES)


def plain(data: bytes) -> Any | None:
    """A payload that holds nothing but what PLAIN has; None where it holds more, or holds it in an unusual way.

    Raises DecodeError or UnicodeDecodeError.
    """
    wire = PLAIN.FromString(data)
    wire.DiscardUnknownFields()
    return wire if wire.ByteSize() == len(data) else None
