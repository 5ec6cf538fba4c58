"""Texts that are numbers, and those that a person reads as one although no JSON parser does: `20,5`, `23.5 °C`, `0x1F`.

The second kind must never be taken for a name: whoever sends it measures something, and wants to see it.
"""

from __future__ import annotations

import math
import re

from collector.units.code import usually

_LONGEST = 60
_HEX = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|16#[0-9a-fA-F]+)")  # of C, and of IEC 61131-3
_PLAIN = r"\d+(?:[.,]\d*)?|[.,]\d+"
_GROUPED = r"\d{1,3}(?:,\d{3}){2,}(?:\.\d*)?|\d{1,3}(?:[.' _\u00a0\u202f]\d{3})+,\d*|\d{1,3}(?:,\d{3})+\.\d*"
_GROUPED_WHOLE = r"\d{1,3}(?:\.\d{3}){2}|\d{1,3}(?:[' _\u00a0\u202f]\d{3})+"  # three dots more are an IP address
_NUMBER = re.compile(rf"[+-]?(?P<number>{_GROUPED}|{_GROUPED_WHOLE}|{_PLAIN})(?:[eE][+-]?\d+)?(?P<unit>[^\d].*)?")


def is_numeral(value: object) -> bool:
    """Whether a JSON value is a number or a truth value, or a text that is a number as JSON writes it."""
    if isinstance(value, (int, float)):
        return True
    try:
        return isinstance(value, str) and "_" not in value and math.isfinite(float(value))
    except ValueError:
        return False


def looks_like_number(text: str) -> bool:
    """Whether a person would read a text as a number: with a decimal comma, thousands, a unit, in hex, or NaN.

    Serial numbers, dates, versions and addresses do not.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return False
    if _HEX.fullmatch(text) or _spells_float(text):
        return True
    found = _NUMBER.fullmatch(text)
    if not found:
        return False
    unit = found["unit"] or ""
    if len(unit) == 1 and unit.isalpha() and unit.isascii() and found["number"].isdigit():
        return False  # 4711B is a name sooner than an amount
    return not unit or ((any(map(str.isalpha, unit)) or not unit.isascii() or "%" in unit) and bool(usually(unit)))


def _spells_float(text: str) -> bool:
    """What Python reads as a float, infinite, NaN and 1_000 included."""
    try:
        float(text)
    except ValueError:
        return False
    return True
