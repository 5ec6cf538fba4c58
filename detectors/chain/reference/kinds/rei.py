"""Cases of kind `rei`: what is lost while nodes are shut, and how long nothing is.

Simchi-Levi et al., Interfaces 45(5), 2015, by the kept programmes of `detectors.chain.programme`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.chain.programme.programmes import Programmes
from detectors.chain.reference.stated import NetworkStated, ScenarioStated, at


class ReiCase(msgspec.Struct):
    network: NetworkStated
    scenarios: list[ScenarioStated]


_INDEX = ("index", "rei", "exposure_index")

KIND, TOLERANCE, CASE = "rei", 1e-6, ReiCase


def answers(case: ReiCase) -> dict[str, Any]:
    """`scenarios`, each with `loss`, `tts` (days, null for ever) and `index` (or as the scenario that expects it calls
    it): its loss as a part of the largest loss of those that shut one node, 0 where none of them loses anything.
    """
    with at("network"):
        network = case.network.network()
    programmes, found = Programmes(network), list[dict[str, Any]]()
    for i, one in enumerate(case.scenarios):
        with at(f"scenarios[{i}]"):
            shut, for_d = one.scenario(network), one.for_d(network)
            found.append({"loss": float(programmes.loss(shut, for_d)), "tts": programmes.time_to_survive_d(shut)})
    pairs = list(zip(found, case.scenarios, strict=True))
    largest = max((told["loss"] for told, stated in pairs if len(stated.shut) == 1), default=0.0)
    for told, stated in pairs:
        name = next((key for key in stated.expected or () if key in _INDEX), _INDEX[0])
        told[name] = told["loss"] / largest if largest else 0.0
    return {"scenarios": found}
