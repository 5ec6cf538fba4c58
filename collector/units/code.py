"""A UCUM code (case sensitive, c/s) -> the unit it means, or what is wrong with it and the nearest code that is right.

Source: The Unified Code for Units of Measure 2.2, sections 2 to 12 (the grammar), 21 to 23 (scales that are no ratio:
a unit such as Cel stands alone, with a prefix at most).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from collector.units.table import Atom, table

LONGEST = 64  # characters of a code; the longest that people write have 30
_MOST_PARENTHESES = 8
_LARGEST_EXPONENT = 99
_TOKEN = re.compile(r"(?:\[[^\]\[]*\]|[^./(){}\[\]])+")
_POWER = re.compile(r"(.*?)([+-]?[0-9]+)?")
_ANNOTATION = re.compile(r"\{[!-z|~ ]*\}")

# What people write and what UCUM calls it, by the casefolded word; said in errors, never assumed.
_USUAL = {
    **dict.fromkeys(("c", "°c", "degc", "deg c", "deg_c", "celsius", "℃", "centigrade"), "Cel"),
    **dict.fromkeys(("°f", "degf", "deg f", "deg_f", "fahrenheit", "℉"), "[degF]"),
    **dict.fromkeys(("kelvin", "degk", "°k"), "K"),
    **dict.fromkeys(("pcs", "pc", "pieces", "piece", "stk", "ea", "each", "units", "count", "items"), "{pcs}"),
    **dict.fromkeys(("", "-", "none", "/", "unitless", "n/a"), "1"),
    **dict.fromkeys(("percent", "pct", "%rh", "prozent"), "%"),
    **dict.fromkeys(("rpm", "1/min", "u/min", "r/min", "min-1", "min⁻¹"), "/min"),
    **dict.fromkeys(("°", "degree", "degrees"), "deg"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("psi", "psig", "psia", "lbf/in2"), "[psi]"),
    **dict.fromkeys(("µm", "micron", "microns"), "um"),
    **dict.fromkeys(("kgs", "kilogram", "kilograms"), "kg"),
    **dict.fromkeys(("tonne", "tonnes", "to"), "t"),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), "[lb_av]"),
    **dict.fromkeys(("in", "inch", "inches", '"'), "[in_i]"),
    **dict.fromkeys(("ft", "feet", "foot"), "[ft_i]"),
    **dict.fromkeys(("gal", "gallon", "gallons", "usgal"), "[gal_us]"),
    **dict.fromkeys(("hp",), "[HP]"),
    **dict.fromkeys(("m³", "cbm"), "m3"),
    **dict.fromkeys(("m²", "sqm"), "m2"),
    **dict.fromkeys(("m³/h", "cmh"), "m3/h"),
    **dict.fromkeys(("m/s²",), "m/s2"),
    **dict.fromkeys(("ohms", "ω", "ohm"), "Ohm"),
    **dict.fromkeys(("amp", "amps", "ampere"), "A"),
    **dict.fromkeys(("volt", "volts"), "V"),
    **dict.fromkeys(("kwh", "kw h", "kw*h"), "kW.h"),
    **dict.fromkeys(("wh",), "W.h"),
    **dict.fromkeys(("ph",), "[pH]"),
    **dict.fromkeys(("ppm",), "[ppm]"),
    **dict.fromkeys(("ppb",), "[ppb]"),
    **dict.fromkeys(("db(a)", "dba", "db"), "dB"),
    **dict.fromkeys(("litre", "liter", "ltr"), "L"),
}


class BadUnit(ValueError):
    """A unit that is none, or not the one that was agreed. The text is a sentence with the remedy."""


class Unit(NamedTuple):
    """What a code means: `factor` times the base units to their `powers`; `function` where the scale is no ratio."""

    factor: Fraction
    powers: tuple[tuple[str, int], ...] = ()
    function: str = ""

    def times(self, other: Unit, power: int = 1) -> Unit:
        """The product with `other` to a power. Raises BadUnit where one of them is no ratio."""
        if self.function or other.function:
            name = self.function or other.function
            raise BadUnit(f'"{name}" is a scale, no ratio, and stands alone: write K for differences of temperature')
        powers = dict(self.powers)
        for base, own in other.powers:
            powers[base] = powers.get(base, 0) + own * power
        kept = tuple(sorted((base, own) for base, own in powers.items() if own))
        return Unit(self.factor * other.factor**power, kept)


ONE = Unit(Fraction(1))


@lru_cache(maxsize=4096)
def unit_of(code: str) -> Unit:
    """The unit a code means. Raises BadUnit, a sentence with the nearest code."""
    try:
        return _Reading(code).whole()
    except _NoCode as bad:
        why = "" if quoted(code) in str(bad) else bad
        raise BadUnit(f"{quoted(code)} is no UCUM code{why}: write {_nearest_said(code)}") from bad


def nearest(word: str) -> str:
    """The UCUM code that a word most likely means, `""` where nothing is near."""
    usual = usually(word)
    if usual:
        return usual
    close = get_close_matches(word.strip()[:LONGEST], _likely(), n=1, cutoff=0.6)
    return close[0] if close else ""


def usually(word: str) -> str:
    """The UCUM code that a word is, or that people mean by it everywhere; `""` where there is none."""
    plain = word.strip()[:LONGEST]
    return _USUAL.get(plain.casefold()) or next((code for code in (plain, plain.lower()) if _is_code(code)), "")


def _is_code(word: str) -> bool:
    try:
        return bool(_Reading(word).whole())
    except (_NoCode, BadUnit):
        return False


def quoted(word: str) -> str:
    """A sender's word, short enough for a sentence."""
    return f'"{word}"' if len(word) <= LONGEST else f'"{word[: LONGEST - 8]}..."'


