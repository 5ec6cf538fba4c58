"""EPCIS 2.0 events as they are written in JSON, as far as they say something of a stock.

Input: a message with a document, a query's result, or bare events. Output: `Event`s for `collector.formats.epcis`.
Source: EPCIS 2.0 (GS1, June 2022), core event types and their JSON binding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from collector.formats.format import BadPayload
from collector.sources.source import Message

_RECEIPT_TYPES = ("desadv", "po")  # of business transactions: which of them a receipt was announced as
_STEP = re.compile(r"(?:.*[:/])?(?:BizStep-)?([a-z_]+)", re.DOTALL)
_TYPE = re.compile(r"(?:.*[:/])?(?:BTT-)?([a-z_]+)", re.DOTALL)


class Where(msgspec.Struct):
    id: str


class Amount(msgspec.Struct, rename="camel"):
    epc_class: str
    quantity: float | None = None
    uom: str = ""


class Transaction(msgspec.Struct, rename="camel"):
    biz_transaction: str
    type: str = ""


class Event(msgspec.Struct, rename="camel"):
    """The parts of an event that say something of a stock."""

    type: str
    event_time: str
    event_time_zone_offset: str = ""
    event_id: str = msgspec.field(default="", name="eventID")
    action: str = ""
    biz_step: str = ""
    read_point: Where | None = None
    biz_location: Where | None = None
    epc_list: list[str] = []
    quantity_list: list[Amount] = []
    input_epc_list: list[str] = msgspec.field(default=[], name="inputEPCList")
    input_quantity_list: list[Amount] = []
    output_epc_list: list[str] = msgspec.field(default=[], name="outputEPCList")
    output_quantity_list: list[Amount] = []
    biz_transaction_list: list[Transaction] = []
    error_declaration: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The type as a bare word."""
        return self.type.rpartition(":")[2]

    @property
    def step(self) -> str:
        """The business step as a bare word, however its vocabulary is written; `""` where there is none."""
        found = _STEP.fullmatch(self.biz_step)
        return found[1] if found else ""

    @property
    def receipt(self) -> str:
        """The announced receipt that it names, `""` where it names none."""
        by_type = {
            found[1]: one.biz_transaction
            for one in self.biz_transaction_list
            if (found := _TYPE.fullmatch(one.type)) is not None
        }
        return next((by_type[one] for one in _RECEIPT_TYPES if one in by_type), "")


def events_in(message: Message) -> list[Any]:
    """The events of a document, of a query's result, or bare. Raises BadPayload."""
    try:
        said = msgspec.json.decode(message.payload)
        if isinstance(said, list):
            return said
        body = said.get("epcisBody", said)
        if "queryResults" in body:
            body = body["queryResults"]["resultsBody"]
        events = body.get("eventList", [said] if "epcisBody" not in said else None)
        if isinstance(events, list):
            return events
        why = "its epcisBody has no eventList"
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
        why = str(error)
    raise BadPayload(
        f"topic {message.topic}: no EPCIS 2.0 document and no event in JSON ({why}): correct the sender, or the format "
        "in site.toml"
    )


def digest(fields: Mapping[str, Any]) -> str:
    """An id for an event without one: what it says, but for when it was recorded."""
    said = {key: value for key, value in fields.items() if key not in ("recordTime", "errorDeclaration")}
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:32]
