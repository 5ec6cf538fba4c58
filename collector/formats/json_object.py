"""A JSON object as machines send it, and how its fields become values of series.

Shared by the formats that read such objects: they say where a message belongs, this says what its fields are worth and
why a field cannot be taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from collector.config import Name, Section
from collector.formats.event_time import EventTime, receipt_ns, shown
from collector.formats.format import BadPayload
from collector.readings import Equipment, Kind, Quality, Readings, Series
from collector.sources.source import Message
from collector.units.agreement import agreed, check_units
from collector.units.scaling import Scaling

_MISSING = object()
_LONGEST_NAME = 200
_decoder = msgspec.json.Decoder(dict[str, Any])


class Quantity(Section, frozen=True, kw_only=True):
    """What one field measures, in UCUM codes: kept in `unit`, sent in `source_unit` where that is another.

    Where `unit` is not stated it is what the sender says, and 1 where it says nothing.
    """

    metric: str = ""
    kind: Kind = Kind.GAUGE
    unit: str = ""
    source_unit: str = ""
    states: tuple[Name, ...] = ()
    on_event: bool = False

    def __post_init__(self) -> None:
        if self.kind is Kind.STATE and self.source_unit:
            raise ValueError("a state has no `source_unit`: remove it")
        check_units(self.unit, self.source_unit)

    def of(self, equipment: Equipment, metric: str, sent_in: str = "") -> Series:
        """The series of this quantity at a place. Raises BadUnit where the sender counts `sent_in` another unit."""
        unit, scaling = agreed(self.unit, self.source_unit, sent_in)
        return Series(equipment, metric, unit, self.kind, self.states, self.on_event, scaling)


class Measured(NamedTuple):
    """A field whose series is known. `optional`: a message without the field is whole all the same."""

    field: str
    series: Series
    optional: bool
    least: float  # a float from here on is taken as it is; NaN where values always need a look: states, other units


def measured(field: str, series: Series, *, optional: bool) -> Measured:
    least = {Kind.STATE: math.nan, Kind.STOCK: 0.0}.get(series.kind, -math.inf)
    if series.scaling is not UNSET:
        least = math.nan
    return Measured(field, series, optional, least)


def decode_object(message: Message) -> dict[str, Any]:
    """The payload as a JSON object. Raises BadPayload for anything else (NaN and 1e400 are no JSON)."""
    try:
        return _decoder.decode(message.payload)
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"topic {message.topic}: not a JSON object ({error}): correct the sender") from error


def field_of(payload: Mapping[str, Any], field: str) -> Any:
    """The value of a field, or of `a.b` inside nested objects; `_MISSING` where there is none."""
    value = payload.get(field, _MISSING)
    if value is _MISSING and "." in field:
        value = payload
        for key in field.split("."):
            value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def required(payload: Mapping[str, Any], field: str, topic: str) -> Any:
    """The value of a field that must be there. Raises BadPayload."""
    value = field_of(payload, field)
    if value is _MISSING:
        there = ", ".join(shown(key) for key in list(payload)[:8]) or "nothing"
        raise BadPayload(
            f"topic {topic}: field `{field}` is missing (the message holds {there}): correct the sender or site.toml"
        )
    return value


def time_in(payload: Mapping[str, Any], field: str, event_time: EventTime, message: Message) -> int:
    """The event time a field holds; without a field's name, the time of receipt. Raises BadPayload."""
    if not field:
        return receipt_ns(message)
    said = required(payload, field, message.topic)
    return event_time.read(said, topic=message.topic, field=field, received_ns=message.received_ns)


def name_in(payload: Mapping[str, Any], field: str, topic: str) -> str:
    """The name a field holds, text or a whole number. Raises BadPayload."""
    name = name_found(payload, field)
    if name is None:
        value = required(payload, field, topic)
        raise BadPayload(f"topic {topic}: field `{field}` holds {shown(value)}, a name is wanted: correct the sender")
    return name


def name_found(payload: Mapping[str, Any], field: str) -> str | None:
    """The name a field holds, None when there is none in it."""
    value = field_of(payload, field)
    if type(value) not in (str, int):
        return None
    name = str(value)
    return name if 0 < len(name) <= _LONGEST_NAME else None


def readings(payload: Mapping[str, Any], fields: Iterable[Measured], at_ns: int, topic: str) -> Readings:
    """One reading per measured field; null says nothing. Raises BadPayload: wrong, missing, or nothing of all this."""
    found: list[Series] = []
    values: list[float] = []
    present = False
    for field, series, optional, least in fields:
        value = payload.get(field)
        if type(value) is not float or not value >= least:
            if value is None:
                value = field_of(payload, field) if optional else required(payload, field, topic)
                if value is _MISSING:
                    continue
            present = True
            if value is None:
                continue
            value = worth(value, series, field, topic)
        found.append(series)
        values.append(value)
    if not found and not present:
        raise BadPayload(f"topic {topic}: holds none of the fields that site.toml names for it: correct either")
    return Readings(found, [at_ns] * len(found), values, [Quality.GOOD] * len(found))


def worth(value: object, series: Series, field: str, topic: str) -> float:
    if series.kind is Kind.STATE:
        return _state(value, series.states, field, topic)
    number = _number(value)
    if not math.isfinite(number):
        raise BadPayload(f"topic {topic}: field `{field}` holds {shown(value)}, a number is wanted: correct the sender")
    if number < 0 and series.kind is Kind.STOCK:
        raise BadPayload(
            f"topic {topic}: field `{field}` holds {shown(value)}: a stock cannot be negative: check the scale's zero"
        )
    return number if series.scaling is UNSET else scaled(number, series.scaling, field, topic)


def scaled(number: float, scaling: Scaling, field: str, topic: str) -> float:
    """The number in the unit it is kept in. Raises BadPayload where no float holds it."""
    kept = scaling.of(number)
    if math.isfinite(kept):
        return kept
    raise BadPayload(
        f"topic {topic}: field `{field}` holds {shown(number)} {scaling.source_unit}, beyond all numbers in the unit "
        "it is kept in: correct the sender or the units in site.toml"
    )


def _state(value: object, states: tuple[str, ...], field: str, topic: str) -> float:
    if isinstance(value, str) and value in states:
        return float(states.index(value))
    index = _number(value)
    if index in range(len(states)):
        return index
    raise BadPayload(
        f"topic {topic}: field `{field}` holds {shown(value)}, no state of {', '.join(states)} and no index of one: "
        "correct the sender or add the state in site.toml"
    )


def _number(value: object) -> float:
    """A JSON number, boolean or numeric text as a float; NaN for everything else."""
    if not isinstance(value, (int, float, str)) or (isinstance(value, str) and "_" in value):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
