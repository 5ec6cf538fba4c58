"""Cases of kind `cdi`: how far products depend on imports, at face value."""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.chain.reference.stated import Number, at
from detectors.chain.structure import case as structure


class SourceStated(msgspec.Struct):
    value: Number
    country: str = ""
    domestic: bool = False


class ProductStated(msgspec.Struct):
    sources: list[SourceStated]
    own_supply: Number | None = None
    name: str = ""
    expected: dict[str, Any] | None = None
    tolerance: Number | None = None


class CdiCase(msgspec.Struct):
    products: list[ProductStated]


KIND, TOLERANCE, CASE = "cdi", 1e-9, CdiCase


def answers(case: CdiCase) -> dict[str, Any]:
    """`products`, each with `cdi1`, `cdi2`, `cdi3` (null without own supply) and `dependent`."""
    found = []
    for i, product in enumerate(case.products):
        with at(f"products[{i}]"):
            sources = [msgspec.to_builtins(source) for source in product.sources]
            asked = {"kind": KIND, "products": [{"sources": sources, "own_supply": product.own_supply or 0.0}]}
            found += structure.answers(asked)["products"]
    return {"products": found}
