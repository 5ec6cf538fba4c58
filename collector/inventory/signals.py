"""What is heard of stocks and orders, whatever dialect it came in: counts, movements, receipts, bills of materials.

Input: `collector.formats` builds them from messages. Output: `collector.inventory.booking` reckons them into one figure
per site and item. Values are frozen; an invalid one cannot be built. Quantities are in the item's own `unit` (UCUM).
"""

from __future__ import annotations

import msgspec

MOST_LINES = 10_000  # of a bill of materials
_MOST = 1e15  # of a quantity; whatever adds up such numbers loses no unit and never overflows
_LONGEST = 200  # characters of a name or an id
# What names of equipment may not hold, as characters that look like it: two items never become one name.
_TWINS = str.maketrans({"/": "\u2215", "+": "\uff0b", "#": "\uff03", ":": "\u2236", '"': "\uff02"})


class Level(msgspec.Struct, frozen=True, kw_only=True, tag="stock"):
    """`quantity` was counted at `at_ns`: whatever moved up to then is in it. `place`: which store of the site."""

    enterprise: str
    site: str
    item: str
    place: str = ""
    id: str
    at_ns: int
    quantity: float
    unit: str = "1"

    def __post_init__(self) -> None:
        _refuse(self.quantity < 0, f"a count of {self.quantity:g} cannot be: check the sender's sign")
        _check(self.enterprise, self.site, self.item, self.place, self.id, self.unit, self.quantity)


class Movement(msgspec.Struct, frozen=True, kw_only=True, tag="movement"):
    """`quantity` came in (above zero) or went out. `receipt`: the id of the receipt that arrived with it.

    `is_void`: it never happened; the movement, or the count, of this id is taken back.
    """

    enterprise: str
    site: str
    item: str
    place: str = ""
    id: str
    at_ns: int
    quantity: float
    unit: str = "1"
    receipt: str = ""
    is_void: bool = False

    def __post_init__(self) -> None:
        _check(self.enterprise, self.site, self.item, self.place, self.id, self.unit, self.quantity)


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="receipt"):
    """As of `at_ns`, `quantity` in all is promised for `promised_ns`; the latest word on an `id` holds, 0 ends it."""

    enterprise: str
    site: str
    item: str
    id: str
    at_ns: int
    quantity: float
    promised_ns: int
    supplier: str = ""
    unit: str = "1"

    def __post_init__(self) -> None:
        _refuse(self.quantity < 0, f"a receipt of {self.quantity:g} cannot be: check the sender's sign")
        _check(self.enterprise, self.site, self.item, "", self.id, self.unit, self.quantity)


class BomLine(msgspec.Struct, frozen=True):
    """`quantity_per` of `component` goes into one of the item."""

    component: str
    quantity_per: float

    def __post_init__(self) -> None:
        _refuse(not self.component, "a line of the bill of materials names no component: name it")
        _refuse(not 0 < self.quantity_per <= _MOST, f"`quantity_per` of {self.component} must be above 0: correct it")


class BomVersion(msgspec.Struct, frozen=True, kw_only=True, tag="bom"):
    """What one of `item` is made of from `valid_from_ns` on. Said again later, a version is replaced."""

    enterprise: str
    site: str
    item: str
    version: str
    at_ns: int
    valid_from_ns: int
    lines: tuple[BomLine, ...]

    def __post_init__(self) -> None:
        _refuse(not self.lines, "the bill of materials has no lines: list its components")
        _refuse(len(self.lines) > MOST_LINES, f"the bill of materials has over {MOST_LINES} lines: split it")
        _check(self.enterprise, self.site, self.item, "", self.version, "1", 0.0)


Signal = Level | Movement | Receipt | BomVersion


def as_name(text: str) -> str:
    """A name as equipment may bear it; `/ + # : "` become characters that look like them."""
    return text.strip().translate(_TWINS)


def _check(enterprise: str, site: str, item: str, place: str, id_: str, unit: str, quantity: float) -> None:
    _refuse(not abs(quantity) <= _MOST, f"the quantity is no plain number up to {_MOST:g}: correct the sender")
    places = {"enterprise": enterprise, "site": site, "item": item}
    for what, name in {**places, "id": id_, "unit": unit}.items():
        _refuse(not name, f"the {what} is empty: name it")
    places["place"] = place
    for what, name in {**places, "id": id_, "unit": unit}.items():
        _refuse(len(name) > _LONGEST, f"the {what} has over {_LONGEST} characters: shorten it")
        _refuse(not name.isprintable(), f"the {what} holds a control character: correct the sender")
    for what, name in places.items():
        _refuse(name != as_name(name), f'the {what} {name!r} holds one of / + # : " or a space at an end: rename it')


def _refuse(is_wrong: bool, why: str) -> None:
    if is_wrong:
        raise ValueError(why)
