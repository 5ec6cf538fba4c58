"""Which kinds of cases there are: every module of `kinds/`, found by listing that folder.

kinds()["rei"].answers(read(raw, kinds()["rei"]))
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from detectors.chain.reference import kinds as _folder


class Kind(Protocol):
    """What a module of `kinds/` holds."""

    KIND: str
    TOLERANCE: float
    CASE: type[Any]

    def answers(self, case: Any) -> dict[str, Any]:
        """The keys of `expected`, as plain values. Raises AndonError or ValueError, naming a key."""


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by its name."""
    modules = [import_module(f"{_folder.__name__}.{one.name}") for one in iter_modules(_folder.__path__)]
    found = [cast(Kind, module) for module in modules]
    return {kind.KIND: kind for kind in sorted(found, key=lambda kind: kind.KIND)}
