"""Whether a sender and the site's mapping mean the same unit, and in which unit a series is kept.

Nothing is converted unless the mapping says both units, nothing is guessed from a word: a word that is no UCUM code is
refused until site.toml says what it means.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from collector.units.code import BadUnit, nearest, quoted, unit_of
from collector.units.scaling import Scaling, same, scaling

UNIT_PROPERTIES = ("engUnit", "Engineering Units")  # of Sparkplug metrics: what gateways call a metric's unit


def agreed(unit: str, source_unit: str = "", sent: str = "") -> tuple[str, Scaling | UnsetType]:
    """The unit of a series, and how what is sent gets there, UNSET where it needs nothing.

    `unit` and `source_unit` are the mapping's, `sent` is the sender's word, each `""` where nothing is said. Raises
    BadUnit, a sentence with the remedy.
    """
    source = source_unit or unit or sent or "1"
    target = unit or source
    if sent and not same(sent, source):
        raise BadUnit(_disagreement(sent, source, target))
    return target, UNSET if same(source, target) else scaling(source, target)


def check_units(unit: str, source_unit: str) -> None:
    """Raises BadUnit naming the key of a mapping that is no UCUM code, or no unit of the same thing."""
    for key, code in (("unit", unit), ("source_unit", source_unit)):
        try:
            if code:
                agreed(unit if key == "source_unit" else "", code)
        except BadUnit as bad:
            raise BadUnit(f"`{key}`: {bad}") from bad


def check_words(words: Mapping[str, str]) -> None:
    """Raises BadUnit naming the word of a site's `units` whose meaning is no UCUM code."""
    for word, code in words.items():
        try:
            unit_of(code)
        except BadUnit as bad:
            raise BadUnit(f"`units`: {quoted(word)}: {bad}") from bad


def meant(sent: str, words: Mapping[str, str]) -> str:
    """The UCUM code of a sender's word, by the site's `units` where it stands there. Raises BadUnit."""
    if not sent:
        return ""
    code = words.get(sent, sent)
    try:
        unit_of(code)
    except BadUnit as bad:
        code = nearest(sent) or "..."
        raise BadUnit(
            f"is sent in {quoted(sent)}, which is no UCUM code: if it means {quoted(code)}, write "
            f"units = {{ {quoted(sent)} = {quoted(code)} }} in its [[subscribe]]"
        ) from bad
    return code


def _disagreement(sent: str, source: str, target: str) -> str:
    remedy = "correct whichever is wrong"
    with contextlib.suppress(BadUnit):
        scaling(sent, target)
        remedy = f"correct whichever is wrong, or write source_unit = {quoted(sent)} to have it converted"
    hint = nearest(sent)
    if hint and hint != sent and same(hint, source):
        remedy = f'{quoted(sent)} is another unit in UCUM: if the sender means "{hint}", write it under `units`'
    return f"is sent in {quoted(sent)}, site.toml says {quoted(source)}: {remedy}"
