"""UCUM's own table of unit atoms and prefixes, read from the unchanged file beside this one (see UCUM-NOTICE.md)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

_FILE = Path(__file__).parent / "ucum-essence.xml"
_SPACE = "{http://unitsofmeasure.org/ucum-essence}"


class Atom(NamedTuple):
    """One unit symbol: `value` times `unit`, both "1" for a base unit. `function` names a scale that is no ratio."""

    code: str
    name: str
    is_metric: bool = True
    value: Fraction = Fraction(1)
    unit: str = ""  # "" where nothing stands below it: a base unit, or an arbitrary one such as [iU]
    function: str = ""


class Table(NamedTuple):
    """Atoms and the factors of prefixes, by code."""

    atoms: Mapping[str, Atom]
    prefixes: Mapping[str, Fraction]


@lru_cache(maxsize=1)
def table() -> Table:
    """The whole table, read once, when the first code is looked at."""
    root = ElementTree.parse(_FILE).getroot()
    prefixes = {one.attrib["Code"]: Fraction(_value(one).attrib["value"]) for one in root.iter(f"{_SPACE}prefix")}
    bases = [Atom(one.attrib["Code"], _name(one)) for one in root.iter(f"{_SPACE}base-unit")]
    atoms = [*bases, *map(_derived, root.iter(f"{_SPACE}unit"))]
    return Table({atom.code: atom for atom in atoms}, prefixes)


def _derived(unit: ElementTree.Element) -> Atom:
    said = unit.attrib
    value = _value(unit)
    function = value.find(f"{_SPACE}function")
    counts = (value if function is None else function).attrib
    is_own = said.get("isArbitrary") == "yes" and counts["Unit"] == "1"
    return Atom(
        said["Code"],
        _name(unit),
        said["isMetric"] == "yes",
        Fraction(counts["value"]),
        "" if is_own else counts["Unit"],
        "" if function is None else counts["name"],
    )


def _value(unit: ElementTree.Element) -> ElementTree.Element:
    found = unit.find(f"{_SPACE}value")
    if found is None:
        raise ValueError(f"{_FILE}: {unit.attrib['Code']} has no value: put UCUM's own file there")
    return found


def _name(unit: ElementTree.Element) -> str:
    return unit.findtext(f"{_SPACE}name", "").strip()
