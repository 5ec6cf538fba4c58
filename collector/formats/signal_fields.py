"""The fields of one object that speaks of a stock or an order, each read once and refused in the same words."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from collector.formats.event_time import EARLIEST_NS, EventTime, instant, receipt_ns, shown
from collector.formats.format import BadPayload
from collector.inventory.signals import as_name
from collector.sources.source import Message

_OF_FILE = ("_file", "_row")  # where a row of a dropped file stood: no part of what it says


class SignalTime:
    """Times as senders of signals write them: ISO 8601 text, or numbers of one unit."""

    def __init__(self, iso: EventTime, number: EventTime) -> None:
        self._iso = iso
        self._number = number

    def read(self, value: object, field: str, message: Message) -> int:
        """UTC ns. Raises BadPayload, also for what no clock says: a count is put where its time says."""
        reader = self._number if is_number(value) else self._iso
        at_ns = reader.read(value, topic=message.topic, field=field, received_ns=message.received_ns)
        if at_ns < EARLIEST_NS:
            raise BadPayload(
                f"topic {message.topic}: field `{field}` says {instant(at_ns)}, before 2000: set the sender's clock"
            )
        return at_ns


class SignalFields:
    """One object of a message. `said`: what the topic and site.toml say where the object does not."""

    def __init__(self, fields: Mapping[str, Any], said: Mapping[str, str], message: Message, time: SignalTime) -> None:
        self.message = message
        self._fields = fields
        self._said = said
        self._time = time

    def text(self, field: str, default: str | None = None) -> str:
        """Text, or a whole number as text. Raises ValueError where it is missing and there is no `default`."""
        value = self._fields.get(field)
        if value is None or value == "":
            value = self._said.get(field, default)
        if value is None:
            there = ", ".join(f"`{key}`" for key in list(self._fields)[:8]) or "nothing"
            raise ValueError(f"field `{field}` is missing (there is {there}): correct the sender")
        if type(value) is int:
            return str(value)
        if not isinstance(value, str):
            raise ValueError(f"field `{field}` holds {shown(value)}, text is wanted: correct the sender")
        return value

    def name(self, field: str, default: str | None = None) -> str:
        """Text as equipment may bear it."""
        return as_name(self.text(field, default))

    def has(self, field: str) -> bool:
        return self._fields.get(field) not in (None, "")

    def flag(self, field: str) -> bool:
        """True, or text that says so; false where there is none. Raises ValueError."""
        value = self._fields.get(field)
        if value in (None, "", False, "false"):
            return False
        if value not in (True, "true"):
            raise ValueError(f"field `{field}` holds {shown(value)}, true or false is wanted: correct the sender")
        return True

    def quantity(self, field: str = "quantity") -> float:
        """A plain number, or text of one. Raises ValueError."""
        value = self._fields.get(field)
        number = _number(value)
        if not math.isfinite(number):
            held = "is missing" if value is None else f"holds {shown(value)}"
            raise ValueError(f"field `{field}` {held}, a number is wanted: correct the sender")
        return number

    def at_ns(self, field: str = "at", *, required: bool = False) -> int:
        """The time a field says; without it that of the receipt. Raises ValueError or BadPayload."""
        if self.has(field):
            return self._time.read(self._fields[field], field, self.message)
        if required:
            raise ValueError(f"field `{field}` is missing: name the time")
        return receipt_ns(self.message)

    def id(self, *, needs: str = "") -> str:
        """The object's own id, else a digest of all it says. `needs`: the field without which that would not do."""
        if self.has("id"):
            return self.text("id")
        if needs and not self.has(needs):
            raise ValueError(f"there is neither `id` nor `{needs}`, so a repeat would count twice: send one of them")
        said = {key: self._fields[key] for key in sorted(self._fields) if key not in _OF_FILE}
        received_ns = 0 if self.has("at") else self.message.received_ns
        return hashlib.sha256(msgspec.json.encode((self._said, said, received_ns))).hexdigest()[:32]

    def bom_lines(self) -> Iterator[tuple[str, float]]:
        """Components with their quantities: the object's `lines`, or the one it is. Raises ValueError."""
        lines = self._fields.get("lines")
        if lines is None:
            yield self.name("component"), self.quantity("quantity_per")
            return
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise ValueError(f"field `lines` holds {shown(lines)}, a list of objects is wanted: correct the sender")
        for line in lines:
            yield from SignalFields(line, {}, self.message, self._time).bom_lines()

    def same_version(self) -> object:
        """What objects have in common that list one bill of materials together; of its own for a whole one."""
        if "lines" in self._fields:
            return id(self)
        return [self._fields.get(field) for field in ("site", "item", "version")]

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """What the object cannot mean becomes the message's dead letter, with the row of the file it came in."""
        try:
            yield
        except ValueError as error:
            file, row = (self._fields.get(one) for one in _OF_FILE)
            where = f"{file} row {row}: " if file else ""
            raise BadPayload(f"topic {self.message.topic}: {where}{error}") from error


def is_number(value: object) -> bool:
    return isinstance(value, int | float) or math.isfinite(_number(value))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
