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


KIND, TOLERANCE, CASE = "rei", 1e-6, ReiCase


def answers(case: ReiCase) -> dict[str, Any]:
    """`scenarios`, each with `loss` and `tts` (days, null for ever)."""
    with at("network"):
        network = case.network.network()
    programmes, found = Programmes(network), []
    for i, one in enumerate(case.scenarios):
        with at(f"scenarios[{i}]"):
            shut, for_d = one.scenario(network), one.for_d(network)
            found.append({"loss": float(programmes.loss(shut, for_d)), "tts": programmes.time_to_survive_d(shut)})
    return {"scenarios": found}
