"""Units that stand in a field's name: `fill_level_grams` is `fill_level` in g, `Druck [bar]` is `Druck` in bar."""

from __future__ import annotations

import re
from typing import NamedTuple

from collector.units.code import usually

# What may stand at the end of a name, and what it means. Two words (`mm_s`) are tried before one.
_SAID = {
    "degc": "Cel", "celsius": "Cel", "degf": "[degF]", "fahrenheit": "[degF]", "kelvin": "K",
    "gram": "g", "grams": "g", "kg": "kg", "mg": "mg", "tonnes": "t",
    "mm": "mm", "cm": "cm", "km": "km", "um": "um", "meters": "m", "metres": "m",
    "mm_s": "mm/s", "m_s": "m/s", "m_s2": "m/s2", "mm_s2": "mm/s2", "m_min": "m/min", "mm_min": "mm/min",
    "sec": "s", "seconds": "s", "ms": "ms", "minutes": "min", "hours": "h",
    "watt": "W", "watts": "W", "kw": "kW", "kwh": "kW.h", "wh": "W.h", "kva": "kV.A", "kvar": "kV.A",
    "volt": "V", "volts": "V", "mv": "mV", "kv": "kV", "amp": "A", "amps": "A", "ampere": "A", "ma": "mA",
    "hz": "Hz", "khz": "kHz", "rpm": "/min", "bar": "bar", "mbar": "mbar", "pa": "Pa", "hpa": "hPa", "kpa": "kPa",
    "mpa": "MPa", "psi": "[psi]", "pct": "%", "percent": "%", "ppm": "[ppm]", "ppb": "[ppb]",
    "liter": "L", "liters": "L", "litre": "L", "litres": "L", "ml": "mL", "l_min": "L/min", "l_h": "L/h",
    "m3": "m3", "m3_h": "m3/h", "kg_h": "kg/h", "nm": "N.m", "kn": "kN", "lux": "lx", "db": "dB", "deg": "deg",
    "index": "1", "ratio": "1",
}  # fmt: skip
# A single letter means a unit only beside a word for such a quantity: zone_C is no temperature.
_LETTERS = {
    "C": ("Cel", "temp dew"), "F": ("[degF]", "temp dew"), "K": ("K", "temp dew"),
    "c": ("Cel", "temp dew"), "f": ("[degF]", "temp dew"), "k": ("K", "temp dew"),
    "g": ("g", "weight mass fill level dose"), "t": ("t", "weight mass fill level"),
    "m": ("m", "length height distance position depth level width"),
    "s": ("s", "time duration cycle takt dwell age"), "h": ("h", "time hours duration age"),
    "l": ("L", "volume fill level tank"), "L": ("L", "volume fill level tank"),
    "A": ("A", "current"), "V": ("V", "voltage"), "W": ("W", "power"), "N": ("N", "force thrust load"),
    "a": ("A", "current"), "v": ("V", "voltage"), "w": ("W", "power"), "n": ("N", "force thrust load"),
}  # fmt: skip
_BRACKETS = re.compile(r"(.+?)\s*(\[([^\[\]]+)\]|\(([^()]+)\))\s*")  # as tables write it over their columns
_GAP = re.compile(r"[_\-. ]")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][A-Za-z]{0,2}$)")  # before the unit of temperatureC, energyKWh


class Named(NamedTuple):
    """A name without its unit. `ending`: what of the name said the unit, `""` where nothing does."""

    name: str
    unit: str = "1"
    ending: str = ""


def unit_in(name: str) -> Named:
    """The name and the unit it ends with; the name as it is where it ends with none."""
    bracketed = _BRACKETS.fullmatch(name)
    if bracketed and (unit := usually(bracketed[3] or bracketed[4])):
        return Named(bracketed[1], unit, bracketed[2])
    words = _GAP.split(name if _GAP.search(name) else _HUMP.sub("_", name))
    for count in (2, 1):
        if len(words) > count:
            ending, rest = words[-count:], words[:-count]
            unit = _unit("_".join(ending), " ".join(rest).lower())
            if unit:
                said = name[-sum(map(len, ending)) - count + 1 :]
                return Named(name[: -len(said)].rstrip("_-. "), unit, said)
    return Named(name)


def _unit(ending: str, rest: str) -> str:
    if len(ending) == 1:
        unit, quantities = _LETTERS.get(ending, ("", ""))
        return unit if any(word in rest for word in quantities.split()) else ""
    return _SAID.get(ending.lower(), "")
