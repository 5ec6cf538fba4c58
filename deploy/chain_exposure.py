"""What `andon chain exposure` answers: what each node's failure costs. One closely: `chain_closely`.

A table for people, facts for programs, risks for the picture. Programmes: detectors/chain/programme.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, inf
from typing import Any

from deploy.chain_curve_picture import days
from deploy.chain_marks import Risk
from detectors.chain.arrivals import as_counted
from detectors.chain.network import Network
from detectors.chain.survive import Failure, exposure_index, single_failures

Progress = Callable[[int, int], None]


def failures(network: Network, on_progress: Progress) -> list[Failure]:
    """Every node shut alone for its own time to recover, with its index; the largest loss first, unknown ones last.

    Deliveries count that arrive before the stock they are for runs out. Raises NoDemand.
    """
    found: list[Failure] = []
    on_progress(0, len(network.nodes))
    for failure in single_failures(as_counted(network)):
        found.append(failure)
        on_progress(len(found), len(network.nodes))
    return sorted(exposure_index(found), key=lambda one: (bool(one.why_unknown), -one.loss, one.node))


def table(found: Sequence[Failure]) -> list[dict[str, str]]:
    """Rows for people."""
    return [
        {
            "node": one.node,
            "shut for": "?" if one.why_unknown else f"{one.for_d:.4g} d",
            "survives": _days(one),
            "first loss": _first_day(one.time_to_survive_d, one.for_d) if not one.why_unknown else "?",
            "lost": "?" if one.why_unknown else f"{one.loss:,.0f}",
            "index": "?" if one.why_unknown else f"{one.index:.3f}",
        }
        for one in found
    ]


def facts(found: Sequence[Failure]) -> list[dict[str, Any]]:
    """The same for programs. `first_loss_d`: the day, counted from 1, by whose end losing sales is unavoidable."""
    return [
        {
            "node": one.node,
            "shut_for_d": None if one.why_unknown else one.for_d,
            "time_to_survive_d": one.time_to_survive_d,
            "first_loss_d": None if one.why_unknown else first_loss_d(one.time_to_survive_d, one.for_d),
            "loss": None if one.why_unknown else one.loss,
            "index": None if one.why_unknown else one.index,
            "why_unknown": one.why_unknown,
        }
        for one in found
    ]


def risks(found: Sequence[Failure]) -> dict[str, Risk]:
    """For the picture of the network."""
    return {one.node: Risk(None if one.why_unknown else one.index, _words(one)) for one in found}


def first_loss_d(survives_d: float | None, for_d: float) -> int | None:
    """The day, counted from 1, by whose end losing sales is unavoidable; None when it is back before."""
    return None if survives_d is None or survives_d >= for_d else floor(survives_d + 1e-9) + 1


def _first_day(survives_d: float | None, for_d: float) -> str:
    day = first_loss_d(survives_d, for_d)
    return f"day {day}" if day else "none"


def _days(one: Failure) -> str:
    if one.why_unknown:
        return "?"
    return "for ever" if one.time_to_survive_d is None else f"{one.time_to_survive_d:.4g} d"


def _words(one: Failure) -> str:
    if one.why_unknown or one.time_to_survive_d is None or one.time_to_survive_d == inf:
        return ""
    return f"survives {days(one.time_to_survive_d)}"


def unknown(found: Sequence[Failure]) -> list[str]:
    """Why some have no answer, one sentence each."""
    return [one.why_unknown for one in found if one.why_unknown]
