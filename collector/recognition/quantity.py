"""What a field measures, guessed from its name and its values: kind, unit, states, each with the reason.

A guess is only made where name or values give one; everything else that is a number is a gauge of unit 1. Whoever reads
the rules is told why, and corrects what is wrong: these are proposals, not findings.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from collector.formats.event_time import shown
from collector.formats.numeral import is_numeral, looks_like_number
from collector.readings import Kind
from collector.recognition.columns import Column, Values
from collector.recognition.units import unit_in


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOST_STATES = 12
_STOCK = _words("stock fill inventory onhand buffer")
_LEFT_OVER = _words("level remaining remain")  # of a store, or of anything else
_STORE = _words("tank silo hopper bin magazine container reel coil spool feeder parts pieces material stack tray")
_COUNTER = _words("count counter counts total good scrap reject rejects produced pieces parts cycles")
_STATE = _words("state status mode phase condition")
_NAMES = _words("id name serial batch lot order uuid guid key operator user code type seq sequence nr")
_AMOUNTS = _words("1 g kg mg t L mL m3 m cm mm")  # units of what lies in store: a level in dB is none
_PHYSICAL = _words(  # what is measured of a thing: whole numbers of it that rise for a while count nothing
    "temperature temp power voltage current pressure speed velocity torque force frequency rpm flow vibration humidity "
    "position angle weight mass length height width distance level setpoint target limit duration age load noise"
)
_LIVELY_RATIO = 0.2  # an unnamed counter moves in at least this share of its messages: settings, too, rise now and then
_STEADY_RATIO = 0.9  # of the steps of a serial number are by one
_RARE_RATIO = 0.02  # falls that are resets, and rises that are refills, are rarer than this, but for one
_REFILL = 5  # times the usual fall
_CLOCK = re.compile(r"\b(\d\d?:\d\d(:\d\d)?|\d\d?[./-]\d\d?[./-]\d{4}|\d{4}[./-]\d\d?[./-]\d\d?)\b")
_FLAT = re.compile(r"[^a-z0-9]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CONTROL = (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))
_TO_PLAIN = dict.fromkeys((*map(ord, '+#:"{}'), *_CONTROL), "_")


_PAIRS = {  # how a plant calls false and true of the things that end a name
    **dict.fromkeys(("door", "gate", "guard", "cover", "hatch", "valve", "gripper", "clamp"), ("closed", "open")),
    **dict.fromkeys(("alarm", "fault", "error", "warning", "trip", "tripped", "failure"), ("normal", "alarm")),
    **dict.fromkeys(("motor", "pump", "fan", "heater", "lamp", "light", "conveyor", "spindle", "drive"), ("off", "on")),
    **dict.fromkeys(("enable", "enabled", "power", "switch", "relay", "output", "input"), ("off", "on")),
    **dict.fromkeys(("auto", "automatic"), ("manual", "automatic")),
}


class Guess(NamedTuple):
    """What a field becomes, and `why`, for a comment."""

    metric: str
    kind: Kind = Kind.GAUGE
    unit: str = "1"
    states: tuple[str, ...] = ()
    on_event: bool = False
    why: str = ""


class LeftOut(NamedTuple):
    """A field that is no measurement, and why. `is_text`: it holds texts, so a rule may say to skip it."""

    why: str
    is_text: bool = False


def guess(name: str, column: Column) -> Guess | LeftOut:
    """What the field `name` measures, by what it held."""
    values = column.values
    if not values:
        return LeftOut("it is always null")
    if any(isinstance(value, (dict, list)) for value in values):
        return LeftOut("it holds lists or objects")
    if isinstance(values[0], bool) or _is_yes_or_no(name, values):
        return _yes_or_no(name, values)
    numbers = [[number for number in map(number_of, own) if number is not None] for own in column.by_place.values()]
    if sum(map(len, numbers)) < len(values) / 2:
        return _text(name, [value for value in values if isinstance(value, str)])
    return _number(name, numbers)


def number_of(value: object) -> float | None:
    """The number that a JSON value is or spells."""
    if isinstance(value, (int, float)) or (isinstance(value, str) and "_" not in value):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None
    return None


def is_serial(column: Column) -> bool:
    """Whether the values number things: whole numbers that mostly go up by one from message to message."""
    steps = []
    for own in column.by_place.values():
        numbers = [number_of(value) for value in own]
        if not all(number is not None and number.is_integer() and number >= 0 for number in numbers):
            return False
        known = [number for number in numbers if number is not None]
        steps += [later - earlier for earlier, later in itertools.pairwise(known)]
    return bool(steps) and steps.count(1) >= _STEADY_RATIO * len(steps)


def serial(name: str) -> Guess:
    """The count of the things that a serial number numbers."""
    plain = _plain(name)
    why = "each message numbers one more of them"
    return Guess(plain if plain.endswith("s") else f"{plain}s", Kind.COUNTER, on_event=True, why=why)


def words_of(name: str) -> list[str]:
    """The words of a name: `stockRotor_2` is stock, rotor, 2."""
    return [word for word in _FLAT.split(_HUMPS.sub("_", name).lower()) if word]


def _number(name: str, by_place: Sequence[Sequence[float]]) -> Guess | LeftOut:
    plain, unit, ending = unit_in(name)
    words = words_of(plain)
    numbers = list(itertools.chain.from_iterable(by_place))
    because = f"its name ends in {ending!r}" if ending else ""
    if words and words[-1] in _NAMES and all(number.is_integer() for number in numbers):
        return LeftOut("it is a name or a code")
    found = Guess(_plain(plain), unit=unit, why=because)
    if words and words[-1] in _STATE and _are_small(numbers):
        states = tuple(str(number) for number in range(int(max(numbers)) + 1))
        return found._replace(kind=Kind.STATE, states=states, why="small whole numbers and its name; name its states")
    kind, why = _kind(words, unit, by_place, is_never_negative=min(numbers) >= 0)
    return found._replace(kind=kind, why="; ".join(filter(None, (why, because))))


def _kind(
    words: Sequence[str], unit: str, by_place: Sequence[Sequence[float]], *, is_never_negative: bool
) -> tuple[Kind, str]:
    moves = [later - earlier for own in by_place for earlier, later in itertools.pairwise(own)]
    resets = all(_only_resets(own) for own in by_place)
    if is_never_negative and unit in _AMOUNTS and (lies := _lies_in_store(words)):
        return Kind.STOCK, f"{lies!r} in its name"
    if _COUNTER.intersection(words) and resets and is_never_negative:
        return Kind.COUNTER, f"{_first(_COUNTER, words)!r} in its name, and it never falls but to start anew"
    if unit in ("kW.h", "W.h") and resets and sum(move > 0 for move in moves) > sum(move < 0 for move in moves):
        return Kind.COUNTER, "energy that never falls"
    if unit == "1" and not _PHYSICAL.intersection(words) and resets and _is_lively_count(by_place, moves):
        return Kind.COUNTER, "whole numbers that never fall but to start anew"
    if is_never_negative and _is_used_and_refilled(moves):
        return Kind.STOCK, "it falls little by little and is refilled"
    return Kind.GAUGE, ""


def _lies_in_store(words: Sequence[str]) -> str:
    """The word of a name that says a stock: `level` is one of a tank, and none of a noise."""
    is_store = _STORE.intersection(words) or len(words) == 1
    return next((word for word in words if word in _STOCK or (is_store and word in _LEFT_OVER)), "")


def _only_resets(numbers: Sequence[float]) -> bool:
    """Whether a counter's falls are few and near to zero."""
    falls = [(earlier, later) for earlier, later in itertools.pairwise(numbers) if later < earlier]
    return len(falls) <= max(1, _RARE_RATIO * len(numbers)) and all(
        later <= max(0.05 * earlier, 1.0) for earlier, later in falls
    )


