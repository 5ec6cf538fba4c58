"""epcis: GS1 EPCIS 2.0 events in JSON as counts and movements of stock; documents, query results, bare events or lists.

    [[subscribe]]
    topic = "epcis/nanjing"
    format = "epcis"
    [subscribe.location]                       # bizLocation or readPoint, an SGLN or GS1 Digital Link
    "urn:epc:id:sgln:0614141.07346.1" = "nanjing/store"   # site, or site/place
    "urn:epc:id:sgln:9521321.00001.0" = ""     # not ours: its events are left out
    [subscribe.item]                           # a GTIN, or a class as it is written; default: the GTIN
    "09506000134352" = "igbt_module"

What counts follows the Core Business Vocabulary: `receiving` and `void_shipping` bring, `shipping` and `retail_selling`
take, counting steps are counts; any other step counts by its action (ADD brings, DELETE takes, OBSERVE does neither).
A TransformationEvent takes its inputs and brings its outputs. Aggregations, associations and transactions move no stock
and logistic units (SSCC) are no items. A repeated event is known by its eventID; one with an errorDeclaration is taken
back. Source: EPCIS 2.0 and CBV 2.0 (GS1, June 2022), core event types and business steps.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from collector.config import Section, Site
from collector.formats.epcis_event import Amount, Event, digest, events_in
from collector.formats.event_time import EARLIEST_NS, EventTime, instant, shown
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.formats.gs1 import item_class, unit_of
from collector.inventory.signals import Level, Movement, Signal, as_name
from collector.sources.source import Message
from collector.topics import TopicTemplate
from collector.units.agreement import check_words

_BRINGS = frozenset({"receiving", "void_shipping"})
_TAKES = frozenset({"shipping", "retail_selling"})
_COUNTS = frozenset({"inventory_check", "cycle_counting", "stock_taking"})
_BY_ACTION = {"ADD": 1, "DELETE": -1, "OBSERVE": 0}
_MOVES_NOTHING = frozenset({"AggregationEvent", "AssociationEvent", "TransactionEvent"})


class Options(Section, frozen=True, kw_only=True):
    """`location`: whose stock a place's events are about. `item`: what a class is called here. `units`: UCUM codes of
    units of measure that our short list of UN/ECE Recommendation 20 lacks."""

    location: dict[str, str] = {}
    item: dict[str, str] = {}
    units: dict[str, str] = {}


class Stock(NamedTuple):
    """Whose stock an event is about."""

    site: str
    place: str


def build(options: Options, site: Site, topic: TopicTemplate) -> Epcis:
    """Raises ValueError for a unit that is none."""
    check_words(options.units)
    return Epcis(options, site)


def can_share(options: Options) -> bool:
    """Never: each collector would book only a part of what moved."""
    return False


def fits(message: Message) -> float:
    """How surely a message is of this dialect: 0 not, 1 nothing else looks like it."""
    try:
        events = events_in(message)
    except BadPayload:
        return 0.0
    typed = [event for event in events if isinstance(event, dict) and str(event.get("type", "")).endswith("Event")]
    return 1.0 if typed and len(typed) == len(events) and all("eventTime" in event for event in typed) else 0.0


class Epcis(Stateless):
    """The Format of one [[subscribe]]."""

    def __init__(self, options: Options, site: Site) -> None:
        self._options = options
        self._enterprise = site.enterprise
        self._time = EventTime("iso")

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else. As a capture rolls back, one bad event refuses the whole message."""
        signals: list[Signal] = []
        for number, fields in enumerate(events_in(message), start=1):
            try:
                signals += self._signals(msgspec.convert(fields, Event), fields, message)
            except BadPayload:
                raise
            except ValueError as error:  # msgspec's ValidationError is one
                raise BadPayload(f"topic {message.topic}: event {number}: {_plain(str(error))}") from error
        return Decoded(signals=signals)

    def _signals(self, event: Event, fields: Mapping[str, Any], message: Message) -> Iterator[Signal]:
        if event.kind in _MOVES_NOTHING:
            return
        if event.kind == "TransformationEvent":
            parts = [(-1, event.input_epc_list, event.input_quantity_list)]
            parts += [(1, event.output_epc_list, event.output_quantity_list)]
        elif event.kind == "ObjectEvent":
            parts = [(_sign(event), event.epc_list, event.quantity_list)]
        else:
            raise ValueError(f"{shown(event.type)} is no type of event of EPCIS 2.0: correct the sender")
        is_count = event.kind == "ObjectEvent" and event.step in _COUNTS
        stock = self._stock_of(event) if is_count or any(sign for sign, _, _ in parts) else None
        if stock is None:
            return
        id_, at_ns = event.event_id or digest(fields), self._at_ns(event, message)
        sums: dict[tuple[str, str], float] = defaultdict(float)
        for sign, epcs, amounts in parts:
            for item, unit, quantity in self._amounts(epcs, amounts):
                sums[item, unit] += quantity if is_count else sign * quantity
        for (item, unit), quantity in sums.items():
            whose = {"enterprise": self._enterprise, "site": stock.site, "item": item, "place": stock.place}
            if is_count and event.error_declaration is None:
                yield Level(**whose, id=id_, at_ns=at_ns, quantity=quantity, unit=unit)
            elif quantity or is_count:
                yield Movement(
                    **whose,
                    id=id_,
                    at_ns=at_ns,
                    quantity=quantity,
                    unit=unit,
                    receipt=event.receipt if quantity > 0 and not is_count else "",
                    is_void=event.error_declaration is not None,
                )

    def _stock_of(self, event: Event) -> Stock | None:
        """Where the goods are that came, or were before they went; None where it is nobody's of ours."""
        places = (event.biz_location, event.read_point)
        if event.step in _TAKES:
            places = (event.read_point, event.biz_location)
        known = [place.id for place in places if place is not None]
        for id_ in known:
            if id_ in self._options.location:
                site, _, place = self._options.location[id_].partition("/")
                return Stock(as_name(site), as_name(place)) if site else None
        named = shown(known[0]) if known else "no place"
        raise ValueError(f'it names {named}: say in [subscribe.location] which site that is, or "" to leave it out')

    def _amounts(self, epcs: Iterable[str], amounts: Iterable[Amount]) -> Iterator[tuple[str, str, float]]:
        """Items with unit and quantity: each EPC is one piece. Raises ValueError."""
        for epc in epcs:
            item = item_class(epc)
            if item:
                yield self._item(item, epc), "1", 1.0
        for amount in amounts:
            item = item_class(amount.epc_class)
            if item and amount.quantity is not None:
                if amount.quantity < 0:
                    raise ValueError(f"quantity of {amount.epc_class} is {amount.quantity:g}: it is never negative")
                unit = self._options.units.get(amount.uom) or unit_of(amount.uom)
                yield self._item(item, amount.epc_class), unit, amount.quantity

    def _item(self, item: str, written: str) -> str:
        return as_name(self._options.item.get(written) or self._options.item.get(item) or item)

    def _at_ns(self, event: Event, message: Message) -> int:
        """The eventTime; its zone is in it, else in the eventTimeZoneOffset."""
        text = event.event_time
        if event.event_time_zone_offset and not re.search(r"(Z|[+-]\d\d:?\d\d)$", text):
            text += event.event_time_zone_offset
        at_ns = self._time.read(text, topic=message.topic, field="eventTime", received_ns=message.received_ns)
        if at_ns < EARLIEST_NS:
            raise ValueError(f"eventTime says {instant(at_ns)}, before 2000: set the sender's clock")
        return at_ns


def _sign(event: Event) -> int:
    """Whether the stock gains, loses or stays. Raises ValueError."""
    step = event.step
    if step in _BRINGS or step in _TAKES:
        return 1 if step in _BRINGS else -1
    if event.action not in _BY_ACTION:
        raise ValueError(f"action is {shown(event.action)}; it is ADD, OBSERVE or DELETE: correct the sender")
    return _BY_ACTION[event.action]


def _plain(why: str) -> str:
    """msgspec's "Expected `str`, got `int` - at `$.action`" with the field first and a remedy."""
    text, _, place = why.partition(" - at `$")
    if place:
        return f"`{place.strip('.`')}`: {text[0].lower()}{text[1:]}; correct the sender"
    return f"{why}; correct the sender" if why.startswith("Object missing") else why
