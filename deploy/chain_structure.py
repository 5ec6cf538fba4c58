"""The structure of a chain for programs: what `andon chain lists --json` says of every material and node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from detectors.chain.dependence import dependences, persistences
from detectors.chain.look_through import contents
from detectors.chain.network import Network
from detectors.chain.structure.betweenness import betweenness
from detectors.chain.structure.measures import articulation, influence, k_core
from detectors.chain.structure.sources import SUPPLIER, concentration_of_materials
from detectors.chain.structure.supplies import supplies_of

LABOUR_RATIO = 0.4  # `alpha` of the influence vector: about value added in gross output of an industrial economy


def structure_of(network: Network, home: str, earlier: Sequence[Network] = ()) -> dict[str, Any]:
    """`materials` (HHI by supplier, country, ...), `nodes` (narrow and dense places), and where there is a home
    country `dependence` by material at face value, its `persistence` over `earlier` states of the map and this one,
    and `foreign_content` by node, looked through."""
    supplies = supplies_of(network)
    kinds = (SUPPLIER, *supplies.labels)
    hhi = {kind: concentration_of_materials(supplies, kind) for kind in kinds}
    between = betweenness(supplies)
    columns = {
        "articulation": articulation(supplies).tolist(),
        "betweenness": between.ratio.tolist(),
        "k_core": k_core(supplies).tolist(),
        "influence": influence(supplies, LABOUR_RATIO).tolist(),
    }
    told: dict[str, Any] = {
        "materials": {m: {f"hhi_{kind}": hhi[kind][m] for kind in kinds} for m in hhi[SUPPLIER]},
        "nodes": {name: {key: of[i] for key, of in columns.items()} for i, name in enumerate(supplies.names)},
        "betweenness": {"sampled": between.sampled, "starts": between.starts, "of": between.nodes},
        "influence_alpha": LABOUR_RATIO,
    }
    if home:
        told["dependence"] = msgspec.to_builtins(dependences(network, home))
        told["persistence"] = msgspec.to_builtins(persistences((*earlier, network), home))
        told["foreign_content"] = msgspec.to_builtins(contents(network, home))
    return told
