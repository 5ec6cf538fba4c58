"""A chain folder, checked: `load` gives programs its Network, `check` gives people every fault with file and row.

    network = load(Path("chain"))           # raises ChainError
    checked = check(Path("chain"), at_ns)   # checked.errors, checked.warnings, checked.network

Input: the CSV files that SCHEMA.md one folder up describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

from collector.errors import AndonError
from detectors.chain.map.faults import STALE_AFTER_D, cycle_in_bom, faults_of_age, faults_of_dates, faults_within
from detectors.chain.map.places import Places
from detectors.chain.map.reading import read_folder
from detectors.chain.map.tables import Fault, Tables
from detectors.chain.map.wiring import Wiring
from detectors.chain.network import Network

_MOST_SAID = 100  # errors in one exception


class ChainError(AndonError):
    """The chain cannot be used; the sentences name file, row and remedy."""


@dataclass(frozen=True)
class Checked:
    """A folder as far as it could be read. `network` is None exactly when there are errors."""

    folder: Path
    tables: Tables
    network: Network | None
    faults: tuple[Fault, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """A sentence for each thing that must be mended before the chain can be used."""
        return tuple(self.sentence(fault) for fault in self.faults if not fault.warning)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that is allowed and probably not meant."""
        return tuple(self.sentence(fault) for fault in self.faults if fault.warning)

    def sentence(self, fault: Fault) -> str:
        place = f" row {fault.row}" if fault.row else ""
        return (
            f"{self.folder / fault.table}.csv{place}: {fault.says}" if fault.table else f"{self.folder}: {fault.says}"
        )


def load(folder: Path) -> Network:
    """The chain of a folder. Raises ChainError with a sentence for each of its first errors; warnings stop nobody."""
    checked = check(folder)
    if checked.network is None:
        more = len(checked.errors) - _MOST_SAID
        rest = [f"... and {more:,} more; `andon chain check {folder} --json` has all"] if more > 0 else []
        raise ChainError("\n".join([*checked.errors[:_MOST_SAID], *rest]))
    return checked.network


def check(folder: Path, at_ns: int | None = None, stale_after_d: float = STALE_AFTER_D) -> Checked:
    """All that is wrong with a folder; how old its facts are is judged at `at_ns` (UTC), where one is given."""
    if not folder.is_dir():
        nowhere = Fault("", 0, "no such folder; name one that holds sites.csv, items.csv and the other tables")
        return Checked(folder, Tables(), None, (nowhere,))
    tables, unread = read_folder(folder)
    return _judged(folder, tables, unread, at_ns, stale_after_d)


def network_of(tables: Tables) -> tuple[Network | None, tuple[Fault, ...]]:
    """The Network of tables that were made otherwise than from files, None where they have errors, and all faults."""
    checked = _judged(Path(), tables, [], None, STALE_AFTER_D)
    return checked.network, checked.faults


def _judged(folder: Path, tables: Tables, unread: list[Fault], at_ns: int | None, stale_after_d: float) -> Checked:
    """Each step of the check needs the one before to be without error: a row that is missing is no unknown name."""
    network = None
    faults = list(unread)
    if not faults:
        faults += faults_within(tables)
        if at_ns is not None:
            faults += faults_of_age(tables, at_ns, stale_after_d)
            faults += faults_of_dates(tables, at_ns)
    if not _errors(faults):
        faults += cycle_in_bom(tables)
    if not _errors(faults):
        network, joined = _compiled(tables)
        faults += joined
    order = {table: i for i, table in enumerate(Tables._fields)}
    faults.sort(key=lambda fault: (order[fault.table], fault.row))
    return Checked(folder, tables, None if _errors(faults) else network, tuple(faults))


def _compiled(tables: Tables) -> tuple[Network, list[Fault]]:
    places = Places(tables)
    nodes = places.nodes()
    wiring = Wiring(tables, places)
    network = Network(nodes, wiring.arcs, places.stocks(), places.mitigations(), places.outages(), places.shocks())
    faults = [*places.faults, *wiring.check(nodes)]
    if not _errors(faults):
        faults += _overloaded(network)
    return network, faults


def _overloaded(network: Network) -> list[Fault]:
    """A warning for each node that the plan asks for more than it can make."""
    faults = []
    for node in network.nodes:
        planned_per_d = network.planned_per_d[node.name]
        if planned_per_d > node.capacity_per_d * (1 + 1e-9) and node.evidence is not None:
            cap = "its energy cap" if node.capacity_per_d == node.energy_cap_per_d != inf else "its capacity"
            says = f"the plan asks {node.name} for {planned_per_d:.6g} a day, {cap} is {node.capacity_per_d:.6g}"
            faults.append(Fault("capabilities", node.evidence.row, f"{says}; correct shares, demand or capacity", True))
    return faults


def _errors(faults: list[Fault]) -> bool:
    return any(not fault.warning for fault in faults)