@lru_cache(maxsize=1)
def _likely() -> list[str]:
    """Codes worth proposing: every atom, and the prefixed ones of daily use."""
    daily = ("kg", "mg", "t", "km", "cm", "mm", "um", "nm", "mL", "hL", "kW", "MW", "kW.h", "MW.h", "kPa", "MPa", "hPa")
    more = ("mbar", "mA", "mV", "kV", "ms", "us", "kHz", "MHz", "mm/s", "mm/s2", "m/s", "m/s2", "m3/h", "L/min", "/min")
    return [*daily, *more, *table().atoms]


def _nearest_said(code: str) -> str:
    found = nearest(code)
    if found == "{pcs}":
        return '"{pcs}", or "1" for a pure number'
    return f'"{found}"' if found else "one of https://ucum.org, a word of your own in braces as in {pallet}"


class _NoCode(Exception):
    """What is wrong, as the end of a sentence; `""` where there is no more to say."""


class _Reading:
    """One code, read from left to right."""

    def __init__(self, code: str) -> None:
        if not code or len(code) > LONGEST:
            raise _NoCode(f", which has 1 to {LONGEST} characters")
        self._code = code
        self._at = 0

    def whole(self) -> Unit:
        found = self._term(0)
        if self._at < len(self._code):
            raise _NoCode(f" from {quoted(self._code[self._at :])} on")
        return found

    def _term(self, depth: int) -> Unit:
        """`/`? component (`.` or `/` component)*, each operator for the next component alone."""
        found, power = ONE, 1
        if self._takes("/"):
            power = -1
        else:
            found = self._component(depth)
            if self._next not in ("/", "."):
                return found
            power = -1 if self._taken() == "/" else 1
        while True:
            found = found.times(self._component(depth), power)
            if self._next not in ("/", "."):
                return found
            power = -1 if self._taken() == "/" else 1

    def _component(self, depth: int) -> Unit:
        if self._takes("("):
            if depth >= _MOST_PARENTHESES:
                raise _NoCode(", for its parentheses are nested too deep")
            found = self._term(depth + 1)
            if not self._takes(")"):
                raise _NoCode(", for a parenthesis is not closed")
            self._annotation()
            return found
        token = _TOKEN.match(self._code, self._at)
        if token is not None:
            self._at = token.end()
            found = _simple(token[0])
            self._annotation()
            return found
        if self._annotation():
            return ONE
        raise _NoCode(", for a unit is missing in it")

    def _annotation(self) -> bool:
        """Passes over a word in braces, which changes no meaning."""
        found = _ANNOTATION.match(self._code, self._at)
        self._at = found.end() if found else self._at
        return found is not None

    @property
    def _next(self) -> str:
        return self._code[self._at : self._at + 1]

    def _taken(self) -> str:
        self._at += 1
        return self._code[self._at - 1]

    def _takes(self, sign: str) -> bool:
        is_there = self._next == sign
        self._at += is_there
        return is_there


def _simple(token: str) -> Unit:
    """A number, or a unit symbol with its prefix and exponent."""
    if token.isascii() and token.isdigit():
        if not int(token):
            raise _NoCode(", for no unit is 0 of anything")
        return Unit(Fraction(int(token)))
    parts = _POWER.fullmatch(token)
    symbol, exponent = (parts[1], int(parts[2] or 1)) if parts else (token, 1)
    if not exponent or abs(exponent) > _LARGEST_EXPONENT:
        raise _NoCode(f", for {exponent} is no exponent of a unit")
    found = _symbol(symbol)
    return found if exponent == 1 else ONE.times(found, exponent)


def _symbol(symbol: str) -> Unit:
    atoms, prefixes = table()
    if symbol in atoms:
        return _atom(atoms[symbol])
    for length in (2, 1):
        prefix, atom = prefixes.get(symbol[:length]), atoms.get(symbol[length:])
        if prefix is not None and atom is not None and atom.is_metric:
            found = _atom(atom)
            return found._replace(factor=found.factor * prefix)
    raise _NoCode(f", for {quoted(symbol)} is no unit of it")


def _atom(atom: Atom) -> Unit:
    if not atom.unit:
        return Unit(Fraction(1), ((atom.code, 1),))
    below = unit_of(atom.unit)
    return Unit(below.factor * atom.value, below.powers, atom.function)
