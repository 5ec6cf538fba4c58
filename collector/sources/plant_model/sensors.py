"""What the sensors of a simulated line show: noise on how the line runs, or the last value when one is stuck."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeVar

from collector.readings import NS_PER_S
from collector.sources.plant_model.faults import LineFaults

N = TypeVar("N", int, float)
_VIBRATION_MM_S = 2.0  # at work; standing it is a tenth
_VIBRATION_NOISE = 0.12
_WARM_CEL, _COLD_CEL, _TEMPERATURE_NOISE = 58.0, 24.0, 0.3
_WARMING_S = 600.0  # time constant of the way to warm or cold


class Sensors:
    """Vibration and temperature, and the freezing of any sensor. Calls come in order of time."""

    def __init__(self, faults: LineFaults, normal: Iterator[float], at_ns: int) -> None:
        self._faults = faults
        self._normal = normal
        self._at_ns = at_ns
        self._temperature_cel = _COLD_CEL
        self._frozen: dict[tuple[str, int], float] = {}

    def read(self, at_ns: int, running: bool) -> tuple[float, float]:
        """Vibration (mm/s) and temperature (Cel)."""
        noise = next(self._normal)
        level = _VIBRATION_MM_S * (self._faults.vibration_gain(at_ns) if running else 0.1)
        goal_cel = _WARM_CEL if running else _COLD_CEL
        way = 1.0 - math.exp((self._at_ns - at_ns) / (_WARMING_S * NS_PER_S))
        self._temperature_cel += (goal_cel - self._temperature_cel) * way
        self._at_ns = at_ns
        vibration = round(max(0.0, level * (1.0 + _VIBRATION_NOISE * noise)), 4)
        temperature = round(self._temperature_cel + _TEMPERATURE_NOISE * next(self._normal), 3)
        if not self._faults.stuck:
            return vibration, temperature
        return self.shown("vibration", at_ns, vibration), self.shown("temperature", at_ns, temperature)

    def shown(self, metric: str, at_ns: int, value: N) -> N:
        """`value`, or the one shown when a fault that holds now froze the sensor."""
        for spell in self._faults.stuck:
            if spell.fault.metric == metric and spell.holds(at_ns):
                return type(value)(self._frozen.setdefault((metric, spell.from_ns), value))
        return value
