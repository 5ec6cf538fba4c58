"""stock_signals: counts, movements, receipts and bills of materials as JSON, over MQTT or as rows of dropped files.

    andon/v1/nanjing/movement   {"id": "GR-17", "at": "2026-03-02T08:00:00Z", "item": "igbt", "quantity": 40}

INVENTORY.md beside this file documents topics and fields. What a message leaves out may stand in the topic: {signal},
{site}, {place} and {item} of the subscribed topic are captures. A message is one object or a list of them; where one of
a list cannot be read, none is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

import msgspec

from collector.config import Name, Section, Site
from collector.formats.event_time import EventTime, shown, site_zone
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.formats.signal_fields import SignalFields, SignalTime
from collector.inventory.signals import BomLine, BomVersion, Level, Movement, Receipt, Signal
from collector.sources.source import Message
from collector.topics import TopicTemplate
from collector.units.agreement import check_units, check_words, meant
from collector.units.code import BadUnit

TOPICS = ("andon/v1/{site}/{signal}/#",)  # as `andon detect-format` subscribes
_TOPIC = re.compile(r"andon/v1/[^/]+/(stock|movement|receipt|bom)(/.*)?", re.DOTALL)
_FIELDS = frozenset((
    "id", "at", "site", "item", "unit", "quantity", "place",
    "from", "to", "receipt", "void", "promised", "supplier",
    "version", "valid_from", "lines", "component", "quantity_per", "_file",
    "_row", "_repeat",
))  # fmt: skip
_decoder: msgspec.json.Decoder[dict[str, Any] | list[dict[str, Any]]] = msgspec.json.Decoder(
    dict[str, Any] | list[dict[str, Any]]
)


class Options(Section, frozen=True, kw_only=True):
    """What holds where neither message nor topic says it. `units`: UCUM codes of the sender's own words for units;
    `time_unit`: of times that are numbers."""

    signal: Literal["", "stock", "movement", "receipt", "bom"] = ""
    site: str = ""
    place: str = ""
    unit: Name = "1"
    units: dict[str, str] = {}
    time_unit: Literal["s", "ms", "us", "ns"] = "ms"


def build(options: Options, site: Site, topic: TopicTemplate) -> StockSignals:
    """Raises ValueError: nothing would ever say which signal a message is, or a unit is none."""
    check_units(options.unit, "")
    check_words(options.units)
    if not options.signal and "signal" not in topic.captures:
        raise ValueError(
            f'topic {topic.text!r} has no {{signal}}: write andon/v1/{{site}}/{{signal}}, or signal = "movement"'
        )
    return StockSignals(options, site, topic)


def can_share(options: Options) -> bool:
    """Never: each collector would book only a part of what moved."""
    return False


def fits(message: Message) -> float:
    """How surely a message is of this dialect: by its topic, else by objects that hold its fields and no others."""
    try:
        said = objects_in(message)
    except BadPayload:
        return 0.0
    if _TOPIC.fullmatch(message.topic):
        return 1.0 if all("item" in fields for fields in said) else 0.3
    return 0.9 if said and all(map(_speaks_of_stock, said)) else 0.0


def _speaks_of_stock(fields: dict[str, Any]) -> bool:
    how_many = fields.keys() & {"quantity", "lines", "quantity_per"}
    return isinstance(fields.get("item"), str) and len(how_many) == 1 and _FIELDS.issuperset(fields)


class StockSignals(Stateless):
    """The Format of one [[subscribe]]."""

    def __init__(self, options: Options, site: Site, topic: TopicTemplate) -> None:
        self._enterprise = site.enterprise
        self._units = options.units
        self._topic = topic.matcher()
        self._time = SignalTime(EventTime("iso", site_zone(site)), EventTime(options.time_unit))
        own = {"signal": options.signal, "site": options.site, "place": options.place, "unit": options.unit}
        self._said = {"site": site.name} | {name: text for name, text in own.items() if text}
        self._readers: dict[str, Callable[[Sequence[SignalFields]], Iterable[Signal]]] = {
            "stock": self._levels,
            "movement": self._movements,
            "receipt": self._receipts,
            "bom": self._boms,
        }

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        found = self._topic.fullmatch(message.topic)
        said = self._said | {name: text for name, text in (found.groupdict() if found else {}).items() if text}
        reader = self._readers.get(said.get("signal", ""))
        if reader is None:
            known = ", ".join(self._readers)
            what = shown(said.get("signal", ""))
            raise BadPayload(f"topic {message.topic}: {what} is no signal; there is {known}: correct the topic")
        rows = [SignalFields(fields, said, message, self._time) for fields in objects_in(message)]
        return Decoded(signals=list(reader(rows)))

    def _levels(self, rows: Sequence[SignalFields]) -> Iterator[Signal]:
        for row in rows:
            with row.refusing():
                yield Level(
                    **self._whose(row),
                    place=row.name("place", ""),
                    id=row.id(),
                    at_ns=row.at_ns(),
                    quantity=row.quantity(),
                    unit=self._unit(row),
                )

    def _movements(self, rows: Sequence[SignalFields]) -> Iterator[Signal]:
        """One from a place to another is two."""
        for row in rows:
            with row.refusing():
                quantity = row.quantity()
                if not (row.has("from") or row.has("to")):
                    yield self._movement(row, row.name("place", ""), quantity)
                    continue
                if quantity <= 0 or row.text("from", "") == row.text("to", ""):
                    raise ValueError("a movement `from` a place `to` another is above 0 and between two: correct it")
                if row.has("from"):
                    yield self._movement(row, row.name("from"), -quantity)
                if row.has("to"):
                    yield self._movement(row, row.name("to"), quantity)

    def _movement(self, row: SignalFields, place: str, quantity: float) -> Movement:
        return Movement(
            **self._whose(row),
            place=place,
            id=row.id(needs="at"),
            at_ns=row.at_ns(),
            quantity=quantity,
            unit=self._unit(row),
            receipt=row.text("receipt", "") if quantity > 0 else "",
            is_void=row.flag("void"),
        )

    def _receipts(self, rows: Sequence[SignalFields]) -> Iterator[Signal]:
        for row in rows:
            with row.refusing():
                yield Receipt(
                    **self._whose(row),
                    id=row.text("id"),
                    at_ns=row.at_ns(),
                    quantity=row.quantity(),
                    promised_ns=row.at_ns("promised", required=True),
                    supplier=row.text("supplier", ""),
                    unit=self._unit(row),
                )

    def _boms(self, rows: Sequence[SignalFields]) -> Iterator[Signal]:
        """An object with `lines` is a version; objects of one component each make up theirs together."""
        for _, run in groupby(rows, key=lambda row: row.same_version()):
            first, *more = run
            with first.refusing():
                lines = [line for row in (first, *more) for line in row.bom_lines()]
                yield BomVersion(
                    **self._whose(first),
                    version=first.text("version"),
                    at_ns=first.at_ns(),
                    valid_from_ns=first.at_ns("valid_from", required=True),
                    lines=tuple(BomLine(component, quantity) for component, quantity in lines),
                )

    def _unit(self, row: SignalFields) -> str:
        """The UCUM code of a quantity. Raises ValueError."""
        try:
            return meant(row.text("unit"), self._units)
        except BadUnit as bad:
            raise ValueError(f"`quantity` {bad}") from bad

    def _whose(self, row: SignalFields) -> dict[str, str]:
        return {"enterprise": self._enterprise, "site": row.name("site"), "item": row.name("item")}


def objects_in(message: Message) -> list[dict[str, Any]]:
    """The objects of a message. Raises BadPayload for anything else."""
    try:
        said = _decoder.decode(message.payload)
    except (ValueError, RecursionError) as error:
        raise BadPayload(
            f"topic {message.topic}: not a JSON object and no list of objects ({error}): correct the sender"
        ) from error
    return said if isinstance(said, list) else [said]
