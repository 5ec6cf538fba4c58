"""How long to wait before connecting again. Pure: time and chance are arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FROM_S, TO_S = 0.5, 30.0
FAULT_TO_S = 300.0  # when only a person can help: a wrong password does not get right by hurry
RIVAL_FROM_S, RIVAL_TO_S = 60.0, 3600.0  # when another client has our id: two that hurry would only cut each other off


@dataclass(slots=True)
class Backoff:
    """Doubles from failure to failure; a connection that lasted twice the last pause starts it over.

    `chance` gives 0 to 1; pauses vary by half, so that a hall of gateways does not come back in one instant.
    """

    chance: Callable[[], float]
    _last_s: float = 0.0

    def next_s(self, lasted_s: float, from_s: float = FROM_S, to_s: float = TO_S) -> float:
        """The pause after a connection that was up for `lasted_s` (0: it never was)."""
        if lasted_s > 2 * self._last_s:
            self._last_s = 0.0
        self._last_s = min(max(2 * self._last_s, from_s), to_s)
        return self._last_s * (0.5 + 0.5 * self.chance())
