"""How long a chain goes on selling everything when something fails, and what it loses after that.

Simchi-Levi et al., Interfaces 45(5), 2015; the programme is in `detectors.chain.programme.rows`. A failed node keeps
its stock; sources of one need replace each other. Times are days, losses in the unit of `value_per_d`. Pure: no clock,
no file. Functions of a network answer once; who asks often keeps its `Programmes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

import msgspec

from detectors.chain.network import Network
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import (
    NOTHING,
    MissingRecovery,
    NoCapacity,
    NoDemand,
    Scenario,
    Unsolved,
)

__all__ = [
    "NOTHING",
    "Failure",
    "Scenario",
    "Unsolved",
    "exposure_index",
    "loss",
    "single_failures",
    "single_failures_apart",
    "time_to_survive_d",
]


def time_to_survive_d(network: Network, scenario: Scenario) -> float | None:
    """The longest time in days over which nothing need be lost; None when it has no end. Raises Unsolved."""
    return Programmes(network).time_to_survive_d(scenario)


def loss(network: Network, scenario: Scenario, for_d: float) -> float:
    """The least value lost when the scenario lasts `for_d` days, in the unit of `value_per_d`. Raises Unsolved."""
    return Programmes(network).loss(scenario, for_d)


class Failure(msgspec.Struct, frozen=True):
    """What the chain loses when one node is shut until it has recovered, and how long it loses nothing (None: ever).

    `index` is the loss as a part of the largest of all single failures. `why_unknown` says why there is no answer.
    """

    node: str
    for_d: float = 0.0
    loss: float = 0.0
    time_to_survive_d: float | None = None
    index: float = 0.0
    why_unknown: str = ""


def single_failures(
    network: Network, programmes: Programmes | None = None, names: Sequence[str] | None = None
) -> Iterator[Failure]:
    """Each node in turn (or these), shut for its own time to recover; `index` is left 0, see `exposure_index`.

    One that has no answer (MissingRecovery, NoCapacity, Unsolved) is told as unknown. Raises NoDemand at the start.
    """
    refuse_without_demand(network)
    kept = programmes or Programmes(network)
    for name in [node.name for node in network.nodes] if names is None else names:
        try:
            for_d = recovers_in_d(network, name)
            shut = Scenario({name: 0.0})
            survives_d = kept.time_to_survive_d(shut)
            yield Failure(name, for_d, kept.loss(shut, for_d), survives_d)
        except Unsolved as error:
            yield Failure(name, why_unknown=str(error))


def single_failures_apart(network: Network, executor: Executor, parts: int) -> list[Failure]:
    """The same for all nodes, shared out to `parts` workers that keep their own programmes; in the network's order."""
    names = [node.name for node in network.nodes]
    shares = list(executor.map(partial(_judged, network), [names[i::parts] for i in range(parts)]))
    judged = {failure.node: failure for share in shares for failure in share}
    return [judged[name] for name in names]


def _judged(network: Network, names: Sequence[str]) -> list[Failure]:
    return list(single_failures(network, names=names))


def exposure_index(failures: list[Failure]) -> list[Failure]:
    """The failures with their index: loss / the largest loss; 0 for all where none loses anything."""
    largest = max((failure.loss for failure in failures), default=0.0) or 1.0
    return [msgspec.structs.replace(failure, index=failure.loss / largest) for failure in failures]


def recovers_in_d(network: Network, name: str) -> float:
    """How long a node that can fail takes to recover. Raises MissingRecovery and NoCapacity."""
    node = network.by_name[name]
    if not node.capacity_per_d:
        raise NoCapacity(f"{name} has a capacity of 0: it makes nothing and cannot fail; correct it or leave it out")
    if node.time_to_recover_d is None:
        raise MissingRecovery(
            f"{name} has no time to recover; state one, or its outages, so that its failure can be judged"
        )
    return node.time_to_recover_d


def refuse_without_demand(network: Network) -> None:
    """Raises NoDemand when nobody in the chain sells anything."""
    if not any(node.demand_per_d for node in network.nodes):
        raise NoDemand("nobody in this chain sells anything, so that nothing can be lost; state the demand of a node")
