"""Cases of kind `lookthrough`: foreign content at face value and through all tiers (Leontief inverse)."""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.chain.reference.stated import BadCase, Name, Number
from detectors.chain.structure import case as structure

_FLOW = "flow_through_foreign"


class LookThroughCase(msgspec.Struct):
    nodes: list[Name]
    foreign: list[bool]
    input_share: list[list[Number]]
    expected: dict[str, Any] | None = None


KIND, TOLERANCE, CASE = "lookthrough", 1e-9, LookThroughCase


def answers(case: LookThroughCase) -> dict[str, Any]:
    """`face_value_product` (of the first node), `foreign_value_added_share` and `flow_through_foreign` by node.

    A case may ask for the flow through some nodes only; without `expected` all that are not foreign are told.
    """
    names, n = [str(name) for name in case.nodes], len(case.nodes)
    for key, rows in (("foreign", case.foreign), ("input_share", case.input_share)):
        if len(rows) != n:
            raise BadCase(f"{key}: has {len(rows)} values for {n} nodes; give one for each")
    odd = [i for i, row in enumerate(case.input_share) if len(row) != n]
    if odd or not n:
        raise BadCase(f"input_share[{odd[0]}]: is not of {n} values" if odd else "nodes: there is none")
    told = structure.answers({"kind": KIND, "nodes": names, "foreign": case.foreign, "input_share": case.input_share})
    asked = (case.expected or {}).get(_FLOW)
    if isinstance(asked, dict):
        told[_FLOW] = {name: flow for name, flow in told[_FLOW].items() if name in asked}
    return told
