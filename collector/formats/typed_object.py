"""JSON objects whose fields are all as they should be, decoded at once into columns: the common case, fast.

Whatever is not so (a missing or wrong field, text for a number, a time out of range, no JSON) is left to
`json_object`, which tells what is wrong and why. Both give the same readings; a contract test holds them together.
"""

from __future__ import annotations

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
        self.has_states = any(one.kind is Kind.STATE for one in self.series)
        self._states = tuple(_indices(one) for one in self.series)

    def present(self, values: Sequence[Any]) -> tuple[list[Series], list[float]]:
        """The columns of the fields that are there, states as their index."""
        there = [
            (series, index_of[value] if index_of else value)
            for series, index_of, value in zip(self.series, self._states, values, strict=True)
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
        worth = Annotated[float, msgspec.Meta(ge=0)]
    return worth | msgspec.UnsetType if field.optional else worth


def _indices(series: Series) -> dict[str | int, float]:
    """The value of each state by its name and by its number; empty for what is no state."""
    by_number: dict[str | int, float] = {i: float(i) for i in range(len(series.states))}
    return by_number | {name: float(i) for i, name in enumerate(series.states)}
