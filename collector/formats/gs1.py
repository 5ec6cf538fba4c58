"""GS1 keys as events write them: EPC URNs and GS1 Digital Links, reduced to the class of goods they stand for.

Source: EPC Tag Data Standard 2.0 (chapter 6), GS1 Digital Link 1.2, GS1 General Specifications 7.9 (check digit),
UN/ECE Recommendation 20 for units.
"""

from __future__ import annotations

import re

_SGTIN = re.compile(r"urn:epc:(?:id:sgtin|idpat:sgtin|class:lgtin):(\d+)\.(\d)(\d*)(?:\..*)?", re.DOTALL)
_LINK = re.compile(r"https?://[^/]+/(?:.*?/)??(01|00|8003|8004|253|414)/([^/?]+)(?:[/?].*)?", re.DOTALL)
_NO_GOODS = re.compile(r"urn:epc:(?:id|idpat):(?:sscc|grai|giai|sgln|gdti|gsrnp?|pgln):", re.DOTALL)
_UNITS = {  # Recommendation 20 -> UCUM
    "": "1",
    "C62": "1",
    "EA": "1",
    "H87": "1",
    "PCE": "1",
    "KGM": "kg",
    "GRM": "g",
    "MGM": "mg",
    "TNE": "t",
    "LTR": "L",
    "MLT": "mL",
    "MTQ": "m3",
    "MTR": "m",
    "CMT": "cm",
    "MMT": "mm",
    "MTK": "m2",
}


def item_class(uri: str) -> str:
    """The GTIN (14 digits) of an instance, lot or class of trade items; `""` for what is no goods (logistic units,
    assets, places); any other class as it is written."""
    urn = _SGTIN.fullmatch(uri)
    if urn is not None:
        company, indicator, reference = urn.groups()
        return _with_check_digit(indicator + company + reference)
    if _NO_GOODS.match(uri):
        return ""
    link = _LINK.fullmatch(uri)
    if link is not None:
        return link[2].zfill(14) if link[1] == "01" else ""
    return uri


def unit_of(code: str) -> str:
    """The UCUM code of a unit of measure. Raises ValueError."""
    if code not in _UNITS:
        raise ValueError(
            f"unit of measure {code[:20]!r} is not known: say which UCUM code it is under `units` in its [[subscribe]]"
        )
    return _UNITS[code]


def _with_check_digit(digits: str) -> str:
    """The 13 digits of a GTIN with the one that checks them, weights 3 and 1."""
    total = sum(int(digit) * (3 if i % 2 == 0 else 1) for i, digit in enumerate(digits))
    return digits + str(-total % 10)