def _is_lively_count(by_place: Sequence[Sequence[float]], moves: Sequence[float]) -> bool:
    rises = sum(move > 0 for move in moves)
    are_whole = all(number.is_integer() and number >= 0 for own in by_place for number in own)
    return are_whole and rises >= 5 and rises >= _LIVELY_RATIO * len(moves)


def _is_used_and_refilled(moves: Sequence[float]) -> bool:
    falls, rises = [-move for move in moves if move < 0], [move for move in moves if move > 0]
    if len(falls) < 10 or not rises or len(rises) > max(1, 0.1 * len(falls)):
        return False
    return min(rises) >= _REFILL * statistics.median(falls)


def _is_yes_or_no(name: str, values: Values) -> bool:
    return words_of(name)[:1] in (["is"], ["has"]) and {str(value).lower() for value in values} <= {
        "0", "1", "true", "false",
    }  # fmt: skip


def _yes_or_no(name: str, values: Values) -> Guess:
    metric = _plain(re.sub(r"^(is|has)[_\-. ]?", "", name, flags=re.IGNORECASE)) or _plain(name)
    spelled = {value.lower(): value for value in values if isinstance(value, str) and value not in ("0", "1")}
    if spelled.keys() & {"true", "false"}:
        states = (spelled.get("false", "false"), spelled.get("true", "true"))
        return Guess(metric, Kind.STATE, states=states, why="true or false")
    said = (metric.rsplit(".", 1)[-1] or metric).replace("_", " ")
    states = next((pair for word, pair in _PAIRS.items() if word in words_of(said)), (f"not {said}", said))
    return Guess(metric, Kind.STATE, states=states, why="yes or no; name its states in your words")


def _text(name: str, texts: Sequence[str]) -> Guess | LeftOut:
    states = tuple(dict.fromkeys(texts))
    words = words_of(name)
    unread = [text for text in texts if looks_like_number(text) and not is_numeral(text)]
    if unread and sum(map(looks_like_number, texts)) >= len(texts) / 2:
        return LeftOut(f"its numbers are not written as numbers, such as {shown(unread[0])}: correct the sender")
    if texts and sum(bool(_CLOCK.search(text)) for text in texts) > len(texts) / 2:
        return LeftOut(f"it looks like a time and is no whole one in ISO 8601, such as {shown(texts[0])}", is_text=True)
    if unread or not states or len(states) > MOST_STATES or max(map(len, states)) > 40 or "" in states:
        return LeftOut(f"it is free text, such as {shown(texts[0]) if texts else 'none'}", is_text=True)
    if words and words[-1] in _STATE:
        return Guess(_plain(name), Kind.STATE, states=states, why="few texts and its name; add those not yet seen")
    if (words and words[-1] in _NAMES) or len(states) == 1:
        return LeftOut(f"it is a name, such as {shown(states[0])}", is_text=True)
    if len(texts) < 2 * len(states):
        return LeftOut(f"its texts hardly repeat, such as {shown(states[0])}", is_text=True)
    return Guess(_plain(name), Kind.STATE, states=states, why="few texts that return; add those not yet seen")


def _are_small(numbers: Sequence[float]) -> bool:
    return all(number.is_integer() and 0 <= number < MOST_STATES for number in numbers)


def _first(known: frozenset[str], words: Sequence[str]) -> str:
    return next(word for word in words if word in known)


def _plain(name: str) -> str:
    return name.translate(_TO_PLAIN)
