"""How many sources a need has, and how concentrated they are: by supplier, country, region, cluster, division.

The Herfindahl-Hirschman index (HHI) is the sum of squared shares, from 1 / number to 1 (one source or place has all).
Pure. Input: Supplies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from detectors.chain.structure.supplies import Floats, Ints, Need, Supplies

SUPPLIER = "supplier"  # beside the kinds of `Supplies.labels`


def single_sources(supplies: Supplies) -> dict[Need, str]:
    """The needs that one node alone can meet, with that node, in the order of the map."""
    sources: dict[int, set[int]] = defaultdict(set)
    for need, source in zip(supplies.need.tolist(), supplies.source.tolist(), strict=True):
        sources[need].add(source)
    return {supplies.needs[need]: supplies.names[next(iter(of))] for need, of in sources.items() if len(of) == 1}


def concentration(supplies: Supplies, by: str = SUPPLIER) -> dict[Need, float]:
    """HHI of the value that every need is met with. `by`: supplier, or a kind of label (an empty one is a place, too).

    A need whose links are all worth nothing counts them as equal. Raises KeyError for an unknown kind.
    """
    return dict(zip(supplies.needs, _hhi(supplies.need, len(supplies.needs), supplies, by).tolist(), strict=True))


def concentration_of_materials(supplies: Supplies, by: str = SUPPLIER) -> dict[str, float]:
    """HHI of the value of every material (or substitute group) over all who need it."""
    index: dict[str, int] = {}
    of_need = np.array([index.setdefault(material, len(index)) for _, material in supplies.needs], np.int32)
    group = of_need[supplies.need] if len(of_need) else supplies.need
    return dict(zip(index, _hhi(group, len(index), supplies, by).tolist(), strict=True))


def _hhi(group: Ints, groups: int, supplies: Supplies, by: str) -> Floats:
    place = _numbered(supplies.names if by == SUPPLIER else supplies.labels[by])[supplies.source]
    total = np.bincount(group, supplies.value, minlength=groups)
    value = np.where(total[group] > 0, supplies.value, 1.0)
    total = np.bincount(group, value, minlength=groups)
    _, first, of_link = np.unique(
        group.astype(np.int64) * len(supplies) + place, return_index=True, return_inverse=True
    )
    share = np.bincount(of_link, value) / total[group[first]]
    return np.bincount(group[first], share**2, minlength=groups).astype(np.float64)


def _numbered(labels: Sequence[Hashable]) -> Ints:
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(label, len(number)) for label in labels], np.int32)
