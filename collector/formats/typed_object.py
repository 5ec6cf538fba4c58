"""JSON objects whose fields are all as they should be, decoded at once into columns: the common case, fast.

Whatever is not so (a missing or wrong field, text for a number, a time out of range, no JSON) is left to
`json_object`, which tells what is wrong and why. Both give the same readings; a contract test holds them together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from collector.formats.event_time import TimeUnit
from collector.formats.json_object import Measured
from collector.readings import Kind, Series

UNSET = msgspec.UNSET


class TypedObject:
    """The objects of one place: `fields` and the field `time`, all of them at the top level.

    `decode` takes a payload to a tuple of its values in the order of `series`, then its time. It raises
    MsgspecError for a payload that needs a closer look; a field that is not there is UNSET.
    """

    def __init__(self, fields: Sequence[Measured], time: str, unit: TimeUnit) -> None:
        self.decode: Callable[[bytes], msgspec.Struct] = msgspec.json.Decoder(_struct(fields, time, unit)).decode
        self.series = tuple(field.series for field in fields)
        self._worth = tuple(map(_worth_of, self.series))
        self.is_as_sent = not any(self._worth)

    def present(self, values: Sequence[Any]) -> tuple[list[Series], list[float]]:
        """The columns of the fields that are there, states as their index, other units as the one that is kept."""
        there = [
            (series, worth(value) if worth else value)
            for series, worth, value in zip(self.series, self._worth, values, strict=True)
            if value is not UNSET
        ]
        return [series for series, _ in there], [value for _, value in there]


def typed_object(fields: Sequence[Measured], time: str, unit: TimeUnit) -> TypedObject | None:
    """The typed reader of these fields; None where there can be none: no time, a field of a nested object, or twice."""
    names = [*(field.field for field in fields), time]
    if not time or any("." in name for name in names) or len(set(names)) < len(names):
        return None
    return TypedObject(fields, time, unit)


def _struct(fields: Sequence[Measured], time: str, unit: TimeUnit) -> type[msgspec.Struct]:
    """The fields in their order, then the time."""
    wanted: list[Any] = [
        (f"f{i}", _type_of(field), UNSET) if field.optional else (f"f{i}", _type_of(field))
        for i, field in enumerate(fields)
    ]
    names = {f"f{i}": field.field for i, field in enumerate(fields)} | {"time": time}
    wanted.append(("time", str if unit == "iso" else int | float))
    return msgspec.defstruct("Object", wanted, rename=names, kw_only=True, gc=False)


def _type_of(field: Measured) -> Any:
    kind, states = field.series.kind, field.series.states
    worth: Any = float
    if kind is Kind.STATE:
        worth = Literal[(*states, *range(len(states)))]
    elif kind is Kind.STOCK:
        worth = Annotated[float, msgspec.Meta(ge=0, le=_most(field.series))]
    elif field.series.scaling is not UNSET:
        worth = Annotated[float, msgspec.Meta(ge=-_most(field.series), le=_most(field.series))]
    return worth | msgspec.UnsetType if field.optional else worth


def _most(series: Series) -> float:
    """The largest number that is one in the unit it is kept in, too."""
    if series.scaling is UNSET:
        return sys.float_info.max
    return sys.float_info.max / max(2.0, 2 * series.scaling.factor)


def _worth_of(series: Series) -> Callable[[Any], float] | None:
    """What a value is worth; None where it is taken as it is."""
    if series.kind is Kind.STATE:
        by_number: dict[str | int, float] = {i: float(i) for i in range(len(series.states))}
        return (by_number | {name: float(i) for i, name in enumerate(series.states)}).__getitem__
    return None if series.scaling is UNSET else series.scaling.of
